// SPDX-License-Identifier: MIT
//
// Boost.Process: a launch that has no number for its error pipe is a success.
//
// What happens: pipe(2) fails with EMFILE, invoke keeps the error to itself and returns an empty child; the caller's
//   std::error_code stays as it was, and child.id() is -1.
// What should:  the error is std::errc::too_many_files_open.
// Rule:         Boost.Process documentation, Error: "the error code is set if the process launch fails".
// Where:        detail/posix/executor.hpp invoke: set_error(..., "pipe(2) failed") calls no on_error. Seen with 1.81.
// Upstream:     none found; unchanged in v1 of July 2025.
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
  limit.rlim_cur = 3;  // 0, 1 and 2 are open
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  std::error_code error;
  bp::child child(bp::exe = "/bin/true", error);
  const int pid = child.id();
  if (!error && pid > 0) return 77;
  std::printf("%s: Boost %s, no number is free: error \"%s\", pid %d\n", error ? "FIXED" : "BUG", BOOST_LIB_VERSION,
              error.message().c_str(), pid);
  if (child.valid()) child.detach();
  return error ? 0 : 1;
}
