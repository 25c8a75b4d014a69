// SPDX-License-Identifier: MIT
//
// Runs a scenario on the model instead of the kernel: the spawns run the plans of the planner under test,
// step by step, among the other threads' calls, in an order that the caller chooses. The history has the
// same form as one from the kernel, so that the same judge decides; no system call is made.
#pragma once

#include <spawncheck/spawn/plan.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "model/kernel/call.h"
#include "model/scenario/history.h"
#include "model/scenario/scenario.h"

namespace spawncheck::explore {

// A request of a scenario with its keep-list as numbers.
struct PlanRequest {
  const sc_request* request;
  std::vector<std::pair<std::int32_t, std::int32_t>> keep;  // source, target
  std::int32_t pgroup;                                      // resolved: a process of the simulation
  const char* program;              // stands for the path: simulate() recognises it in SPAWN_STEP_EXEC
  const char* directory;            // likewise, in SPAWN_STEP_CHDIR; null: no directory requested
  std::uint64_t window = 0;         // spawn_abilities.window: the slots that are free now
  std::uint64_t window_in_use = 0;  // window numbers that the request reads and another spawn uses
  std::int32_t placeholder = -1;
};

// Makes the plan. The planner owns the steps, which live until its next call. Returns 0, or an errno to refuse.
using Planner = std::function<int(const PlanRequest&, spawn_plan&)>;

struct SimulateOptions {
  std::uint64_t seed = 0;             // of the order; a scenario's schedule, if it has one, takes precedence
  bool steps = true;                  // switch between any two kernel steps, not only between calls
  std::uint32_t steps_max = 200'000;  // a keep-list of thousands takes tens of thousands
  model::Kernel kernel;
};

// Fills `history`, which the caller owns: it is large, and may be reused.
void simulate(const Scenario&, const Planner&, const SimulateOptions&, sc_history& history);

}  // namespace spawncheck::explore
