// SPDX-License-Identifier: MIT
//
// Which strategy a request gets. Pure: no system call.
#pragma once

#include <spawncheck/spawn/request.h>

namespace spawncheck_spawn {

struct Choice {
  uint32_t strategy;   // enum spawn_strategy, never AUTOMATIC
  const char* reason;  // a constant string
};

// Returns false if the strategy that was asked for is not available with these abilities.
bool choose_strategy(const spawn_request&, const spawn_abilities&, Choice*);

// Without a library's help, which __builtin_popcountll() asks libgcc for.
inline unsigned count_bits(uint64_t set) {
  unsigned count = 0;
  for (; set != 0; set &= set - 1) ++count;
  return count;
}

// Distinct sources that need the window: those of 64 and above, the program's descriptor included.
// SPAWN_WINDOW_MAX + 1: more than any window has room for.
uint32_t sources_to_stage(const spawn_request&);

// Bit n: the request reads the caller's number n, below 64.
uint64_t numbers_read(const spawn_request&);

// What may be staged in: a number that the request reads itself is not.
uint64_t usable_window(const spawn_request&, const spawn_abilities&);

// Its child starts on a copy of the memory: new credentials would make the caller's undumpable (run.cpp).
bool copies_memory(const spawn_request&);

// The smallest number above `after` that the request reads, INT_MAX: none.
int next_number_read(const spawn_request&, int after);

}  // namespace spawncheck_spawn
