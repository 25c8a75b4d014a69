// SPDX-License-Identifier: MIT
//
// What the initial world must satisfy, one line after the other.
#pragma once

#include "model/scenario/operation.h"

namespace spawncheck {

// Why `line` cannot follow the lines of `world`: what was expected instead, or null when it can.
const char* world_breach(const sc_world& world, const sc_world_line& line);

}  // namespace spawncheck
