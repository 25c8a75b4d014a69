// SPDX-License-Identifier: MIT
//
// A path of the machine in words.
#pragma once

#include <string>

#include "model/explore/driver.h"

namespace spawncheck::explore {

// A step of a path, as it is told.
struct TraceStep {
  enum class Who : std::uint8_t { thread, child } who = Who::thread;
  std::uint8_t thread = 0, operation = 0;  // a child: of its spawn
  bool is_call_done = false;               // the system call that it is a step of has returned
  std::string call;  // an operation's word; of a spawn's caller its stage; of a child the plan's step, exit or program;
                     // signal: it takes one
  std::string text;  // as a line
};

// Makes the actor's step, and tells it. The step must be one that can be made.
TraceStep tell_step(Driver&, unsigned actor, unsigned outcome);

}  // namespace spawncheck::explore
