// SPDX-License-Identifier: MIT
//
// A scheduled run on the kernel whose every turn a scheduler chooses.
#pragma once

#include "impl/schedules/search/scheduler.h"
#include "impl/session/session.h"

namespace spawncheck {

struct GuidedOptions {
  std::uint64_t seed = 1;
  unsigned preemptions_max = ~0u;  // after so many, a task goes on as long as it can
  bool results = false;            // record every call's result: sc_policy.results
};

// Ignores the scenario's own schedule. Leaves the run in the session, as Session::run_scheduled does.
Verdict run_guided(Session&, const Scenario&, Scheduler&, const GuidedOptions&);

}  // namespace spawncheck
