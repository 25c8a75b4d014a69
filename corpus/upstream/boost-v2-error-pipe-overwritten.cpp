// SPDX-License-Identifier: MIT
//
// Boost.Process v2: where the caller's 0, 1 and 2 are closed, the child overwrites its error pipe: a failed exec is a
// success.
//
// What happens: the error pipe of the default launcher gets 0 and 1. process_stdio puts the user's file at 0, 1 and 2;
// the
//   errno of the failed exec goes there, and the launch has no error.
// What should:  the error is ENOENT, and nothing is written to the user's file.
// Rule:         v2/process.hpp: the constructor throws, where the process cannot be started.
// Where:        v2/posix/default_launcher.hpp operator(), v2/stdio.hpp process_stdio::on_exec_setup. Seen with 1.81.
// Upstream:     none found; unchanged in July 2025.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS -DBOOST_PROCESS_V2_SEPARATE_COMPILATION
//   boost-v2-error-pipe-overwritten.cpp -pthread
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

// clang-format off
#include <boost/optional.hpp>
#include <boost/type_traits/remove_pointer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/process/v2/environment.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>
#include <boost/process/v2/src.hpp>
#include <boost/version.hpp>
// clang-format on

int main() {
  const int tell = fcntl(1, F_DUPFD_CLOEXEC, 40);
  const int file = fcntl(memfd_create("user", MFD_CLOEXEC), F_DUPFD_CLOEXEC, 40);
  if (tell < 0 || file < 0) return 77;
  boost::asio::io_context context;
  for (int number = 0; number < 3; ++number) close(number);  // as a daemon may have it
  bool is_told = false;
  try {
    boost::process::v2::process process(context, "/nonexistent/program", std::vector<std::string>{},
                                        boost::process::v2::process_stdio{file, file, file});
    process.detach();
  } catch (const boost::system::system_error&) {
    is_told = true;
  }
  while (waitpid(-1, nullptr, 0) > 0) {
  }
  const long long size = lseek(file, 0, SEEK_END);
  const bool is_bug = !is_told || size > 0;
  dprintf(tell, "%s: Boost %s, v2, a program that does not exist: %s, %lld bytes in the user's file\n",
          is_bug ? "BUG" : "FIXED", BOOST_LIB_VERSION, is_told ? "an error" : "no error", size);
  _exit(is_bug);
}
