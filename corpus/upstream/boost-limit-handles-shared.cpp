// SPDX-License-Identifier: MIT
//
// Boost.Process: two launches with limit_handles at a time: a child loses what was bound for it.
//
// What happens: limit_handles is one object for the whole program, and keeps the list of the numbers in use in a
// member.
//   A launch that begins between another's on_setup and its fork replaces the other's list, whose child then closes
//   what was bound for it. Here the second launch begins in an initializer of the first; in another thread it is a
//   race, and a data race.
// What should:  the first child has its descriptor, whatever is launched meanwhile.
// Rule:         [res.on.data.races]: what a function reads as const is not modified by another; handles.hpp:
//   limit_handles "closes all unused file-descriptors", and the bound one is used.
// Where:        detail/posix/handles.hpp limit_handles_: mutable used_handles. Seen with 1.81.
// Upstream:     Boost.Process issue 370, open.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS boost-limit-handles-shared.cpp -pthread
#include <fcntl.h>
#include <unistd.h>

#include <boost/process.hpp>
#include <boost/process/extend.hpp>
#include <boost/process/posix.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <system_error>
#include <thread>

namespace bp = boost::process;

// The exit status of a shell that looks whether 40 is open in it; `meanwhile` runs before its fork.
template <class F>
static int look_for_40(int source, F meanwhile) {
  bp::child child(
      bp::exe = "/bin/sh", bp::args = {"-c", "[ -e /proc/$$/fd/40 ]"}, bp::posix::fd.bind(40, source),
      bp::limit_handles, bp::extend::on_setup = [&](auto&) { meanwhile(); });
  child.wait();
  return child.exit_code();
}

int main() {
  const int source = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (source < 0 || look_for_40(source, [] {}) != 0) return 77;
  const int status = look_for_40(
      source, [&] { std::thread([] { bp::child(bp::exe = "/bin/true", bp::limit_handles).wait(); }).join(); });
  const bool is_bug = status != 0;
  std::printf("%s: Boost %s, a second launch with limit_handles meanwhile: the first child's 40 is %s\n",
              is_bug ? "BUG" : "FIXED", BOOST_LIB_VERSION, is_bug ? "closed" : "open");
  return is_bug;
}
