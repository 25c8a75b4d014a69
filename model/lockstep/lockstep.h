// SPDX-License-Identifier: MIT
//
// Is the model's kernel this kernel? A recorded run, step by step on the model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/kernel/call.h"
#include "model/scenario/history.h"
#include "model/scenario/scenario.h"
#include "model/scenario/trace.h"

namespace spawncheck::lockstep {

struct Disagreement {
  std::uint32_t step = 0;  // of the trace
  std::string kernel, model;
};

struct Comparison {
  std::uint32_t steps = 0;                   // followed
  std::uint32_t checked = 0;                 // of them: a result, a sleep, a signal or a death that the model foretold
  std::uint32_t snapshots = 0;               // tables and attributes compared
  std::optional<Disagreement> disagreement;  // the first; it ends the comparison
  bool is_declined = false;                  // no run was made: the scenario has what no kernel of the model does
  std::string unknown;  // not empty: the model has no word for this, and the comparison ended there
};

// What the model takes part in.
enum class Follow : std::uint8_t {
  everything,
  // Only what the scenario's own operations do to the caller's table: a spawn is allowed nothing there but to make the
  // pidfd it was asked for. A disagreement says where it did more (contract fd.untouched).
  operations
};

// The trace must have been recorded with every call's result (sc_policy.results) and without a fault. `history` is of
// the same run: it gives the inodes that identify the world's pipes and sockets.
Comparison compare(const model::Kernel&, const Scenario&, const sc_trace&, const sc_history&,
                   Follow = Follow::everything);

}  // namespace spawncheck::lockstep
