// SPDX-License-Identifier: MIT
//
// Boost.Process v2: a child whose exec failed runs the caller's exit handlers and flushes its streams, and stays a
// zombie.
//
// What happens: after a failed execve the child of the default launcher calls exit(3): handlers of atexit(3) run a
// second
//   time, and what the caller had buffered is written twice. Nobody waits for the child.
// What should:  _exit(2) in the child, and waitpid(2) in the caller: the process could not be started.
// Rule:         fork(2) and vfork(2): the child of a failed exec ends by _exit(2), as exit(3) acts on the caller's
// state. Where:        v2/posix/default_launcher.hpp operator(). Versions: 1.81. Upstream:     Boost.Process issue 285
// has the zombie, of the first version.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS -DBOOST_PROCESS_V2_SEPARATE_COMPILATION
//   boost-v2-child-exits-as-caller.cpp -pthread
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
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

static int* ran;  // shared with children

int main() {
  ran = static_cast<int*>(mmap(nullptr, sizeof *ran, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (ran == MAP_FAILED || std::atexit([] { ++*ran; }) != 0) return 77;
  try {
    boost::asio::io_context context;
    boost::process::v2::process process(context, "/nonexistent/program", std::vector<std::string>{});
    return 77;
  } catch (const boost::system::system_error&) {
  }
  siginfo_t info{};
  const bool is_left = waitid(P_ALL, 0, &info, WEXITED) == 0;  // until the child, if there is one, has ended
  const bool is_bug = is_left || *ran != 0;
  std::printf(
      "%s: Boost %s, v2, a program that does not exist: exit handlers ran %d times in the child, a zombie is %s\n",
      is_bug ? "BUG" : "FIXED", BOOST_LIB_VERSION, *ran, is_left ? "left" : "not left");
  std::fflush(stdout);
  _exit(is_bug);
}
