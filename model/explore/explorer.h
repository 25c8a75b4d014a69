// SPDX-License-Identifier: MIT
//
// Every interleaving of a scenario on the model, at the kernel's own steps; its spawns run the plans of a planner. A
// clause is violated in a state or at the end of a path, and the shortest path to it is the counterexample.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "model/contract/verdict.h"
#include "model/explore/tell.h"
#include "model/kernel/call.h"
#include "model/scenario/scenario.h"

namespace spawncheck::explore {

struct ExploreOptions {
  model::Kernel kernel;
  bool reduce = true;                     // a step that nobody else can notice is made at once, and alone
  unsigned workers = 0;                   // threads; 0: one for each processor. What comes out does not depend on it
  std::uint64_t states_max = 20'000'000;  // beyond: inconclusive
  std::uint64_t bytes_max = 6ull << 30;   // of what is kept of states: likewise
  std::uint64_t edges_max = 50'000'000;   // steps that are kept to look for a livelock; beyond, it is not looked for
  bool collect_ends = false;              // Exploration::end_hashes, for tests
  std::function<bool()> is_over;          // may be empty
};

// A property of the contract that not everybody owes, seen on the way, and the shortest path to the first state without
// it.
struct Observed {
  bool is_broken = false;
  std::vector<TraceStep> trace;
};

struct Exploration {
  Verdict verdict;               // holds: of all interleavings; inconclusive: says how far it got
  std::vector<TraceStep> trace;  // of a violation: as few steps as can be
  std::uint64_t states = 0, steps = 0, ends = 0;
  // States are told apart by 128 bits of hash: at most so likely that two were taken for one, and something was not
  // looked at.
  double collision_bound() const { return model::collision_bound(states); }
  std::uint64_t bytes = 0;  // what was kept, at its largest
  std::uint32_t depth = 0;  // of the longest path, in steps
  Observed untransient;     // fd.untransient: a child refers to a file that its program does not get
  Observed released;        // fd.released: it does when its spawn has returned
  bool looked_for_livelock =
      false;  // every path of the graph ends; false: it was too large, or there was a violation before
  std::set<model::Hash128> end_hashes;
};

// Files of a scenario that is explored are few: more than 64 is inconclusive.
// *unsupported*, without a step, where the scenario has what the model has no word for.
Exploration explore(const Scenario&, const Planner&, const ExploreOptions&);

// What that is; empty: nothing.
std::string why_unexplorable(const Scenario&);

}  // namespace spawncheck::explore
