// SPDX-License-Identifier: MIT
//
// What the parent and its child share between clone and exec.
#pragma once

#include <spawncheck/spawn/plan.h>
#include <stdint.h>

#include "window.h"

namespace spawncheck_spawn {

// Lives in the frame of the parent, which waits. The child writes error and step, at most once and only
// before it exits, and nothing else of the parent's memory.
struct Shared {
  const spawn_plan* plan;
  uint64_t caller_mask;
  int pidfd;   // stored by the kernel before the child runs; -1: none
  int error;   // 0: no step failed
  int step;    // index of the failing step
  int parent;  // the caller's process, for SPAWN_STEP_DEATH_SIGNAL
  int caller;  // the calling thread's id; only CALLER reads it
  const Staged* staged;
  unsigned staged_count;
};

// Runs the plan in the child and does not return. Async-signal-safe.
[[noreturn]] void run_child(Shared* shared);

}  // namespace spawncheck_spawn
