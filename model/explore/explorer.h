// SPDX-License-Identifier: MIT
//
// Every interleaving of a scenario on the model, at the kernel's own steps; its spawns run the plans of a planner. A
// clause is violated in a state or at the end of a path, and the shortest path to it is the counterexample.
#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/contract/verdict.h"
#include "model/explore/tell.h"
#include "model/kernel/call.h"
#include "model/scenario/scenario.h"

namespace spawncheck::explore {

struct ExploreOptions {
  model::Kernel kernel;
  bool reduce = true;                     // a step that no other actor can notice is made at once, without alternatives
  unsigned workers = 0;                   // threads; 0: one for each processor. The result does not depend on it
  std::uint64_t states_max = 20'000'000;  // above: inconclusive
  std::uint64_t bytes_max = 6ull << 30;   // of memory for seen states; above: inconclusive
  std::uint64_t edges_max = 50'000'000;   // edges kept for the livelock search; above, there is none
  bool collect_ends = false;              // Exploration::end_hashes, for tests
  std::function<bool()> is_over;          // may be empty
};

// Properties that are observed without being owed: some implementations promise them, or no kernel provides them.
// Columns: member of Exploration, and of World after breaks_; word; what holds; the message if broken, before the
// path. The last two depend on the kernel's order within one exec (model/kernel/processes.cpp step_exec).
#define SPAWNCHECK_OBSERVED(X)                                                                                     \
  X(untransient, "fd.untransient", "no child refers to what its program does not get",                             \
    "a child refers to what its program does not get, at the earliest after")                                      \
  X(released, "fd.released", "no child does when its spawn has returned",                                          \
    "a child still does when its spawn has returned, at the earliest after")                                       \
  X(program_at_eof, "program-at-eof", "when a close-on-exec pipe is at end of file, the child is the new program", \
    "a close-on-exec pipe is at end of file while the child is still the old program, at the earliest after")      \
  X(own_memory_at_return, "own-memory-at-return", "when the spawn has returned, the child's memory is its own",    \
    "the spawn has returned and the child still has the caller's memory, at the earliest after")

// The shortest path to the first state without the property.
struct Observed {
  bool is_broken = false;
  bool is_asked = true;  // false: no state of the scenario could show it
  std::vector<TraceStep> trace;
};

struct Exploration {
  Verdict verdict;               // holds: for all interleavings; inconclusive: the text says how far it got
  std::vector<TraceStep> trace;  // of a violation: a shortest path
  std::uint64_t states = 0, steps = 0, ends = 0;
  // States are told apart by a 128-bit hash. An upper bound on the probability that two were confused, and a state
  // was not expanded.
  double collision_bound() const { return model::collision_bound(states); }
  std::uint64_t bytes = 0;  // memory for seen states, at its peak
  std::uint32_t depth = 0;  // of the longest path, in steps
#define SPAWNCHECK_ROW(id, word, holds, broken) Observed id;
  SPAWNCHECK_OBSERVED(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
  bool looked_for_livelock =
      false;  // every path ends; false: the graph was too large for the search, or a violation ended the search
  std::set<model::Hash128> end_hashes;
};

struct ObservedRow {
  Observed Exploration::*what;
  std::string_view id, word, holds, broken;
};
#define SPAWNCHECK_ROW(id, word, holds, broken) {&Exploration::id, #id, word, holds, broken},
inline constexpr ObservedRow observed_rows[] = {SPAWNCHECK_OBSERVED(SPAWNCHECK_ROW)};
#undef SPAWNCHECK_ROW
inline constexpr std::size_t observed_count = std::size(observed_rows);

// A scenario with more than 64 files is *inconclusive*. Returns *unsupported*, without
// a step, if why_unexplorable() names a reason.
Exploration explore(const Scenario&, const Planner&, const ExploreOptions&);

// What the scenario has that the model cannot express; empty: nothing.
std::string why_unexplorable(const Scenario&);

}  // namespace spawncheck::explore
