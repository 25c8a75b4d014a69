// SPDX-License-Identifier: MIT
//
// The run that a program is written from: scheduled, every call with its result, its task and its operation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "impl/session/session.h"
#include "model/scenario/trace.h"

namespace spawncheck {

struct Recorded {
  Scenario scenario;
  Verdict verdict;
  std::shared_ptr<const sc_history> history;
  std::shared_ptr<const sc_trace> trace;
  unsigned orders = 0;  // of a scenario with several threads and no schedule: how many were tried for a violation
};

// Runs by the scenario's schedule or with its fault, if it has one. Else tries up to `orders_max` orders until one
// violates, and takes the first if none does. The verdict counts only if the whole run could be traced.
Recorded record(Session&, const Scenario&, unsigned orders_max);

// A step that the program writes out as a call: made by a thread or a child, within an operation, before its program.
bool is_written(const sc_step&);

}  // namespace spawncheck
