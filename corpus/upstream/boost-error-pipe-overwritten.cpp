// SPDX-License-Identifier: MIT
//
// Boost.Process: a bind to the number of the error pipe overwrites it, and a failed exec is a success.
//
// What happens: the error pipe gets the lowest free numbers. A posix::fd.bind to one of them puts the user's file in
// the
//   pipe's place: the error of exec is written to that file, and bp::child has no error.
// What should:  std::errc::no_such_file_or_directory, and nothing is written to the user's file.
// Rule:         Boost.Process documentation, Error: "the error code is set if the process launch fails".
// Where:        detail/posix/executor.hpp invoke, detail/posix/fd.hpp bind_fd_. Seen with 1.81.
// Upstream:     none found; unchanged in v1 of July 2025.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS boost-error-pipe-overwritten.cpp -pthread
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/process.hpp>
#include <boost/process/posix.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <system_error>

namespace bp = boost::process;

int main() {
  const int low = memfd_create("user", MFD_CLOEXEC);
  const int file = fcntl(low, F_DUPFD_CLOEXEC, 50);
  int next[2];
  if (low < 0 || file < 0 || close(low) != 0 || pipe(next) != 0) return 77;
  close(next[0]);
  close(next[1]);
  std::error_code error;
  // next[1]: the number that the write end of the next pipe gets.
  bp::child child(bp::exe = "/nonexistent/program", bp::posix::fd.bind(next[1], file), error);
  if (child.valid()) child.wait();
  const long long size = lseek(file, 0, SEEK_END);
  const bool is_bug = !error || size > 0;
  std::printf("%s: Boost %s, a program that does not exist: error \"%s\", %lld bytes in the user's file\n",
              is_bug ? "BUG" : "FIXED", BOOST_LIB_VERSION, error.message().c_str(), size);
  return is_bug;
}
