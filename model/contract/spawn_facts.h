// SPDX-License-Identifier: MIT
//
// The clauses of one spawn, each said once: what must hold, and the words where it does not. They read facts and
// nothing else. Whoever has watched a spawn fills in what he knows: the judge from a history (model/contract), the
// explorer from the states that it has gone through (model/explore/facts.cpp). What is not known accuses nobody.
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
  std::int32_t error = 0;  // of what has returned; 0: success
  bool may_fail_so = true,
       may_succeed = true;  // of what the request and the table say: is that the error of the first failing step

  bool has_closed_source = false;  // a source was closed during the whole call

  // The caller, as the spawn returned.
  bool shares_memory = false;     // a child of it ran on the caller's memory
  bool has_left_child = false;    // it failed, and there is one
  std::uint64_t mask_before = 0;  // of the thread
  std::optional<std::uint64_t> mask_after;
  const char* left_different = nullptr;  // another thing of the thread: "the alternate stack"
  bool is_left_at_once = true;  // that was asked at the return: the mask, the alternate stack, the cancel state
  std::uint64_t actions = 0;    // signals whose handler, flags or mask differ, and which nobody else may have changed
  PidfdFact pidfd = PidfdFact::unknown;  // where one was asked for

  // The child as its program begins.
  struct Child {
    std::uint64_t mask = 0, ignored = 0, caught = 0;
  };
  std::optional<Child> child;
  std::uint64_t always_ignored = 0, ever_ignored = ~0ull;  // by the caller, at every and at some instant of the call
  // Of its table what is not as it may be.
  struct Kept {
    std::int32_t source, target;
    std::string found;  // what the target is; "closed"
  };
  struct Number {
    std::int32_t number;
    std::string found;
  };
  boost::container::small_vector<Kept, 1>
      not_kept;  // no description that the source referred to at some instant of the call
  boost::container::small_vector<Number, 1>
      unexplained;  // there, and never without close-on-exec in the caller's table
  boost::container::small_vector<std::int32_t, 1> missing;  // not there, and always without close-on-exec
  bool is_one_instant = true;                               // all of it was so at one instant

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

// Of a run, not of one spawn.
Verdict sig_no_handler_in_child(int signal);
Verdict live_returns(const SpawnFacts&, std::string what);

}  // namespace clauses

}  // namespace spawncheck
