// SPDX-License-Identifier: MIT
//
// What holds in every state of the model, whatever a scenario does. A broken invariant is a bug in the model, not
// in a spawn.
#pragma once

#include <optional>
#include <string>

#include "model/kernel/state.h"

namespace spawncheck::model {

// Returns the first broken invariant as a sentence, nullopt if all hold: a description's count is the number of entries
// and calls that refer to it; a table has as many users as tasks and calls use it; a task that waits for a vfork child
// has one that lives on its memory; a memory was last written by the process that owns it.
std::optional<std::string> broken_invariant(const State&);

}  // namespace spawncheck::model
