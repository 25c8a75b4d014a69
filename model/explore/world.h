// SPDX-License-Identifier: MIT
//
// One state of an exploration: the driver's state, and what the contract needs to know of the path so far.
#pragma once

#include "model/contract/spawn_facts.h"
#include "model/explore/driver.h"

namespace spawncheck::explore {

// For one number: the files that would cross a spawn there, at some instant of the call, and at every instant.
struct Crossing {
  std::int32_t number;
  std::uint64_t ever, always;
};

// What has been seen of a spawn since its call. A set of files is a word: bit n is description n of the state.
struct SeenSpawn {
  bool returned_unreleased = false;               // the child still referred to dropped files at return
  bool returned_on_callers_memory = false;        // the child still had the caller's memory at return
  std::uint64_t pipes = 0;                        // close-on-exec write ends of pipes that the child began with
  bool source_was_closed = false;                 // at some instant of the call
  std::uint64_t limit_lowest = ~0ull;             // RLIMIT_NOFILE, so far in the call
  model::SmallVector<std::uint64_t, 3> source{};  // of each keep entry: the files that its number had, at some instant
  model::SmallVector<Crossing, 4> crossing{};     // ascending; not for the policy `only`
  std::uint64_t mask_before = 0;                  // of the calling thread
  std::uint64_t ever_ignored = 0, always_ignored = ~0ull;
};

class World {
 public:
  World(const Setting& setting, bool has_dispositions, bool has_pipes)
      : driver_(setting), has_dispositions_(has_dispositions), has_pipes_(has_pipes) {}

  const Driver& driver() const { return driver_; }
  // Makes the actor's step. Returns false if the actor cannot make one.
  bool step(unsigned actor, unsigned outcome, Violation& violation);
  Violation at_end(bool is_deadlock) const;
  // Return true if this state, or the return of a spawn on the way to it, lacks the property of SPAWNCHECK_OBSERVED.
  bool breaks_untransient() const;
  bool breaks_released() const;
  bool breaks_program_at_eof() const;
  bool breaks_own_memory_at_return() const;
  bool is_too_large() const { return driver_.state().descriptions.size() > 64; }
  // Equal for states that differ only in the names of files, tables and the like; what was seen on the way
  // counts.
  model::Hash128 hash() const;

 private:
  friend class Checker;
  Violation check_state() const;
  void look(std::size_t spawn);
  bool references_dropped(std::size_t spawn) const;
  std::uint64_t pipes_of_child(std::size_t spawn) const;
  bool is_at_end_of_file(model::Index description) const;
  // facts.cpp: what is known of a spawn at any time, at its return, and when its child's program begins.
  SpawnFacts facts(std::size_t spawn) const;
  SpawnFacts facts_of_return(std::size_t spawn) const;
  SpawnFacts facts_of_child(std::size_t spawn) const;
  PidfdFact pidfd_of(const SimulatedSpawn&) const;

  Driver driver_;
  bool has_dispositions_;                  // some thread changes them
  bool has_pipes_;                         // there is a close-on-exec pipe
  model::SmallVector<SeenSpawn, 2> seen_;  // one for each of the driver's spawns
};

}  // namespace spawncheck::explore
