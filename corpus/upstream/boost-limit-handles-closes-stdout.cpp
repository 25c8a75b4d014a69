// SPDX-License-Identifier: MIT
//
// Boost.Process: with limit_handles a pipe for stdout is closed in the child.
//
// What happens: limit_handles keeps the descriptors that handlers tell it of, and the handler of a pipe tells of none.
// The child's 1,
//   onto which the pipe has been duplicated, is closed.
// What should:  the child writes to the pipe.
// Rule:         handles.hpp, limit_handles: "limit also closes the standard handles unless they are explicitly
// redirected". Where:        detail/posix/pipe_out.hpp pipe_out: no get_used_handles; detail/posix/handles.hpp. Seen
// with 1.81. Upstream:     Boost.Process issue 282.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS boost-limit-handles-closes-stdout.cpp -pthread
#include <boost/process.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <string>

namespace bp = boost::process;

int main() {
  bp::ipstream plain, limited;
  bp::child first("/bin/echo", "x", bp::std_out > plain);
  first.wait();
  bp::child second("/bin/echo", "x", bp::std_out > limited, bp::std_err > bp::null, bp::limit_handles);
  second.wait();
  std::string text, limited_text;
  std::getline(plain, text);
  std::getline(limited, limited_text);
  if (text != "x") return 77;
  const bool is_bug = limited_text != "x";
  std::printf("%s: Boost %s, echo x: \"%s\", with limit_handles \"%s\", exit status %d\n", is_bug ? "BUG" : "FIXED",
              BOOST_LIB_VERSION, text.c_str(), limited_text.c_str(), second.exit_code());
  return is_bug;
}
