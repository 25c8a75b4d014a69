// SPDX-License-Identifier: MIT
//
// What holds in every state of the model, whatever a scenario does: of the model itself, so that a break of it is a
// mistake here, not in a spawn.
#pragma once

#include <optional>
#include <string>

#include "model/kernel/state.h"

namespace spawncheck::model {

// The first that does not hold, as a sentence: each description is counted once for every number and every call that
// refers to it; a table has as many users as tasks and calls have it; who waits for a vfork child has one that lives on
// its memory; a memory was last written by the process that it belongs to.
std::optional<std::string> broken_invariant(const State&);

}  // namespace spawncheck::model
