// SPDX-License-Identifier: MIT
//
// The window of slots below 64 (request.h, spawn_window_reserve), and what a spawn does with its share of it. All of it is
// async-signal-safe; nothing waits and nothing is locked: two words of bits change by compare and exchange.
#pragma once

#include "system.h"

#include <spawncheck/spawn/request.h>

namespace spawncheck_spawn {

// What a slot holds for the time of a spawn.
struct Staged {
  int source, slot;
  Identity file;
};

uint64_t window_free();  // bit n: slot n is nobody's just now

// Takes the lowest `count` free slots that are still ours, of `among`; 0: there are too few, or count is 0.
uint64_t window_take(unsigned count, uint64_t among);
void window_give_back(uint64_t slots);  // which have their placeholders

// dup3(source, slot) over the placeholder of a slot that was taken. A negative errno: nothing was done, EBUSY where the slot
// is not ours any more.
long window_stage(int source, int slot, Staged*);
// The placeholder again, and the slot given back; a slot that somebody has closed or reused meanwhile is left as it is, for good.
void window_unstage(const Staged&);

}  // namespace spawncheck_spawn

extern "C" {
// Makes a window of numbers first..last below 64, two at least, which are close-on-exec descriptors of one memfd of the caller's.
// 0, EALREADY, EBUSY, EINVAL, or what mmap(2) says. For a world that has its window already.
int spawn_window_adopt(int first, int last);
}
