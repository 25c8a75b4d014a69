// SPDX-License-Identifier: MIT
//
// The window of slots below 64 (request.h, spawn_window_reserve), and what a spawn does with its share of it. All of it
// is async-signal-safe; nothing waits and nothing is locked: two words of bits change by compare and exchange.
#pragma once

#include <spawncheck/spawn/request.h>

#include "system.h"

namespace spawncheck_spawn {

// What two numbers of the window hold for the time of a spawn: the slot, which the child reads, and its witness.
struct Staged {
  int source, slot, witness;
  Identity file;
};

// Numbers of the window that a request reads as the caller's.
struct Read {
  uint64_t taken;   // nobody stages anything there until they are given back
  uint64_t in_use;  // another spawn has them; what the caller has there, a placeholder, is at number `placeholder`
  int placeholder;  // -1: nowhere
};

uint64_t window_free();  // bit n: slot n is nobody's just now

// Takes the lowest `count` free slots that are still ours, of `among`; 0: there are too few, or count is 0.
uint64_t window_take(unsigned count, uint64_t among);
void window_give_back(uint64_t slots);  // which have their placeholders

// Of the numbers that are named, those that are the window's. What is taken is to be given back.
Read window_read(uint64_t named);

// The source at two numbers that were taken, in place of their placeholders. A negative errno: nothing is left there,
// and both are given back or lost; EBUSY where one of them is not ours any more.
long window_stage(int source, int slot, int witness, Staged*);
// The placeholders again, and both given back; a number that somebody has closed or reused meanwhile is left as it is,
// for good.
void window_unstage(const Staged&);

}  // namespace spawncheck_spawn

extern "C" {
// Makes a window of numbers first..last below 64, two at least, which are close-on-exec descriptors of one memfd of the
// caller's. 0, EALREADY, EBUSY, EINVAL, or what mmap(2) says. For a world that has its window already.
int spawn_window_adopt(int first, int last);
}
