// SPDX-License-Identifier: MIT
//
// The set of outcomes that the model allows for a litmus test: the ends of all its executions. States are told apart
// by a 128-bit hash: only a collision could lose an outcome.
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
      false;  // false: there are more than states_max states, or too many numbers to look at: the set is unknown
};

inline constexpr std::uint64_t states_max = 100'000;

// Completes test.data: the numbers to look at, and SC_LITMUS_FRESH if in some outcome not all operations
// return.
Allowed allowed(Test&, const model::Kernel&);

}  // namespace spawncheck::litmus
