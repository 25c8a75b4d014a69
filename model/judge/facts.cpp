// SPDX-License-Identifier: MIT
#include "model/judge/facts.h"

namespace spawncheck::judging {

std::string where(const explore::SpawnCase& s) {
  return "spawn of thread " + std::to_string(s.thread) + ", operation " + std::to_string(s.operation);
}

namespace {

// What a spawn may have left changed in its caller, in the order in which reports name it; first what is checked at
// the return.
constexpr struct {
  std::uint32_t bit;
  const char* text;
} disturbance_texts[] = {
#define SPAWNCHECK_ROW(id, bit, text) {SC_DISTURBED_##id, text},
    SC_DISTURBANCES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};
constexpr std::uint64_t signals_of_libc = 7ull << 31;  // 32 to 34: musl leaves 34 ignored once it has used it
constexpr std::uint32_t at_once =
    SC_DISTURBED_MASK | SC_DISTURBED_MASK_OF_LIBC | SC_DISTURBED_ALTSTACK | SC_DISTURBED_CANCEL;
constexpr std::uint32_t later = SC_DISTURBED_CANCEL_TYPE | SC_DISTURBED_TIMERS | SC_DISTURBED_DUMPABLE |
                                SC_DISTURBED_DEATH_SIGNAL | SC_DISTURBED_NAME | SC_DISTURBED_KEEPS_CAPS |
                                SC_DISTURBED_SUBREAPER | SC_DISTURBED_SECURE_BITS | SC_DISTURBED_TIMER_SLACK;

const char* text_of(std::uint32_t bits) {
  for (const auto& d : disturbance_texts)
    if ((bits & d.bit) != 0) return d.text;
  return nullptr;
}

}  // namespace

const char* disturbance_text(std::uint32_t bit) { return text_of(bit); }

std::uint64_t named_by_dispositions(const Scenario& scenario) {
  std::uint64_t set = 0;
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind == SC_OP_DISPOSITION) set |= 1ull << (op.operand[0].value - 1);
  return set;
}

SpawnFacts spawn_facts(const Facts& facts, const explore::SpawnCase& s) {
  const auto is_disturbed = [&](std::uint32_t what) { return (s.record->disturbed & what) != 0; };
  SpawnFacts f;
  f.request = s.request;
  f.habits = facts.options.habits;
  f.thread = s.thread;
  f.operation = s.operation;
  f.has_returned = s.returned;
  f.error = s.returned ? s.record->error : 0;
  f.shares_memory = s.succeeded && is_disturbed(SC_DISTURBED_VM_SHARED);
  f.mask_before = mask_of_thread(facts, s.thread, s.operation);
  f.left_different = is_disturbed(SC_DISTURBED_MASK_OF_LIBC) ? text_of(SC_DISTURBED_MASK_OF_LIBC)
                                                             : text_of(s.record->disturbed & (at_once | later));
  f.is_left_at_once = is_disturbed(at_once);
  f.actions = s.record->actions & ~named_by_dispositions(facts.scenario) & ~signals_of_libc;
  if (s.succeeded && s.wants_pidfd) f.pidfd = s.record->value[1] < 0 ? PidfdFact::missing : PidfdFact::unknown;
  // The signals that the child ignores depend on the order of operations: the search checks them (explore/window.cpp).
  if (s.child != nullptr) f.child = {s.child->mask, s.child->ignored, s.child->caught};
  return f;
}

}  // namespace spawncheck::judging
