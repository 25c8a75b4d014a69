// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "model/scenario/scenario.h"

namespace spawncheck {

// Runs a scenario by its schedule, leniently. Returns the turns that the run took if it still violates, else nullopt.
using ScheduledTry = std::function<std::optional<std::vector<Turn>>(const Scenario&)>;

// Returns the scenario with a smaller schedule that still violates: first with fewer context switches, then with fewer
// turns, as RUN_ON makes the rest of the run. Deterministic; makes at most tries_max tries.
Scenario shrink_schedule(Scenario scenario, const ScheduledTry& attempt, unsigned tries_max);

}  // namespace spawncheck
