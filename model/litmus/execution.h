// SPDX-License-Identifier: MIT
//
// One state of a litmus test on the model: the kernel's state, where each thread is, what its operations have given.
// The test's outcomes are the ends of all its executions.
//
// A thread between two operations is either still on its way out of the kernel, where it takes what it must take of
// signals before user code goes on (arch exit_to_user_mode_loop), or in user mode, where a signal that another thread
// sends may reach it before or after it enters the next call (the interrupt takes its time).
#pragma once

#include <array>

#include "model/kernel/call.h"
#include "model/scenario/scenario.h"

namespace spawncheck::litmus {

class Execution {
 public:
  Execution(const Scenario&, const model::Kernel&);

  unsigned actors() const { return threads_; }
  // Ways in which the thread may go on now; 0: none.
  unsigned choices(unsigned thread) const;
  // Goes one of them. False: it cannot be gone; the execution is of no use any more.
  bool step(unsigned thread, unsigned choice);

  bool is_finished(unsigned thread) const { return position_[thread] >= scenario_->threads[thread].operations.size(); }
  // Null: it has not returned.
  const model::Result* result(unsigned thread, std::size_t operation) const;
  const model::State& state() const { return state_; }
  int ended_by() const { return ended_by_; }  // the signal that has ended the process, 0: none
  bool is_stopped() const { return state_.processes[0].stopped_by != 0; }
  unsigned handled(int signal) const { return handled_[static_cast<std::size_t>(signal)]; }

  bool operator==(const Execution&) const;
  std::uint64_t hash() const;

 private:
  enum class Mode : std::uint8_t {
    user,
    leaving,  // the call has returned; signals that the thread need not take may stay for another
    taking    // it has been woken for a signal, and takes all there are (get_signal)
  };
  enum class Way : std::uint8_t { go_on, begin, take, leave, notice, interrupt };
  model::Few<Way, 4> ways(unsigned thread) const;
  bool must_take_first(unsigned thread) const;
  bool go_on(unsigned thread, unsigned outcome);
  bool begin(unsigned thread);
  void take(unsigned thread);
  void returns(unsigned thread, const model::Result&);
  std::int32_t resolve(unsigned thread, const sc_operand&) const;
  const sc_operation& operation(unsigned t) const { return scenario_->threads[t].operations[position_[t]]; }

  const Scenario* scenario_;
  const model::Kernel* kernel_;
  unsigned threads_;
  bool has_signals_ = false;
  model::State state_;
  std::array<std::uint8_t, SC_THREADS_MAX> position_{};
  std::array<Mode, SC_THREADS_MAX> mode_{};
  std::array<model::Few<model::Result, 3>, SC_THREADS_MAX> results_;
  std::array<std::uint8_t, SC_SIGNAL_MAX + 1> handled_{};
  std::uint8_t ended_by_ = 0;
};

}  // namespace spawncheck::litmus
