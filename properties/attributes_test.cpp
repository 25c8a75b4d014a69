// SPDX-License-Identifier: MIT
//
// Group, session, directory, pidfd, status: what the child is besides its table; behaviours 54, 57, 60.
#include "properties/on_the_kernel.h"

namespace spawncheck {
namespace {

SPAWNCHECK_FAMILY(Attributes, Family::attributes, 1)

TEST(Attributes, SessionAndGroupExcludeEachOther) {
  expect_holds(session_with("reference"), "fd 0 null\nthread\n  spawn only hold pgroup 0 session\n");
}

}  // namespace
}  // namespace spawncheck
