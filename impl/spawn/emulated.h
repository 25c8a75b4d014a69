// SPDX-License-Identifier: MIT
#pragma once

#include "child.h"

namespace spawncheck_spawn {

// Returns true if this process runs under valgrind; always false if built without valgrind/valgrind.h.
bool is_emulated();
// Replaces clone under valgrind: starts the child and returns its pid once it runs its program or has ended, or
// returns a negative errno.
long start_emulated(const spawn_plan& plan, Shared& shared, void (*child_entry)(void*));

}  // namespace spawncheck_spawn
