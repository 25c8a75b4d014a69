// SPDX-License-Identifier: MIT
//
// The errno is that of what failed, and nothing is left; behaviours 48 to 56.
#include "properties/on_the_kernel.h"

namespace spawncheck {
namespace {

SPAWNCHECK_FAMILY(Errors, Family::errors, 1)

TEST(Errors, EveryProgramThatCannotRun) {
  for (const char* program :
       {"missing", "directory", "not-executable", "no-format", "not-directory", "too-long", "loop"})
    for (const char* implementation : {"reference", "fork_exec"})
      for (const char* policy : {"only", "inherit", "drop"})
        expect_holds(session_with(implementation), "fd 0 null\nfd 5 memfd cloexec\nthread\n  spawn " +
                                                       std::string(policy) + " " + program +
                                                       " keep 5>5\n  getfd 5\n  memfd -> $0\n");
}

}  // namespace
}  // namespace spawncheck
