// SPDX-License-Identifier: MIT
//
// The reference against the model, on the kernel, with all threads: the kernel's own races, a few times
// each, the provocation drawn from the input.
#include "fuzz/kernel_target.h"
#include "fuzz/target.h"

namespace spawncheck::fuzz {

namespace {
constexpr unsigned repetitions = 3;
}  // namespace

void start() { start_session("races"); }

void one(const std::uint8_t* data, std::size_t size) {
  const std::optional<Scenario> scenario = scenario_of(data, size);
  if (!scenario || scenario->threads.size() < 2) return;
  const std::uint64_t seed = hash(*scenario);
  for (unsigned i = 0; i < repetitions; ++i) run_and_judge("races", *scenario, (seed + i) | 1);
}

}  // namespace spawncheck::fuzz
