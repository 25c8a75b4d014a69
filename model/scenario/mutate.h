// SPDX-License-Identifier: MIT
//
// Small changes to a scenario that keep it valid, for the fuzzers.
#pragma once

#include "model/scenario/random.h"
#include "model/scenario/scenario.h"

namespace spawncheck {

Scenario mutate(const Scenario&, Random&);
// A scenario with threads and world lines of both.
Scenario cross(const Scenario&, const Scenario&, Random&);

}  // namespace spawncheck
