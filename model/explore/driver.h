// SPDX-License-Identifier: MIT
//
// The one machine that steps the model: a scenario's state, the position of each thread, its spawns and the results of
// its operations. Simulation is the driver with a random order and a recorder (simulate.cpp); exploration is the driver
// with breadth-first search and a checker (world.h, explorer.cpp). One step is one step of the kernel; the observer is
// told what it was.
#pragma once

#include <array>
#include <optional>

#include "model/explore/simulated_spawn.h"

namespace spawncheck::explore {

class Canonical;

// What is the same in all states of one scenario: the scenario, the kernel, the plans of its spawns. All must
// outlive every Driver.
struct Setting {
  Setting(const Scenario&, const Planner&, const model::Kernel&);
  const Scenario& scenario;
  const model::Kernel& kernel;
  mutable Plans plans;
  unsigned threads;
  std::array<std::uint8_t, SC_THREADS_MAX> first_result{};  // of each thread, an index into the driver's results
  unsigned results = 0;
  std::uint64_t world_inode[SC_WORLD_MAX][2]{};  // as fstat(2) would report them: the two ends of world line i
};

// The inode of one of the two ends that an operation creates; `end` is 0 or 1.
std::uint64_t simulated_inode(const Scenario&, unsigned thread, std::size_t operation, int end);

// The events that an observer can receive, each at the instant at which it happens. An observer derives from this
// and hides the functions it needs.
class Driver;
struct NoObserver {
  void begins(const Driver&, unsigned /*thread*/) {}  // before the first step of its operation
  void returns(const Driver&, unsigned /*thread*/, std::size_t /*operation*/) {}  // with result()
  void makes(const Driver&, model::Index /*task*/, const model::Call&, model::Step, const model::Result&) {
  }  // after a step of an operation's call
  void finds_no_child(const Driver&, unsigned /*thread*/, const model::Result&) {
  }  // an operation names a child that does not exist
  void takes_signal(const Driver&, model::Index /*task*/, int /*signal*/, model::Delivery) {}  // before its effect
  void begins_spawn(const Driver&, std::size_t /*spawn*/) {}   // an index into Driver::spawns(), from now on
  void before_caller(const Driver&, const SimulatedSpawn&) {}  // before a step of the spawn's caller
  void after_caller(const Driver&, std::size_t /*spawn*/, SimulatedSpawn::Stage) {}  // after a step made in that stage
  void before_child(const Driver&, const SimulatedSpawn&) {}                         // before a step of the plan
  void after_child(const Driver&, std::size_t /*spawn*/) {}
  void begins_program(const Driver&, std::size_t /*spawn*/) {}  // the child's exec has returned
  void exits(const Driver&, model::Index /*task*/) {}           // after a step of its process's exit
};

class Driver {
 public:
  explicit Driver(const Setting&);

  // Actors: the threads, then the children of the spawns, in the order of threads and operations.
  unsigned actors() const { return threads_ + static_cast<unsigned>(spawns_.size()); }
  // The number of outcomes of the actor's next step. The first step of a call has one; an actor with a signal to take
  // may have two, since it may begin a call instead: see signals.h.
  unsigned choices(unsigned actor) const;
  // Returns false if the actor cannot make a step; true if it possibly can.
  bool may_go(unsigned actor) const;
  // Makes the actor's next step. Returns false, with nothing changed, if the actor cannot make one.
  template <typename Observer>
  bool step(unsigned actor, unsigned outcome, Observer&);  // driver_step.h
  bool step(unsigned actor, unsigned outcome);             // without an observer

  bool is_finished(unsigned thread) const {
    return position_[thread] >= setting_->scenario.threads[thread].operations.size();
  }
  // Every operation has returned, and every child runs its program or has ended.
  bool all_finished() const;
  bool caller_has_ended() const {
    return state_.tasks[threads_].ended;
  }  // also while one of its threads exits: the others have ended already
  bool caller_is_stopped() const { return state_.processes[0].stopped_by != 0; }

  const Setting& setting() const { return *setting_; }
  const model::State& state() const { return state_; }
  unsigned threads() const { return threads_; }
  std::size_t position(unsigned thread) const { return position_[thread]; }  // of the thread's current operation
  const sc_operation& operation(unsigned thread) const {
    return setting_->scenario.threads[thread].operations[position_[thread]];
  }
  // The operation's result; its default value if the operation has not returned.
  const model::Result& result(unsigned thread, std::size_t operation) const {
    return results_[setting_->first_result[thread] + operation];
  }
  // The value of an operand of the thread's next operation; a variable whose operation failed is -1.
  std::int32_t resolve(unsigned thread, const sc_operand&) const;
  const model::SmallVector<SimulatedSpawn, 2>& spawns() const { return spawns_; }
  const SimulatedSpawn* spawn_under_way(unsigned thread) const;
  model::Index task_of(unsigned actor) const {
    return actor < threads_ ? static_cast<model::Index>(actor) : spawns_[actor - threads_].child();
  }
  // Names that do not depend on the order in which spawns are made.
  std::int32_t pid_of(model::Index process) const;
  static std::int32_t pid_of(const SimulatedSpawn& s) {
    return first_pid + 1 + SC_OPS_MAX * s.parent() + s.operation();
  }
  static constexpr std::int32_t first_pid = 1000;  // of the scenario's own process

  // Equal for states that differ in the names of files, tables and the like only.
  model::Hash128 hash() const;
  model::Hash128 hash(Canonical&) const;  // the caller may go on to hash with the same names

 private:
  template <typename Observer>
  void take_signal(model::Index task, Observer&);
  template <typename Observer>
  bool exit(model::Index task, Observer&);
  template <typename Observer>
  bool step_call(unsigned thread, unsigned outcome, Observer&);
  template <typename Observer>
  bool step_spawn(unsigned thread, Observer&);
  template <typename Observer>
  bool step_child(std::size_t spawn, Observer&);
  template <typename Observer>
  void return_with(unsigned thread, const model::Result&, Observer&);
  std::size_t begin_spawn(unsigned thread);
  std::int32_t group_of(unsigned thread, const sc_operand&) const;
  std::optional<model::Call> call_of(unsigned thread, model::Result&) const;
  bool is_exiting(model::Index task) const;
  bool begins_something(unsigned actor) const;
  bool is_to_restart(model::Index task) const { return task < threads_ && (to_restart_ >> task & 1) != 0; }
  void set_to_restart(model::Index task, bool is_to) {
    if (task < threads_) to_restart_ = (to_restart_ & ~(1u << task)) | static_cast<std::uint32_t>(is_to) << task;
  }
  std::size_t index_of_spawn(unsigned thread) const;  // of the spawn in flight; spawns_.size(): none

  const Setting* setting_;
  unsigned threads_;
  model::State state_;
  std::array<std::uint8_t, SC_THREADS_MAX> position_{};
  // Threads whose call was interrupted: they take a signal that is still pending before the call is made again, since
  // both happen on the way to user mode (arch/x86/kernel/signal.c arch_do_signal_or_restart). Otherwise interrupt and
  // restart could alternate for ever.
  std::uint32_t to_restart_ = 0;
  model::SmallVector<model::Result, 12> results_;
  model::SmallVector<SimulatedSpawn, 2> spawns_;
};

}  // namespace spawncheck::explore
