// SPDX-License-Identifier: MIT
//
// The clauses of one spawn, each written once: what must hold, and the words if it does not. They read facts and
// nothing else. The observer of a spawn fills in what it knows: the judge from a history (model/judge/facts.cpp),
// the explorer from the states on its path (model/explore/facts.cpp). An unknown fact violates nothing.
#pragma once

#include <boost/container/small_vector.hpp>
#include <optional>
#include <string>

#include "model/contract/verdict.h"
#include "model/scenario/history.h"

namespace spawncheck {

enum class PidfdFact : std::uint8_t { unknown, missing, of_another, of_child };

struct SpawnFacts {
  const sc_request* request = nullptr;
  std::uint32_t habits = 0;  // of the implementation: model/contract/habits.h
  unsigned thread = 0, operation = 0;
  bool has_returned = false;
  std::int32_t error = 0;  // of a spawn that has returned; 0: success
  bool may_fail_so = true,
       may_succeed = true;  // by the request and the caller's table: may the spawn fail with `error`; may it succeed

  bool has_closed_source = false;  // a source was closed throughout the call

  // The caller, when the spawn returned.
  bool shares_memory = false;     // its child still ran on the caller's memory
  bool has_left_child = false;    // it failed, and left a child
  std::uint64_t mask_before = 0;  // of the thread
  std::optional<std::uint64_t> mask_after;
  const char* left_different = nullptr;  // another attribute of the thread: "the alternate stack"
  bool is_left_at_once = true;           // checked at the return: the mask, the alternate stack, the cancel state
  std::uint64_t actions = 0;  // signals whose handler, flags or mask differ, and that no other code may have changed
  PidfdFact pidfd = PidfdFact::unknown;  // if requested

  // The child as its program begins.
  struct Child {
    std::uint64_t mask = 0, ignored = 0, caught = 0;
  };
  std::optional<Child> child;
  std::uint64_t always_ignored = 0, ever_ignored = ~0ull;  // by the caller, at every and at some instant of the call
  // What its table must not have, or lacks.
  struct Kept {
    std::int32_t source, target;
    std::string found;  // the file at the target, or "closed"
  };
  struct Number {
    std::int32_t number;
    std::string found;
  };
  boost::container::small_vector<Kept, 1>
      not_kept;  // the target has no description that the source had at some instant of the call
  boost::container::small_vector<Number, 1>
      unexplained;  // open in the child, but never without close-on-exec in the caller's table
  boost::container::small_vector<std::int32_t, 1> missing;  // lacking, though always open without close-on-exec
  bool is_one_instant = true;                               // one instant of the call explains the whole table

  bool has_succeeded() const { return has_returned && error == 0; }
  bool asks_for(std::uint32_t set) const;  // SPAWNCHECK_SET_*
};

using Violation = std::optional<Verdict>;

Verdict violated(Clause, std::string observed, std::string allowed, std::string rule);
std::string where(const SpawnFacts&);  // "spawn of thread 0, operation 2"

namespace clauses {

Violation mm_released(const SpawnFacts&);
Violation sig_parent_restored(const SpawnFacts&);
Violation sig_mask(const SpawnFacts&);
Violation sig_disposition(const SpawnFacts&);
Violation fd_kept(const SpawnFacts&);
Violation fd_exact(const SpawnFacts&);
Violation fd_snapshot(const SpawnFacts&);
Violation proc_pidfd(const SpawnFacts&);  // of proc.child
Violation proc_unzombied(const SpawnFacts&);
Violation err_exact(const SpawnFacts&);

// Clauses of a run, not of one spawn.
Verdict sig_no_handler_in_child(int signal);
Verdict live_returns(const SpawnFacts&, std::string what);

}  // namespace clauses

}  // namespace spawncheck
