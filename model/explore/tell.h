// SPDX-License-Identifier: MIT
//
// A path of the driver in words.
#pragma once

#include <string>

#include "model/explore/driver.h"

namespace spawncheck::explore {

// One step of a path, in words.
struct TraceStep {
  enum class Who : std::uint8_t { thread, child } who = Who::thread;
  std::uint8_t thread = 0, operation = 0;  // of a child: those of its spawn
  bool is_call_done = false;               // the system call has returned with this step
  std::string call;  // the operation's word; of a spawn's caller the stage; of a child the plan's step, exit, program;
                     // "signal": the actor takes one
  std::string text;  // the step as a line
};

// Makes the actor's step and describes it. The actor must be able to make it.
TraceStep tell_step(Driver&, unsigned actor, unsigned outcome);

}  // namespace spawncheck::explore
