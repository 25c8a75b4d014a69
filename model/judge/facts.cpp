// SPDX-License-Identifier: MIT
#include "model/judge/facts.h"

namespace spawncheck::judging {

std::string where(const explore::SpawnCase& s) {
  return "spawn of thread " + std::to_string(s.thread) + ", operation " + std::to_string(s.operation);
}

SpawnFacts spawn_facts(const Facts& facts, const explore::SpawnCase& s) {
  const auto is_disturbed = [&](std::uint32_t what) { return (s.record->disturbed & what) != 0; };
  SpawnFacts f;
  f.request = s.request;
  f.thread = s.thread;
  f.operation = s.operation;
  f.has_returned = s.returned;
  f.error = s.returned ? s.record->error : 0;
  f.shares_memory = s.succeeded && is_disturbed(SC_DISTURBED_VM_SHARED);
  f.mask_before = mask_of_thread(facts, s.thread, s.operation);
  f.left_different = is_disturbed(SC_DISTURBED_MASK_OF_LIBC) ? "the mask; only 32 to 34 differ"
                     : is_disturbed(SC_DISTURBED_MASK)       ? "the mask"
                     : is_disturbed(SC_DISTURBED_ALTSTACK)   ? "the alternate stack"
                     : is_disturbed(SC_DISTURBED_CANCEL)     ? "the cancel state"
                                                             : nullptr;
  // What it ignores is a matter of the order of operations: the search asks (explore/window.cpp).
  if (s.child != nullptr) f.child = {s.child->mask, s.child->ignored, s.child->caught};
  return f;
}

}  // namespace spawncheck::judging
