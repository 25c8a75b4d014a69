// SPDX-License-Identifier: MIT
//
// Concurrent spawns share no stack, write nothing, return when the child is off their memory; behaviours 36 to 40.
#include "properties/on_the_kernel.h"

namespace spawncheck {
namespace {

SPAWNCHECK_FAMILY(Memory, Family::two_spawns, 3)

// Behaviour 38: the stack suffices for the longest lists of arguments.
TEST(Memory, ManyArguments) {
  for (const char* implementation : {"reference", "fork_exec"})
    for (const int count : {0, 1, 500, 4096})
      expect_holds(session_with(implementation),
                   "fd 0 null\nthread\n  spawn inherit hold arguments " + std::to_string(count) + " -> $0\n");
}

TEST(Memory, CellsBelongToTheirWriters) {
  expect_holds(session_with("reference"),
               "fd 0 null\nthread\n  store 0 5\n  spawn only hold -> $0\n  load 0\nthread\n  spawn only missing\n  "
               "store 1 6\n  load 1\n  load 0\n",
               30);
}

}  // namespace
}  // namespace spawncheck
