// SPDX-License-Identifier: MIT
//
// The window of slots below 64 (request.h, spawn_window_reserve), and a spawn's use of its slots. Every function is
// async-signal-safe and neither waits nor locks: two bit sets change by compare and exchange.
#pragma once

#include <spawncheck/spawn/request.h>

#include "system.h"

namespace spawncheck_spawn {

// Two numbers of the window that hold one source during a spawn: the slot, which the child reads, and its witness.
struct Staged {
  int source, slot, witness;
  Identity file;
};

// Numbers of the window that a request reads as the caller's.
struct Read {
  uint64_t taken;   // no spawn stages anything there until they are given back
  uint64_t in_use;  // another spawn uses them; the child reads `placeholder` instead
  int placeholder;  // a number that has a placeholder; -1: none
};

uint64_t window_free();  // bit n: slot n is free now

// Takes the lowest `count` free slots of `among` that still have placeholders. Returns 0 if too few, or count is 0.
uint64_t window_take(unsigned count, uint64_t among);
void window_give_back(uint64_t slots);  // each must have its placeholder

// Finds the window's numbers among `named`. The caller must give back those in `taken`.
Read window_read(uint64_t named);

// Puts the source at two taken numbers, in place of their placeholders. On a negative errno nothing stays there, and
// both are given back or lost; EBUSY if other code has reused one of them.
long window_stage(int source, int slot, int witness, Staged*);
// Restores both placeholders and gives both numbers back. A number that other code has closed or reused is left as it
// is, out of the window for good.
void window_unstage(const Staged&);

}  // namespace spawncheck_spawn

extern "C" {
// Makes a window of numbers first..last below 64, two at least, which are close-on-exec descriptors of one memfd of the
// caller's. Returns 0, EALREADY, EBUSY, EINVAL or an errno of mmap(2). For a world that already has its window.
int spawn_window_adopt(int first, int last);
}
