// SPDX-License-Identifier: MIT
//
// close_range(2): ranges, holes, flags, sharing; behaviours 16 to 25.
#include "properties/on_the_kernel.h"

namespace spawncheck {
namespace {

SPAWNCHECK_FAMILY(CloseRange, Family::close_range, 1)

// Behaviour 22: after an unsharing truncation at 64 the next number is right.
TEST(CloseRange, TheNextNumberIsRightAfterTruncation) {
  expect_holds(session_with("reference"),
               "fill 0 63\nfd 64 memfd\nfd 200 memfd\nthread\n  close_range 64 max unshare\n  memfd -> $0\n  getfd "
               "$0\n  getfd 200\n");
}

// Behaviour 25: an unknown flag is EINVAL; so is bit 3, before the kernel that brings CLOSE_RANGE_EXCEPT.
TEST(CloseRange, UnknownFlagsAreRefused) {
  for (const int flags : {1, 8, 16, 32, 64})
    expect_holds(session_with("reference"),
                 "fd 3 memfd\nthread\n  close_range 3 3 flags=" + std::to_string(flags) + "\n  getfd 3\n");
}

// Behaviour 23: concurrent calls.
TEST(CloseRange, ConcurrentCallsAreExplained) {
  expect_holds(session_with("reference"),
               "fill 3 200\nthread\n  close_range 3 100\n  memfd -> $0\nthread\n  close_range 50 150\n  memfd -> "
               "$0\nthread\n  memfd -> $0\n",
               60);
}

}  // namespace
}  // namespace spawncheck
