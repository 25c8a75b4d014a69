// SPDX-License-Identifier: MIT
//
// Boost.Process: a launch whose error pipe could not be made has no error, and no child.
//
// What happens: pipe(2) fails with EMFILE. The executor notes the error and returns a child that is none, but calls no
// handler of
//   errors: the std::error_code that was passed stays clear.
// What should:  the error code is EMFILE.
// Rule:         Boost.Process error.hpp: with a std::error_code among the arguments errors are given there.
// Where:        detail/posix/executor.hpp invoke: "pipe(2) failed". Seen with 1.81.
// Upstream:     no report found.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS boost-full-table-not-told.cpp -pthread
#include <sys/resource.h>

#include <boost/process.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <system_error>

namespace bp = boost::process;

int main() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  limit.rlim_cur = 3;  // 0, 1 and 2 are taken
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  std::error_code error;
  bp::child child(bp::exe = "/bin/true", error);
  if (child.valid() && child.id() > 0) return 77;
  std::printf("%s: Boost %s, no number free for the error pipe: no child, error \"%s\"\n", error ? "FIXED" : "BUG",
              BOOST_LIB_VERSION, error.message().c_str());
  return error ? 0 : 1;
}
