// SPDX-License-Identifier: MIT
//
// The keep-list is a simultaneous assignment, whatever the order, swaps, cycles, duplicates and collisions.
#include <cerrno>

#include "properties/on_the_kernel.h"

namespace spawncheck {
namespace {

SPAWNCHECK_FAMILY(KeepList, Family::keep_list, 1)

// Behaviour 8: a third of all keep-lists of three entries over four numbers, all sources open.
TEST(KeepList, AThirdOfTheAssignmentsOfThreeOverFourNumbers) {
  Session& session = session_with("reference");
  int count = 0;
  for (int sources = 0; sources < 64; ++sources)
    for (int targets = 0; targets < 64; ++targets) {
      const int t[3] = {targets & 3, targets >> 2 & 3, targets >> 4 & 3},
                s[3] = {sources & 3, sources >> 2 & 3, sources >> 4 & 3};
      if (t[0] == t[1] || t[0] == t[2] || t[1] == t[2]) continue;
      if (++count % 3 != 0) continue;  // so that the test takes seconds
      std::string text =
          "fd 0 memfd cloexec\nfd 1 memfd\nfd 2 memfd cloexec\nfd 3 eventfd\nthread\n  spawn only hold keep ";
      for (int i = 0; i < 3; ++i) text += (i ? "," : "") + std::to_string(s[i]) + ">" + std::to_string(t[i]);
      expect_holds(session, text + "\n");
      if (::testing::Test::HasFailure()) return;
    }
}

// 4096 entries are kept. A list of 4097 is refused, never truncated.
TEST(KeepList, OfTheReferenceEndsAtItsMaximum) {
  Session& session = session_with("reference");
  const std::string world = "limit 12000\nfill 300 4396\nthread\n  spawn only hold keep ";
  expect_holds(session, world + "300..4395>5000 -> $0\n");
  if (IsSkipped()) return;
  EXPECT_EQ(session.history().op[0][0].error, 0);
  expect_holds(session, world + "300..4396>5000 -> $0\n");
  EXPECT_EQ(session.history().op[0][0].error, EINVAL);
}

}  // namespace
}  // namespace spawncheck
