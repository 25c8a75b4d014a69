// SPDX-License-Identifier: MIT
//
// Boost.Process: where the caller's 2 is closed, a child whose stderr goes to a pipe has no stderr.
//
// What happens: the pipe's write end is 2. dup2 onto itself does nothing; then the handler compares the number with
//   STDOUT_FILENO, where STDERR_FILENO is meant, and closes it.
// What should:  the child writes its stderr to the pipe.
// Rule:         Boost.Process documentation, std_err: "redirect to pipe".
// Where:        detail/posix/pipe_out.hpp pipe_out<2,-1>::on_exec_setup. Seen with 1.81.
// Upstream:     no report found.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS boost-stderr-lost.cpp -pthread
#include <fcntl.h>
#include <unistd.h>

#include <boost/process.hpp>
#include <boost/version.hpp>
#include <cstdio>

namespace bp = boost::process;

int main() {
  const int out = fcntl(1, F_DUPFD_CLOEXEC, 10);
  close(0);  // the read end
  close(2);  // the write end
  bp::pipe err;
  if (err.native_sink() != 2) return 77;
  bp::child child(bp::exe = "/bin/sh", bp::args = {"-c", "[ -e /proc/self/fd/2 ]"}, bp::std_err > err);
  child.wait();
  const bool is_bug = child.exit_code() != 0;
  dprintf(out, "%s: Boost %s, a pipe for stderr whose write end is 2: the child's 2 is %s\n", is_bug ? "BUG" : "FIXED",
          BOOST_LIB_VERSION, is_bug ? "closed" : "open");
  return is_bug;
}
