// SPDX-License-Identifier: MIT
//
// Schedules drawn at random: uniformly over who can go, or by PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte,
// ASPLOS 2010), whose chance to show a bug of depth d is at least 1/(n k^(d-1)) a run, for n tasks and k steps.
#pragma once

#include "impl/schedules/exhaustive.h"

namespace spawncheck {

struct SampleOptions {
  bool is_pct = false;
  unsigned depth = 3;  // PCT's d, from 1 to SC_CHANGES_MAX + 1
  std::uint64_t seed = 1;
};

// At most limits.runs schedules (10,000 when there is no bound at all); the first violation ends it.
SearchResult sample_schedules(Session&, const Scenario&, const SampleOptions&, const SearchLimits&);

double pct_bound(unsigned tasks, unsigned steps, unsigned depth);
// How many runs until a bug that a run shows with probability `bound` is missed with probability `miss` at most.
double runs_for_miss(double bound, double miss);

}  // namespace spawncheck
