// SPDX-License-Identifier: MIT
//
// Boost.Process: with limit_handles a program that does not exist is started successfully.
//
// What happens: limit_handles asks before the fork which descriptors are in use. The executor's error pipe is none of
// them
//   until after the fork, so the child closes it; the errno of the failed exec is lost, and bp::child has no error.
// What should:  std::errc::no_such_file_or_directory.
// Rule:         Boost.Process documentation, Error: "the error code is set if the process launch fails".
// Where:        detail/posix/handles.hpp limit_handles_, detail/posix/executor.hpp get_used_handles. Seen with 1.81.
// Upstream:     Boost.Process issue 202.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS boost-limit-handles-hides-errors.cpp -pthread
#include <boost/process.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <system_error>

namespace bp = boost::process;

int main() {
  std::error_code plain, limited;
  bp::child first(bp::exe = "/nonexistent/program", plain);
  bp::child second(bp::exe = "/nonexistent/program", bp::limit_handles, limited);
  if (first.valid()) first.detach();
  if (second.valid()) second.detach();
  if (!plain) return 77;
  std::printf("%s: Boost %s, a program that does not exist: error \"%s\", with limit_handles \"%s\"\n",
              limited ? "FIXED" : "BUG", BOOST_LIB_VERSION, plain.message().c_str(), limited.message().c_str());
  return limited ? 0 : 1;
}
