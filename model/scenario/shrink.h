// SPDX-License-Identifier: MIT
//
// The smallest scenario that still does something. Every candidate is smaller by one measure: threads,
// operations, world lines, schedule, keep entries and request fields, then the numbers' sum; so shrinking ends.
#pragma once

#include <functional>
#include <vector>

#include "model/scenario/scenario.h"

namespace spawncheck {

// The biggest steps come first. All are valid.
std::vector<Scenario> smaller(const Scenario&);

// Greedy, to a fixpoint or until still_fails was asked tries_max times.
Scenario shrink(Scenario, const std::function<bool(const Scenario&)>& still_fails, unsigned tries_max);

// What smaller() makes smaller.
std::uint64_t size_of(const Scenario&);

}  // namespace spawncheck
