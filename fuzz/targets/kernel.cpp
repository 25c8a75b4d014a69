// SPDX-License-Identifier: MIT
//
// The reference against the model, on the kernel, with one thread: deterministic, without races.
#include "fuzz/kernel_target.h"
#include "fuzz/target.h"

namespace spawncheck::fuzz {

void start() { start_session("kernel"); }

void one(const std::uint8_t* data, std::size_t size) {
  std::optional<Scenario> scenario = scenario_of(data, size);
  if (!scenario || scenario->threads.empty()) return;
  scenario->threads.resize(1);
  scenario->schedule.clear();
  repair(*scenario);
  run_and_judge("kernel", *scenario, 0);
}

}  // namespace spawncheck::fuzz
