// SPDX-License-Identifier: MIT
//
// Shared by the two files of a simulated spawn: which file a number has, and what fstat(2) tells of it.
#pragma once

#include "model/kernel/state.h"

namespace spawncheck::explore {

// The description at the number in the task's table; none: free, or reserved and still empty.
model::Index file_at(const model::State&, model::Index task, std::int32_t number);

// Returns true if fstat(2) cannot tell a from b: files of anonymous inodes all look alike.
bool looks_like(const model::State&, model::Index a, model::Index b);

}  // namespace spawncheck::explore
