// SPDX-License-Identifier: MIT
//
// Masks, dispositions, handlers and pending signals; behaviours 26 to 35.
#include "properties/on_the_kernel.h"

namespace spawncheck {
namespace {

SPAWNCHECK_FAMILY(Signals, Family::signals, 3)

// Behaviour 30: no handler in a child that shares memory, ever. The whole group is signalled meanwhile.
TEST(Signals, NoHandlerRunsInAChild) {
  std::string text =
      "disposition WINCH handler\ndisposition URG handler\ndisposition 33 handler\ndisposition 40 handler\nfd 0 "
      "null\nthread\n";
  for (int i = 0; i < 4; ++i) text += "  spawn only hold mask 33,40\n";
  text += "thread\n";
  for (int i = 0; i < 7; ++i) text += "  kill_group WINCH\n  kill_group 33\n  kill_group URG\n  kill_group 40\n";
  for (const std::string& strategy : strategies_here()) expect_holds(session_with("reference", strategy), text, 40);
}

}  // namespace
}  // namespace spawncheck
