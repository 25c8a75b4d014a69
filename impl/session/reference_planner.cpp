// SPDX-License-Identifier: MIT
#include "impl/session/reference_planner.h"

#include <cerrno>

namespace spawncheck {

int ReferencePlanner::operator()(const explore::PlanRequest& p, spawn_plan& plan) {
  static char word[] = "program";
  static char* const argv[] = {word, nullptr};
  keep_.clear();
  for (const auto& [source, target] : p.keep) keep_.push_back({source, target});
  spawn_request r{};
  r.policy = p.request->policy;
  r.strategy = strategy_;
  r.set = p.request->set;
  r.path = p.program;
  r.cwd = p.directory;
  r.argv = argv;
  r.keep = keep_.data();
  r.keep_count = static_cast<std::uint32_t>(keep_.size());
  r.mask = p.request->mask;
  r.dflt = p.request->dflt;
  r.ignore = p.request->ignore;
  r.pgroup = p.pgroup;
  steps_.resize(spawn_plan_steps_max(&r));
  plan = spawn_plan{};
  plan.step = steps_.data();
  plan.step_capacity = static_cast<std::uint32_t>(steps_.size());
  spawn_abilities abilities = abilities_;
  abilities.window = p.window;
  abilities.window_in_use = p.window_in_use;
  abilities.placeholder = p.placeholder;
  const int error = spawn_plan_build(&r, &abilities, &plan);
  if (error != ENOTSUP || strategy_ != SPAWN_STRATEGY_STAGED) return error;
  r.strategy = SPAWN_STRATEGY_AUTOMATIC;  // the window has too few slots: as impl/peers/run_reference.h
  return spawn_plan_build(&r, &abilities, &plan);
}

}  // namespace spawncheck
