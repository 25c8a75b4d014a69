// SPDX-License-Identifier: MIT
//
// Chooses the cheapest available strategy. A copy of the table costs a reference and a close per open number in the
// words of 64 up to the highest source (0.08 us here), and always for the first word. So with every source below 64
// unshare is the cheapest. Otherwise, in this order: except, if its range is short enough; staged, which
// costs the caller 16 calls per source; fetched, which costs the child two calls and three per source, and needs ptrace
// rights.
//
// Inherited descriptors need a copy of the table, so the other policies have copy only, or, where the kernel can
// leave close-on-exec descriptors behind, except.
#include "strategy.h"

#include <limits.h>

namespace spawncheck_spawn {

namespace {

constexpr int copied_always = SPAWN_COPIED_ALWAYS;

bool is_only(const spawn_request& r) { return r.policy == SPAWN_FDS_ONLY; }

// Says whether a strategy is available to a request: one function per row of SPAWN_STRATEGIES, with its name.
struct Availability {
  const spawn_request& r;
  const spawn_abilities& can;

  bool COPY() const { return true; }
  bool UNSHARE() const { return can.close_range != 0 || (!is_only(r) && can.unshare_files != 0); }
  bool STAGED() const {
    return can.close_range != 0 && SPAWN_NUMBERS_STAGED * sources_to_stage(r) <= count_bits(usable_window(r, can));
  }
  bool FETCHED() const { return can.close_range != 0 && can.fetch != 0; }
  bool EXCEPT() const { return can.close_range != 0 && can.except != 0 && (is_only(r) || can.cloexec_only != 0); }
};

bool is_available(const spawn_request& r, const spawn_abilities& can, uint32_t strategy) {
  const Availability of{r, can};
  switch (strategy) {
#define SPAWN_ROW(id, word, inherits, at_once, needs, meaning) \
  case SPAWN_STRATEGY_##id:                                    \
    return (inherits || is_only(r)) && of.id();
    SPAWN_STRATEGIES(SPAWN_ROW)
#undef SPAWN_ROW
    default:
      return false;
  }
}

Choice cheapest(const spawn_request& r, const spawn_abilities& can) {
  const auto has = [&](uint32_t strategy) { return is_available(r, can, strategy); };
  if (!is_only(r)) {
    if (has(SPAWN_STRATEGY_EXCEPT))
      return {SPAWN_STRATEGY_EXCEPT, "close-on-exec descriptors are left behind (CLOSE_RANGE_CLOEXEC_ONLY)"};
    return {SPAWN_STRATEGY_COPY, "what is inherited crosses by a copy of the table in any case"};
  }
  if (!has(SPAWN_STRATEGY_UNSHARE)) return {SPAWN_STRATEGY_COPY, "close_range(2) is not available"};
  const int lowest = next_number_read(r, -1);
  int highest = -1;
  if (sources_to_stage(r) == 0)
    return {SPAWN_STRATEGY_UNSHARE, "close_range(2) drops what is not kept without a copy of it"};
  for (int n = lowest; n != INT_MAX; n = next_number_read(r, n)) highest = n;
  if (has(SPAWN_STRATEGY_EXCEPT) && highest - lowest < copied_always)
    return {SPAWN_STRATEGY_EXCEPT, "only what lies between the sources is copied (CLOSE_RANGE_EXCEPT)"};
  if (has(SPAWN_STRATEGY_STAGED)) return {SPAWN_STRATEGY_STAGED, "a source of 64 or above, and the window has slots"};
  if (has(SPAWN_STRATEGY_FETCHED))
    return {SPAWN_STRATEGY_FETCHED, "a source of 64 or above, and no window with enough slots"};
  if (has(SPAWN_STRATEGY_EXCEPT)) return {SPAWN_STRATEGY_EXCEPT, "neither a window nor pidfd_getfd(2) is available"};
  return {SPAWN_STRATEGY_UNSHARE, "neither a window nor pidfd_getfd(2) is available"};
}

}  // namespace

bool copies_memory(const spawn_request& r) {
  return (r.set & (SPAWN_SET_UID | SPAWN_SET_GID)) != 0 && (r.set & SPAWN_ALLOW_UNDUMPABLE) == 0;
}

int next_number_read(const spawn_request& r, int after) {
  int next = INT_MAX;
  for (uint32_t i = 0; i < r.keep_count; ++i)
    if (r.keep[i].source > after && r.keep[i].source < next) next = r.keep[i].source;
  if ((r.set & SPAWN_PROGRAM_FD) != 0 && r.program_fd > after && r.program_fd < next) next = r.program_fd;
  return next;
}

uint32_t sources_to_stage(const spawn_request& r) {
  uint32_t count = 0;
  for (int n = next_number_read(r, copied_always - 1); n != INT_MAX && count <= SPAWN_WINDOW_MAX;
       n = next_number_read(r, n))
    ++count;
  return count;
}

uint64_t numbers_read(const spawn_request& r) {
  uint64_t numbers = 0;
  const auto add = [&](int number) {
    if (number >= 0 && number < copied_always) numbers |= 1ull << number;
  };
  for (uint32_t i = 0; i < r.keep_count; ++i) add(r.keep[i].source);
  if ((r.set & SPAWN_PROGRAM_FD) != 0) add(r.program_fd);
  if ((r.set & SPAWN_SET_CWD_FD) != 0) add(r.cwd_fd);
  if ((r.set & SPAWN_SET_CGROUP) != 0) add(r.cgroup_fd);
  return numbers;
}

uint64_t usable_window(const spawn_request& r, const spawn_abilities& can) { return can.window & ~numbers_read(r); }

bool choose_strategy(const spawn_request& r, const spawn_abilities& can, Choice* choice) {
  if (r.strategy == SPAWN_STRATEGY_AUTOMATIC)
    *choice = cheapest(r, can);
  else
    *choice = {r.strategy, "asked for"};
  return is_available(r, can, choice->strategy);
}

}  // namespace spawncheck_spawn
