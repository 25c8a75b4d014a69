// SPDX-License-Identifier: MIT
//
// Runs a given number of schedules of a scenario, each chosen by a scheduler (search/scheduler.h), which learns from
// one run to the next.
#pragma once

#include "impl/schedules/exhaustive.h"
#include "impl/schedules/search/scheduler.h"

namespace spawncheck {

struct SampleOptions {
  std::string search = "random";  // a word of scheduler_rows()
  SchedulerOptions scheduler;
  std::uint64_t seed = 1;
};

// At most limits.runs schedules (10,000 when there is no bound at all); the first violation ends it.
SearchResult sample_schedules(Session&, const Scenario&, const SampleOptions&, const SearchLimits&);

// The lower bound of PCT: the chance that a run shows a bug of this depth.
double pct_bound(unsigned tasks, unsigned steps, unsigned depth);
// Returns how many runs miss a bug with probability `miss` at most, if each shows it with probability `bound`.
double runs_for_miss(double bound, double miss);

}  // namespace spawncheck
