// SPDX-License-Identifier: MIT
//
// Boost.Process v2: a failed exec leaves a zombie.
//
// What happens: the default launcher reads the child's error and throws; it does not wait for the child, whose pid
// nobody
//   has.
// What should:  no child is left of a launch that failed.
// Rule:         waitpid(2): a child that is not waited for stays a zombie.
// Where:        v2/posix/default_launcher.hpp operator(). Seen with 1.81.
// Upstream:     boostorg/process issues 445 and 447; a waitpid(2) was added in 1.88.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS -DBOOST_PROCESS_V2_SEPARATE_COMPILATION boost-v2-failed-exec-zombie.cpp
//   -pthread
#include <sys/wait.h>

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
  try {
    boost::asio::io_context context;
    boost::process::v2::process process(context, "/nonexistent/program", std::vector<std::string>{});
    return 77;
  } catch (const boost::system::system_error&) {
  }
  const bool is_left = waitpid(-1, nullptr, 0) > 0;
  std::printf("%s: Boost %s, v2, a program that does not exist: the child is %s\n", is_left ? "BUG" : "FIXED",
              BOOST_LIB_VERSION, is_left ? "left" : "not left");
  return is_left;
}
