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

// Written out because __builtin_popcountll() may call libgcc.
inline unsigned count_bits(uint64_t set) {
  unsigned count = 0;
  for (; set != 0; set &= set - 1) ++count;
  return count;
}

// Counts the distinct sources that need the window: those of 64 and above, the program's descriptor included.
// Returns SPAWN_WINDOW_MAX + 1 if no window has room for them.
uint32_t sources_to_stage(const spawn_request&);

// Bit n (0..63): the request reads the caller's number n.
uint64_t numbers_read(const spawn_request&);

// The window's free slots, without the numbers that the request itself reads.
uint64_t usable_window(const spawn_request&, const spawn_abilities&);

// Returns true if the child must start on a copy of the memory: new credentials would make shared memory undumpable.
bool copies_memory(const spawn_request&);

// Returns the smallest number above `after` that the request reads, or INT_MAX.
int next_number_read(const spawn_request&, int after);

}  // namespace spawncheck_spawn
