// SPDX-License-Identifier: MIT
#pragma once

#include "child.h"

namespace spawncheck_spawn {

// This process runs under valgrind. False where the library was built without valgrind/valgrind.h.
bool is_emulated();
// In place of clone, there: starts the child and returns its pid once it runs its program or has ended; or a negative
// errno.
long start_emulated(const spawn_plan& plan, Shared& shared, void (*child_entry)(void*));

}  // namespace spawncheck_spawn
