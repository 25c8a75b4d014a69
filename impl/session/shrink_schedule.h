// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "model/scenario/scenario.h"

namespace spawncheck {

// Runs a scenario by its schedule, leniently: who went, when it still violates; else nothing.
using ScheduledTry = std::function<std::optional<std::vector<Turn>>(const Scenario&)>;

// The same scenario with a schedule of as few context switches as it finds, then as few turns as the rest
// of the run (RUN_ON) allows. Deterministic; at most tries_max tries.
Scenario shrink_schedule(Scenario scenario, const ScheduledTry& attempt, unsigned tries_max);

}  // namespace spawncheck
