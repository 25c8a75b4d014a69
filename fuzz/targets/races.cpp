// SPDX-License-Identifier: MIT
//
// The reference against the model, on the kernel, with all threads: the kernel's own races, a few times
// each, the provocation drawn from the input; or, where $SPAWNCHECK_RUNS is `scheduled`, one order of the
// calls, drawn likewise.
#include "fuzz/kernel_target.h"
#include "fuzz/target.h"

namespace spawncheck::fuzz {

namespace {
constexpr unsigned repetitions = 3;
bool is_scheduled = false;
}  // namespace

void start() {
  is_scheduled = setting("SPAWNCHECK_RUNS", "free") == "scheduled";
  start_session("races");
}

void one(const std::uint8_t* data, std::size_t size) {
  const std::optional<Scenario> scenario = scenario_of(data, size);
  if (!scenario || scenario->threads.size() < 2) return;
  const std::uint64_t seed = hash(*scenario);
  if (is_scheduled) return run_scheduled_and_judge("races", *scenario, seed);
  for (unsigned i = 0; i < repetitions; ++i) run_and_judge("races", *scenario, (seed + i) | 1);
}

}  // namespace spawncheck::fuzz
