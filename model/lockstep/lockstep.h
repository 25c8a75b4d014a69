// SPDX-License-Identifier: MIT
//
// Lockstep: follows a recorded run step by step on the model, to test whether the model's kernel is this kernel.
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
  std::uint32_t steps = 0;                   // steps that were followed
  std::uint32_t checked = 0;                 // of these: steps with a predicted result, sleep, signal or death
  std::uint32_t snapshots = 0;               // tables and attributes compared
  std::optional<Disagreement> disagreement;  // the first one, which ends the comparison
  bool is_declined = false;                  // no run was made: the scenario needs what no kernel of the model has
  std::string unknown;  // not empty: the comparison ended here, since the model cannot express this
};

// Which steps the model follows.
enum class Follow : std::uint8_t {
  everything,
  // Only what the scenario's own operations do to the caller's table: a spawn may only add the requested pidfd there.
  // A disagreement shows where the spawn did more (contract fd.untouched).
  operations
};

// The caller must pass a trace with every call's result (sc_policy.results) and without a fault, and the history of
// the same run: it has the inodes that identify the world's pipes and sockets.
Comparison compare(const model::Kernel&, const Scenario&, const sc_trace&, const sc_history&,
                   Follow = Follow::everything);

}  // namespace spawncheck::lockstep
