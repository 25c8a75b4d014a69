// SPDX-License-Identifier: MIT
//
// What the two files of a simulated spawn share: what a number has, and what fstat(2) says of it.
#pragma once

#include "model/kernel/state.h"

namespace spawncheck::explore {

// What the number has in the task's table; none: nothing, or not yet.
model::Index file_at(const model::State&, model::Index task, std::int32_t number);

// As far as fstat(2) tells: files of anonymous inodes are all alike.
bool looks_like(const model::State&, model::Index a, model::Index b);

}  // namespace spawncheck::explore
