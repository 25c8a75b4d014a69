// SPDX-License-Identifier: MIT
//
// The smallest scenario that still shows something. Every candidate is smaller by one measure: threads,
// operations, world lines, schedule, keep entries and request fields, then the numbers' sum; so shrinking ends.
#pragma once

#include <functional>
#include <vector>

#include "model/scenario/scenario.h"

namespace spawncheck {

// Smaller scenarios, the biggest reductions first. All are valid.
std::vector<Scenario> smaller(const Scenario&);

// Shrinks greedily, to a fixpoint or until still_fails has been called tries_max times.
Scenario shrink(Scenario, const std::function<bool(const Scenario&)>& still_fails, unsigned tries_max);

// The measure that smaller() reduces.
std::uint64_t size_of(const Scenario&);

}  // namespace spawncheck
