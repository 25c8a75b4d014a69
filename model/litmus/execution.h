// SPDX-License-Identifier: MIT
//
// One state of a litmus test on the model: the driver's state, how often each handler has run, and which signal has
// ended the process. The test's outcomes are the ends of all its executions.
#pragma once

#include <array>

#include "model/explore/driver.h"

namespace spawncheck::litmus {

class Execution {
 public:
  explicit Execution(const explore::Setting& setting) : driver_(setting) {}

  unsigned actors() const { return driver_.actors(); }
  bool may_go(unsigned actor) const { return driver_.may_go(actor); }
  unsigned choices(unsigned actor) const { return driver_.choices(actor); }
  // Makes the actor's next step. Returns false if the actor cannot make one; the execution is then invalid.
  bool step(unsigned actor, unsigned choice);

  bool is_finished(unsigned thread) const { return driver_.is_finished(thread); }
  // The operation's result; null if it has not returned.
  const model::Result* result(unsigned thread, std::size_t operation) const {
    return operation < driver_.position(thread) ? &driver_.result(thread, operation) : nullptr;
  }
  const model::State& state() const { return driver_.state(); }
  int ended_by() const { return ended_by_; }  // the signal that has ended the process, 0: none
  bool is_stopped() const { return driver_.caller_is_stopped(); }
  unsigned handled(int signal) const { return handled_[static_cast<std::size_t>(signal)]; }

  // Equal for executions that differ only in the names of files and tables.
  model::Hash128 hash() const;

 private:
  friend class SignalCounter;
  explore::Driver driver_;
  std::array<std::uint8_t, SC_SIGNAL_MAX + 1> handled_{};
  std::uint8_t ended_by_ = 0;
};

// The setting of a test, without spawns to plan. The scenario and the kernel must outlive it.
explore::Setting setting_of(const Scenario&, const model::Kernel&);

}  // namespace spawncheck::litmus
