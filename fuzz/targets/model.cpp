// SPDX-License-Identifier: MIT
//
// Planner and model against the contract: the scenario runs on the model, with the reference's plans for
// its spawns, in an order drawn from the input; the judge must find no violation. No system call is made.
#include <spawncheck/spawn/plan.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "fuzz/target.h"
#include "impl/session/reference_planner.h"
#include "impl/session/running_kernel.h"
#include "model/judge/judge.h"

namespace spawncheck::fuzz {

namespace {

// Many threads have many orders, few of which are worth the time.
bool is_too_large(const Scenario& scenario) {
  std::size_t operations = 0;
  for (const Thread& thread : scenario.threads) operations += thread.operations.size();
  return scenario.threads.size() > 3 || operations > 14;
}

bool inherits(const Scenario& scenario) {
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind == SC_OP_SPAWN && op.request.policy != SPAWN_FDS_ONLY) return true;
  return false;
}

// The strategies that the model's kernel supports.
std::vector<std::uint32_t> strategies() {
  std::vector<std::uint32_t> out;
  for (std::uint32_t s = SPAWN_STRATEGY_AUTOMATIC + 1; s < SPAWN_STRATEGY_COUNT; ++s) {
    const std::vector<model::Behaviour> needs = needs_of_strategy(spawn_strategy_of(s)->word);
    if (std::all_of(needs.begin(), needs.end(), [](model::Behaviour b) { return model::Kernel{}.has(b); }))
      out.push_back(s);
  }
  return out;
}

std::uint32_t strategy_for(const Scenario& scenario, std::uint64_t seed) {
  static const std::vector<std::uint32_t> all = strategies();
  std::vector<std::uint32_t> fit = all;
  if (inherits(scenario)) std::erase_if(fit, [](std::uint32_t s) { return spawn_strategy_of(s)->inherits == 0; });
  return fit[seed % fit.size()];
}

}  // namespace

void start() {}

void one(const std::uint8_t* data, std::size_t size) {
  static const auto history = std::make_unique<sc_history>();
  const std::optional<Scenario> scenario = scenario_of(data, size);
  if (!scenario || is_too_large(*scenario)) return;
  const std::uint64_t seed = hash(*scenario);
  const std::uint32_t strategy = strategy_for(*scenario, seed);
  const bool reads_at_once = spawn_strategy_of(strategy)->at_once != 0;
  ReferencePlanner planner(strategy);
  explore::SimulateOptions options;
  options.seed = seed;
  options.steps = seed % 2 == 0;
  explore::simulate(*scenario, planner, options, *history);
  JudgeOptions judge_options;
  judge_options.owed = Clauses::promised_by(reads_at_once ? "fd.snapshot fd.released" : "fd.released");
  // The fetched strategy, to which staged falls back without slots, needs a number for the pidfd of its caller
  // (without one, spawn_run() takes another strategy).
  judge_options.resource_errors_allowed = !reads_at_once;
  judge_options.work_max = 5'000;
  const Verdict verdict = judge(*scenario, *history, judge_options);
  if (verdict.observed.ends_with(window_is_used)) return;  // the reference's documented limit (impl/peers/reference.c)
  if (verdict.status == Status::violated || verdict.status == Status::broken) finding("model", *scenario, verdict);
}

}  // namespace spawncheck::fuzz
