// SPDX-License-Identifier: MIT
//
// Planner and model against the contract: the scenario runs on the model, its spawns by the reference's
// plans, in an order drawn from the input; the judge must find nothing. No system call is made.
#include "fuzz/feedback.h"
#include "fuzz/target.h"
#include "model/contract/judge.h"
#include "properties/session/reference_planner.h"

#include <memory>

namespace spawncheck::fuzz {

namespace {

// Many threads make many orders, and few new ones worth the time.
bool is_too_large(const Scenario& scenario) {
  std::size_t operations = 0;
  for (const Thread& thread : scenario.threads) operations += thread.operations.size();
  return scenario.threads.size() > 3 || operations > 14;
}

}  // namespace

void start() {}

void one(const std::uint8_t* data, std::size_t size) {
  static const auto history = std::make_unique<sc_history>();
  const std::optional<Scenario> scenario = scenario_of(data, size);
  if (!scenario || is_too_large(*scenario)) return;
  const std::uint64_t seed = hash(*scenario);
  ReferencePlanner planner(seed % 3 == 0 ? SPAWN_STRATEGY_COPY : SPAWN_STRATEGY_UNSHARE);
  explore::SimulateOptions options;
  options.seed = seed;
  options.steps = seed % 2 == 0;
  explore::simulate(*scenario, planner, options, *history);
  note_history(*scenario, *history);
  JudgeOptions judge_options;
  judge_options.owed = Clauses::promised_by("fd.snapshot fd.released");
  judge_options.resource_errors_allowed = false;
  judge_options.work_max = 5'000;
  const Verdict verdict = judge(*scenario, *history, judge_options);
  note(static_cast<std::uint64_t>(verdict.status));
  if (verdict.status == Status::violated || verdict.status == Status::broken) finding("model", *scenario, verdict);
}

}  // namespace spawncheck::fuzz
