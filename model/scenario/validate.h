// SPDX-License-Identifier: MIT
//
// What the initial world must satisfy, one line after the other, and what may be refused or go wrong on purpose.
#pragma once

#include "model/scenario/scenario.h"

namespace spawncheck {

// Why `line` cannot follow the lines of `world`: what was expected instead, or null when it can.
const char* world_breach(const sc_world& world, const sc_world_line& line);

// Likewise: the last run of `r.keep`, after the others.
const char* keep_breach(const sc_request& r, const sc_keep& run);

// Likewise, in refusal.cpp: they depend on the scenario's operations.
const char* refusal_breach(const Scenario&, const sc_refusal&);
const char* fault_breach(const Scenario&, const sc_fault&);

// Numbers of the initial world.
bool is_open(const sc_world& world, std::int32_t number);
std::int32_t lowest_closed(const sc_world& world, std::int32_t from);
std::int32_t highest_open(const sc_world& world);  // 0: none is open, or it is

}  // namespace spawncheck
