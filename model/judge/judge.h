// SPDX-License-Identifier: MIT
//
// History in, verdict out. Pure: no process, no descriptor, no clock.
#pragma once

#include <functional>
#include <string_view>

#include "model/contract/verdict.h"
#include "model/kernel/call.h"
#include "model/scenario/history.h"

namespace spawncheck {

struct JudgeOptions {
  Clauses owed = Clauses::basic();
  std::uint32_t policies = 7;  // what the implementation says it can honour, as in its struct;
  std::uint32_t sets = ~0u;    // a spawn that asks for more is *unsupported*, nothing else is judged
  bool resource_errors_allowed =
      true;                  // EMFILE, ENFILE, ENOMEM, EAGAIN when few numbers are free: not for the reference
  std::uint32_t habits = 0;  // what it says it does besides (model/contract/habits.h)
  // Is a violation within a documented limit? Then it stands for its clause only where nothing else does. Empty: none
  // is.
  std::function<bool(const Breach&)> is_excepted;
  model::Kernel kernel{};            // the one that made the history
  std::uint64_t work_max = 200'000;  // states visited before the verdict is *inconclusive*
};

// At the end of what fd.untouched observed, where an operation of the scenario names a number of the caller's window,
// which its reservation asks other code to leave alone (spawn_window_reserve).
inline constexpr std::string_view window_is_used = "; another thread uses the window";

// A run that holds in everything else, in which some request was declined (SPAWNCHECK_DECLINED), is *unsupported*, and
// its reason begins so.
inline constexpr std::string_view declined_words = "declined: ";
bool is_declined(const Verdict&);

// Is the clause one whose evidence is a matter of the order of operations?
bool needs_order(Clause);

Verdict judge(const Scenario&, const sc_history&, const JudgeOptions&);

}  // namespace spawncheck
