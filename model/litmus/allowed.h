// SPDX-License-Identifier: MIT
//
// The set of outcomes that the model allows for a litmus test: the ends of all its executions. States are compared as
// wholes, not by their hashes: no collision can take an outcome away.
#pragma once

#include <cstdint>
#include <unordered_set>

#include "model/kernel/call.h"
#include "model/litmus/test.h"

namespace spawncheck::litmus {

using Outcomes = std::unordered_set<sc_litmus_outcome, OutcomeHash, OutcomeEqual>;

struct Allowed {
  Outcomes outcomes;
  std::uint64_t states = 0;
  bool is_complete =
      false;  // false: there are more than states_max, or more numbers than can be looked at: nothing can be said
};

inline constexpr std::uint64_t states_max = 100'000;

// Completes test.data: the numbers that are looked at, and SC_LITMUS_FRESH where an outcome is no return of all
// operations.
Allowed allowed(Test&, const model::Kernel&);

}  // namespace spawncheck::litmus
