// SPDX-License-Identifier: MIT
//
// Boost.Process v2: a process_stdio that swaps stdout and stderr loses one of them.
//
// What happens: process_stdio calls dup2(2) for 0, 1 and 2 in turn, so what is 1 has been replaced when it is to become
// 2:
//   with {0, 2, 1} both streams of the child are the caller's 2.
// What should:  the child's 1 is the caller's 2, and its 2 is the caller's 1.
// Rule:         v2/stdio.hpp, process_stdio: "any native file handle" is an initializer, of each stream alone.
// Where:        v2/stdio.hpp process_stdio::on_exec_setup. Seen with 1.81.
// Upstream:     none found; unchanged in July 2025. GLib had the same: its issue 16.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS -DBOOST_PROCESS_V2_SEPARATE_COMPILATION boost-v2-stdio-overwritten.cpp
//   -pthread
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
  const int tell = fcntl(1, F_DUPFD_CLOEXEC, 20);
  const int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
  if (tell < 0 || out < 0 || err < 0 || dup2(out, 1) != 1 || dup2(err, 2) != 2) return 77;
  boost::asio::io_context context;
  const std::vector<std::string> args{"-c", "echo to-stdout; echo err >&2"};
  boost::process::v2::process process(context, "/bin/sh", args, boost::process::v2::process_stdio{0, 2, 1});
  const pid_t pid = process.id();
  process.detach();
  int status = -1;
  if (waitpid(pid, &status, 0) != pid || status != 0) return 77;
  const long long in_out = lseek(out, 0, SEEK_END), in_err = lseek(err, 0, SEEK_END);
  const bool is_bug = in_out != 4 || in_err != 10;
  dprintf(tell, "%s: Boost %s, v2, stdout and stderr swapped: %lld bytes in the caller's 1, %lld in its 2 (4 and 10)\n",
          is_bug ? "BUG" : "FIXED", BOOST_LIB_VERSION, in_out, in_err);
  return is_bug;
}
