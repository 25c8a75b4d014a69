// SPDX-License-Identifier: MIT
//
// A scheduled run on the kernel that a scheduler leads.
#pragma once

#include "impl/schedules/search/scheduler.h"
#include "impl/session/session.h"

namespace spawncheck {

struct GuidedOptions {
  std::uint64_t seed = 1;
  unsigned preemptions_max = ~0u;  // afterwards a task goes on as long as it can
  bool results = false;            // every call's: sc_policy.results
};

// The scenario's schedule does not count. The run is in the session, as after Session::run_scheduled.
Verdict run_guided(Session&, const Scenario&, Scheduler&, const GuidedOptions&);

}  // namespace spawncheck
