// SPDX-License-Identifier: MIT
//
// Boost.Process v2: what lies between two descriptors of the whitelist is left open in the child.
//
// What happens: a default launcher closes what is below its whitelist and above it, and none of the gaps: close_all
// takes
//   whitelist[idx] for both ends of each gap. The whitelist is 0, 1, 2 and the error pipe, so everything below that
//   pipe stays.
// What should:  the child has 0, 1 and 2.
// Rule:         v2/posix/detail/close_handles.ipp closes "all" but the whitelist, {0, 1, 2} by default.
// Where:        posix::detail::close_all. Versions: 1.81.
// Upstream:     Boost.Process pull request 360.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS -DBOOST_PROCESS_V2_SEPARATE_COMPILATION boost-v2-gaps-left.cpp -pthread
#include <fcntl.h>
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
#include <boost/process/v2/src.hpp>
#include <boost/version.hpp>
// clang-format on

int main() {
  const int secret = open("/dev/null", O_RDONLY);
  if (secret < 3) return 77;
  boost::asio::io_context context;
  const std::vector<std::string> args{"-c", "[ -e /proc/self/fd/" + std::to_string(secret) + " ]"};
  boost::process::v2::process process(context, "/bin/sh", args);
  const pid_t pid = process.id();
  process.detach();
  int status = -1;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 77;
  const bool is_bug = WEXITSTATUS(status) == 0;
  std::printf("%s: Boost %s, v2: the caller's %d is %s in the child\n", is_bug ? "BUG" : "FIXED", BOOST_LIB_VERSION,
              secret, is_bug ? "open" : "closed");
  return is_bug;
}
