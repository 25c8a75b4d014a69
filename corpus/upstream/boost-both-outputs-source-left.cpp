// SPDX-License-Identifier: MIT
//
// Boost.Process: a child whose stdout and stderr go to one pipe keeps that pipe's read end.
//
// What happens: (bp::std_out & bp::std_err) > pipe leaves the pipe's other end open in the child, where bp::std_out >
// pipe
//   closes it. A child that writes when its reader has gone gets no SIGPIPE: it is a reader itself, and blocks.
// What should:  the child has the write end alone.
// Rule:         pipe(7): SIGPIPE when all descriptors of the read end are closed.
// Where:        detail/posix/pipe_out.hpp pipe_out<1,2>::on_exec_setup. Seen with 1.81.
// Upstream:     Boost.Process issue 353.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS boost-both-outputs-source-left.cpp -pthread
#include <boost/process.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

namespace bp = boost::process;

// What the child has beyond 0, 1 and 2. bp::child returns after the child's exec.
static int pipe_ends(bool is_both) {
  bp::ipstream out;
  bp::child child = is_both ? bp::child("/bin/sleep", "60", (bp::std_out & bp::std_err) > out)
                            : bp::child("/bin/sleep", "60", bp::std_out > out);
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(child.id()) + "/fd"))
    if (std::stoi(entry.path().filename()) > 2 &&
        std::filesystem::read_symlink(entry.path()).string().rfind("pipe:", 0) == 0)
      ++count;
  child.terminate();
  return count;
}

int main() {
  const int one = pipe_ends(false), both = pipe_ends(true);
  const bool is_bug = both > one;
  std::printf("%s: Boost %s: pipe ends beyond 0 to 2 in the child: %d with std_out > pipe, %d with both\n",
              is_bug ? "BUG" : "FIXED", BOOST_LIB_VERSION, one, both);
  return is_bug;
}
