// SPDX-License-Identifier: MIT
//
// The reference's planner, for runs on the model.
#pragma once

#include <spawncheck/spawn/request.h>

#include <vector>

#include "model/explore/simulate.h"

namespace spawncheck {

// A Planner (model/explore/simulate.h) that calls spawn_plan_build(). A plan's steps are valid until its next call.
class ReferencePlanner {
 public:
  // Everything that Linux 6.18 has.
  explicit ReferencePlanner(std::uint32_t strategy = SPAWN_STRATEGY_AUTOMATIC,
                            spawn_abilities abilities = {1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0})
      : strategy_(strategy), abilities_(abilities) {}
  int operator()(const explore::PlanRequest& request, spawn_plan& plan);

 private:
  std::uint32_t strategy_;
  spawn_abilities abilities_;
  std::vector<spawn_keep> keep_;
  std::vector<spawn_step> steps_;
};

}  // namespace spawncheck
