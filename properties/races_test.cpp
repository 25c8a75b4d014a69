// SPDX-License-Identifier: MIT
//
// Opens, closes and replacements while another thread spawns; behaviours 61 and 62.
#include "properties/on_the_kernel.h"
#include "properties/rounds.h"

namespace spawncheck {
namespace {

SPAWNCHECK_FAMILY(Races, Family::races, 4)

SPAWNCHECK_FAMILY(Released, Family::released, 4)

// Behaviour 62: write, close, run, while others spawn.
TEST(Races, AProgramJustWrittenRuns) {
  std::string text = "fd 0 null\nfill 10 400 cloexec\nthread\n";
  for (int i = 0; i < 3; ++i)
    text += "  program a cloexec -> $0\n  close $0\n  spawn only written a -> $1\n  kill_child $1 KILL\n  wait $1\n";
  text += "thread\n  spawn only hold\n  spawn only hold\n  spawn only hold\n  spawn only hold\n";
  for (const std::string& strategy : strategies_here())
    expect_holds(session_with("reference", strategy), text, rounds(40, 5));
}

}  // namespace
}  // namespace spawncheck
