// SPDX-License-Identifier: MIT
//
// One state of an exploration: the kernel's, where each thread and each spawn is, and what has been seen that the contract asks
// for.
#pragma once

#include "model/contract/verdict.h"
#include "model/explore/simulated_spawn.h"

#include <array>
#include <optional>

namespace spawncheck::explore {

// A step of a path, as it is told.
struct TraceStep {
  enum class Who : std::uint8_t { thread, child } who = Who::thread;
  std::uint8_t thread = 0, operation = 0;  // a child: of its spawn
  bool is_call_done = false;               // the system call that it is a step of has returned
  std::string call;                        // an operation's word; of a spawn's caller its stage; of a child the plan's step, exit or program
  std::string text;                        // as a line
};

struct Violated {
  Clause clause{};
  std::string observed, allowed, rule;
  bool is_of_model = false;  // an invariant of the model itself is broken: no finding about a spawn
};

// By number: the files that would cross a spawn there, at some instant of the call and at every.
struct Crossing {
  std::int32_t number;
  std::uint64_t ever, always;
};

// A spawn of the scenario, from its call on. Files are a bit each, by their index in the state.
struct Spawned {
  SimulatedSpawn machine;
  model::Index thread = 0;
  std::uint8_t operation = 0;
  bool child_checked = false;
  bool returned_unreleased = false;        // its child still referred to what was dropped when it returned
  bool source_was_closed = false;          // at some instant of the call
  model::Few<std::uint64_t, 3> source{};   // of each keep entry: what its number was, at some instant
  model::Few<Crossing, 4> crossing{};      // ascending; not for the policy `only`
};

// What is the same in all states of one exploration.
struct Setting {
  Setting(const Scenario&, const Planner&, const model::Kernel&);
  const Scenario& scenario;
  const model::Kernel& kernel;
  mutable Plans plans;
  unsigned threads;
  std::array<std::uint8_t, SC_THREADS_MAX> first_result{};  // of each thread, in World's results
  unsigned results = 0;
  bool has_signals = false, has_busy_files = false, has_limits = false, has_dispositions = false;
  bool leaves_tables_alone = true;  // so do the plans of all spawns, as far as it is known before they begin
};

class World {
 public:
  explicit World(const Setting&);

  // Actors: the threads, then the children of the spawns, in the order of threads and operations.
  unsigned actors() const { return threads_ + static_cast<unsigned>(spawns_.size()); }
  unsigned choices(unsigned actor) const;  // outcomes of its next step
  // False: it cannot go, which need not be tried; true: it may be able to.
  bool may_go(unsigned actor) const;
  // Makes it. False: it cannot go. `text`, where not null, is told what was done.
  bool step(unsigned actor, unsigned outcome, std::optional<Violated>& violated, std::string* text);
  // Nobody else can notice the actor's next step, nor prevent it.
  bool is_private(unsigned actor) const;
  bool is_finished(unsigned thread) const { return position_[thread] >= setting_->scenario.threads[thread].operations.size(); }
  bool all_finished() const;
  std::optional<Violated> at_end(bool is_deadlock) const;
  bool references_dropped() const;  // contract fd.untransient: some child does, before its program
  bool is_unreleased() const;       // contract fd.released: some child did when its spawn returned
  bool is_too_large() const { return state_.descriptions.size() > 64; }
  // Equal for states that differ in the names of files, tables and the like only. At an end what was seen on the way does not
  // count any more.
  std::uint64_t hash(bool is_end = false) const;
  // What the actor's next step belongs to; and, when it is made, whether its call has returned.
  TraceStep about(unsigned actor) const;
  void tell(TraceStep&) const;

 private:
  bool step_thread(unsigned t, unsigned outcome, std::optional<Violated>& violated, std::string* text);
  bool step_program(model::Index child, std::optional<Violated>& violated, std::string* text);
  bool step_child(Spawned&, std::optional<Violated>& violated, std::string* text);
  bool step_spawn(unsigned t, std::optional<Violated>& violated, std::string* text);
  bool deliver(model::Index task, std::optional<Violated>& violated, std::string* text);
  std::optional<Violated> returned(const Spawned&) const;
  bool differs_in_own_slots(const SimulatedSpawn&, const model::Table& before) const;
  std::optional<Violated> check_child(const Spawned&) const;
  std::optional<Violated> check_dispositions(const Spawned&) const;
  std::optional<Violated> check_pidfd(const Spawned&) const;
  std::optional<Violated> check_state() const;
  void look(Spawned&) const;
  bool references_dropped(const Spawned&) const;
  void begin_spawn(unsigned t);
  std::optional<model::Call> call_of(unsigned t, model::Result&) const;
  const Spawned* spawn_with_pid(unsigned t, std::int32_t pid) const;
  static std::int32_t pid_of(const Spawned& s) { return 1000 + SC_OPS_MAX * s.thread + s.operation; }  // a name that does not depend on the order
  bool is_private_thread(unsigned t) const;
  bool is_private_child(const Spawned&) const;
  bool keeps_its_sources(unsigned t) const;
  bool is_stable(unsigned t, std::int32_t number) const;
  bool may_change(unsigned thread, std::int32_t number) const;
  std::int32_t resolve(unsigned t, const sc_operand&) const;
  const Spawned* spawn_under_way(unsigned t) const;
  Spawned* spawn_under_way(unsigned t);
  const sc_operation& operation(unsigned t) const { return setting_->scenario.threads[t].operations[position_[t]]; }
  model::Result& result(unsigned t, std::size_t operation) { return results_[setting_->first_result[t] + operation]; }
  const model::Result& result(unsigned t, std::size_t operation) const { return results_[setting_->first_result[t] + operation]; }
  void returns(unsigned t, const model::Result& r) { result(t, position_[t]++) = r; }

  const Setting* setting_;
  unsigned threads_;
  model::State state_;
  std::array<std::uint8_t, SC_THREADS_MAX> position_{};
  model::Few<model::Result, 12> results_;
  model::Few<Spawned, 2> spawns_;
};

}  // namespace spawncheck::explore
