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

struct Violated {
  Clause clause{};
  std::string observed, allowed, rule;
};

// A spawn of the scenario, from its call on. Files are a bit each, by their index in the state.
struct Spawned {
  SimulatedSpawn machine;
  model::Index thread = 0;
  std::uint8_t operation = 0;
  bool child_checked = false;
  bool source_was_closed = false;              // at some instant of the call
  std::vector<std::uint64_t> source;           // of each keep entry: what its number was, at some instant
  std::vector<std::uint64_t> ever, always;     // by number: the files that would cross it, at some instant, at every; not for `only`
};

class World {
 public:
  World(const Scenario&, const Planner&, const model::Kernel&);

  // Actors: the threads, then the children of the spawns in the order in which those began.
  unsigned actors() const { return threads_ + static_cast<unsigned>(spawns_.size()); }
  unsigned choices(unsigned actor) const;  // outcomes of its next step
  // Makes it. False: it cannot go. `text`, where not null, is told what was done.
  bool step(unsigned actor, unsigned outcome, std::optional<Violated>& violated, std::string* text);
  // Nobody else can notice the actor's next step, nor prevent it.
  bool is_private(unsigned actor) const;
  bool is_finished(unsigned thread) const;
  bool all_finished() const;
  std::optional<Violated> at_end(bool is_deadlock) const;
  bool references_dropped() const;
  bool is_too_large() const;
  // Equal for states that differ in the names of files, tables and the like only. At an end what was seen on the way does not
  // count any more.
  std::uint64_t hash(bool is_end = false) const;

 private:
  bool step_thread(unsigned t, unsigned outcome, std::optional<Violated>& violated, std::string* text);
  bool step_child(Spawned&, std::optional<Violated>& violated, std::string* text);
  bool step_spawn(unsigned t, std::optional<Violated>& violated, std::string* text);
  bool deliver(model::Index task, std::optional<Violated>& violated, std::string* text);
  std::optional<Violated> returned(const Spawned&);
  bool differs_in_own_slots(const SimulatedSpawn&, const model::Table& before) const;
  std::optional<Violated> check_child(const Spawned&) const;
  void look(Spawned&);
  void look_all();
  std::int32_t resolve(unsigned t, const sc_operand&) const;
  Spawned* spawn_under_way(unsigned t);
  const Spawned* spawn_under_way(unsigned t) const;
  const sc_operation& operation(unsigned t) const { return scenario_->threads[t].operations[position_[t]]; }

  const Scenario* scenario_;
  const Planner* planner_;
  const model::Kernel* kernel_;
  unsigned threads_;
  bool has_signals_ = false, has_busy_files_ = false;
  model::State state_;
  std::vector<std::uint8_t> position_;
  std::vector<std::vector<model::Result>> results_;
  std::vector<Spawned> spawns_;
};

}  // namespace spawncheck::explore
