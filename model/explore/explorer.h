// SPDX-License-Identifier: MIT
//
// Every interleaving of a scenario on the model, at the kernel's own steps; its spawns run the plans of a planner. A clause is
// violated in a state or at the end of a path, and the shortest path to it is the counterexample.
#pragma once

#include "model/contract/verdict.h"
#include "model/explore/simulate.h"
#include "model/kernel/call.h"
#include "model/scenario/scenario.h"

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace spawncheck::explore {

struct ExploreOptions {
  model::Kernel kernel;
  bool reduce = true;                      // a step that nobody else can notice is made at once, and alone
  std::uint64_t states_max = 20'000'000;   // beyond: inconclusive
  std::uint64_t bytes_max = 6ull << 30;    // of what is kept of states: likewise
  bool collect_ends = false;               // Exploration::ends, for tests
  std::function<bool()> is_over;           // may be empty
};

struct Exploration {
  Verdict verdict;                  // holds: of all interleavings; inconclusive: says how far it got
  std::vector<std::string> trace;   // of a violation: a step a line, as few as can be
  std::uint64_t states = 0, steps = 0, ends = 0;
  std::uint32_t depth = 0;          // of the longest path, in steps
  // Seen on the way, of every spawn's child before its exec: does it ever refer to a file that its program does not get
  // (contract fd.untransient)? The shortest path to that.
  bool references_dropped = false;
  std::vector<std::string> reference_trace;
  std::set<std::uint64_t> end_hashes;
};

// Numbers and files of a scenario that is explored are few: a number over 127 or more than 64 files is inconclusive.
Exploration explore(const Scenario&, const Planner&, const ExploreOptions&);

}  // namespace spawncheck::explore
