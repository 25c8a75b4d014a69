// SPDX-License-Identifier: MIT
//
// Where obligations end: what the scenario itself did to its processes. A spawn owes nothing to a caller that
// the scenario has ended or stopped, and nothing about a child that the scenario may have ended. Clauses ask
// here.
#pragma once

#include <cstdint>

#include "model/scenario/history.h"
#include "model/scenario/scenario.h"

namespace spawncheck {

class OwnDoing {
 public:
  // habits: of the implementation (model/contract/habits.h).
  OwnDoing(const Scenario&, const sc_history&, std::uint32_t habits);

  // Returns true if a signal of the scenario, or an injected fault, ended the caller and with it the run: a spawn
  // that had not returned by then owes nothing.
  bool ended_caller() const { return ended_caller_; }
  bool stopped_caller() const { return stopped_caller_; }

  // Signals to the group reach a spawn's child too, before its program runs and after. What they may have done to
  // some child:
  bool may_have_ended_children() const { return may_have_ended_children_; }
  bool may_have_stopped_children() const { return may_have_stopped_children_; }

  // Returns true if SIGCHLD may have been ignored, so that the kernel reaps the caller's children
  // (kernel/signal.c do_notify_parent), or if the implementation waits for them.
  bool may_have_reaped_children() const { return may_have_reaped_children_; }

 private:
  bool ended_caller_ = false, stopped_caller_ = false;
  bool may_have_ended_children_ = false, may_have_stopped_children_ = false, may_have_reaped_children_ = false;
};

}  // namespace spawncheck
