// SPDX-License-Identifier: MIT
//
// The walk: the model makes the steps of a trace.
#pragma once

#include <optional>
#include <vector>

#include "model/lockstep/lockstep.h"
#include "model/lockstep/raw_call.h"

namespace spawncheck::lockstep {

class Walk {
 public:
  Walk(const model::Kernel&, const Scenario&, const sc_trace&, const sc_history&, Follow);
  Follow how() const { return how_; }

  // Follows step `at`. Returns false if the comparison has ended: see comparison().
  bool follow(std::uint32_t at);

  Comparison& comparison() { return comparison_; }
  const model::State& state() const { return state_; }
  model::Index task(unsigned trace_task) const { return known_[trace_task].task; }  // model::none: not begun
  std::uint64_t mask(unsigned trace_task) const;  // with the signals blocked by handlers that have not returned
  bool disagree(std::string kernel, std::string model);

 private:
  // What is known of a task of the trace beyond the model's state.
  struct Tracked {
    model::Index task = model::none;
    int taken = 0;  // a signal that was taken, but has had no effect yet; 0: none
    bool is_program = false, program_sleeps = false;
  };

  bool call(const sc_step&);
  bool make(const sc_step&);
  bool make_own(const sc_step&);
  void rest(unsigned trace_task);
  std::optional<std::uint64_t> mask_at_sigchld(unsigned trace_task) const;
  bool wakes(const sc_step&);
  bool signal(const sc_step&);
  bool dies_asleep(const sc_step&);
  bool program(const sc_step&);
  bool returned(const sc_step&, const RawCall&, model::Step, const model::Result&);
  bool modelled(const sc_step&, const RawCall&);
  bool on_file(const sc_step&, const RawCall&);
  bool bind(const sc_step&);
  bool clone(const sc_step&);
  bool exec(const sc_step&);
  bool exit(const sc_step&);
  bool wait(const sc_step&);
  bool send(const sc_step&);
  bool unknown(std::string what);

  const sc_operation* operation(const sc_step&) const;  // null: a spawn's call, or outside any operation
  const sc_operation* spawn(const sc_step&) const;
  int task_with_pid(std::int64_t pid) const;         // task of the trace, -1: none
  std::int32_t group_named(std::int32_t pid) const;  // in the form of the model's setpgid
  int next(unsigned trace_task) const;               // the signal that the task stops for next; 0: none
  int take(unsigned trace_task);
  int take_all(model::Index task);
  void settle_deaths();

  const model::Kernel& kernel_;
  const Scenario& scenario_;
  const sc_trace& trace_;
  const sc_history& history_;
  const Follow how_;
  model::State state_;
  std::vector<Tracked> known_;
  unsigned next_child_ = 0;
  std::uint32_t at_ = 0;
  Comparison comparison_;
};

}  // namespace spawncheck::lockstep
