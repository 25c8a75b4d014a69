// SPDX-License-Identifier: MIT
//
// The facts of a history, and the clauses that need no search for an order of operations: each is one function from
// the facts to a violation, or nothing. The clauses of one spawn alone are in model/contract/spawn_facts.h.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "model/contract/obligations.h"
#include "model/contract/spawn_facts.h"
#include "model/explore/spawn_case.h"
#include "model/judge/judge.h"

namespace spawncheck::judging {

struct Facts {
  const Scenario& scenario;
  const sc_history& history;
  const JudgeOptions& options;
  OwnDoing own_doing{scenario, history, options.habits};
  std::vector<explore::SpawnCase> spawns{};  // the spawns that began
};

std::string where(const explore::SpawnCase&);  // "thread 0, operation 2: spawn ..."

// The facts of one spawn, for the clauses shared with the explorer (model/contract).
SpawnFacts spawn_facts(const Facts&, const explore::SpawnCase&);

// The mask of a thread after its first `operations` operations: no other thread can change it.
std::uint64_t mask_of_thread(const Facts&, std::uint32_t thread, std::size_t operations);

// Signals whose disposition an operation sets.
std::uint64_t named_by_dispositions(const Scenario&);
const char* disturbance_text(std::uint32_t bit);  // of SC_DISTURBED

// result.cpp: the results of spawns.
Violation err_result(const Facts&);
Violation proc_result(const Facts&);

// left.cpp: the caller's attributes at the end, and those that its programs inherited.
Violation attributes_at_end(const Facts&);
Violation proc_attributes(const Facts&);
Violation descriptions_of_caller(const Facts&);
Violation descriptions_of_children(const Facts&);

// process.cpp
Violation live_returns(const Facts&);
Violation proc_unzombied(const Facts&);
Violation proc_child(const Facts&);
Violation proc_wait(const Facts&);
Violation proc_ending(const Facts&);
Violation mm_unwritten(const Facts&);

// signals.cpp
Violation sig_no_handler_in_child(const Facts&);
Violation sig_masks_at_end(const Facts&);
Violation sig_none_lost(const Facts&);

}  // namespace spawncheck::judging
