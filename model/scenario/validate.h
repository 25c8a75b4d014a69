// SPDX-License-Identifier: MIT
//
// What the initial world must satisfy, line by line, and which refusals and faults are valid.
#pragma once

#include "model/scenario/scenario.h"

namespace spawncheck {

// Returns null if `line` may follow the lines of `world`, else what was expected instead.
const char* world_breach(const sc_world& world, const sc_world_line& line);

// Likewise for `run` after the runs of `r.keep`.
const char* keep_breach(const sc_request& r, const sc_keep& run);

// Likewise, in refusal.cpp: they depend on the scenario's operations.
const char* refusal_breach(const Scenario&, const sc_refusal&);
const char* fault_breach(const Scenario&, const sc_fault&);

// Returns true if the initial world opens the number.
bool is_open(const sc_world& world, std::int32_t number);
std::int32_t lowest_closed(const sc_world& world, std::int32_t from);
std::int32_t highest_open(const sc_world& world);  // 0 also if none is open

}  // namespace spawncheck
