// SPDX-License-Identifier: MIT
//
// Boost.Process: a failed exec leaves a zombie.
//
// What happens: after the child has told its error the caller calls waitpid(2) once with WNOHANG. The child, which has
// yet to
//   exit, is not reaped; nobody has its pid. Of 100 failures here most leave one.
// What should:  no child is left of a launch that failed.
// Rule:         waitpid(2): a child that is not waited for stays a zombie.
// Where:        detail/posix/executor.hpp invoke: "if an error occured we need to reap the child process". Seen
// with 1.81. Upstream:     Boost.Process issue 285.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS boost-failed-exec-zombie.cpp -pthread
#include <sys/wait.h>

#include <boost/process.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <system_error>

namespace bp = boost::process;

int main() {
  for (int i = 0; i < 100; ++i) {
    std::error_code error;
    bp::child child(bp::exe = "/nonexistent/program", error);
    if (!error) return 77;
  }
  int left = 0;
  while (waitpid(-1, nullptr, 0) > 0) ++left;
  std::printf("%s: Boost %s, 100 programs that do not exist: %d children are left\n", left > 0 ? "BUG" : "FIXED",
              BOOST_LIB_VERSION, left);
  return left > 0;
}
