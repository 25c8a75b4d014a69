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
  std::uint32_t policies = 7;  // what the implementation supports, as in its struct:
  std::uint32_t sets = ~0u;    // a spawn that asks for more is *unsupported*, and nothing else is judged
  bool resource_errors_allowed =
      true;                  // EMFILE, ENFILE, ENOMEM, EAGAIN if few numbers are free; false for the reference
  std::uint32_t habits = 0;  // that it declares (model/contract/habits.h)
  // Returns true if the violation is within a documented limit: it is reported only if the clause has no other
  // violation. May be empty: none is.
  std::function<bool(const Breach&)> is_excepted;
  // Every call that may report a lack of processes was seen, and none did (scheduled runs: impl/session,
  // processes_sufficed). EAGAIN then needs a reason, like any other error. False: nobody knows.
  bool processes_sufficed = false;
  model::Kernel kernel{};            // the kernel that made the history
  std::uint64_t work_max = 200'000;  // states visited before the verdict is *inconclusive*
};

// Ends the observation of fd.untouched if an operation of the scenario names a number of the caller's window, which
// the reservation asks other code to leave alone (spawn_window_reserve).
inline constexpr std::string_view window_is_used = "; another thread uses the window";

// Begins the reason of *unsupported* for a run that otherwise holds, but in which a request was declined
// (SPAWNCHECK_DECLINED).
inline constexpr std::string_view declined_words = "declined: ";
bool is_declined(const Verdict&);

// Returns true if the clause's evidence depends on the order of operations.
bool needs_order(Clause);

Verdict judge(const Scenario&, const sc_history&, const JudgeOptions&);

}  // namespace spawncheck
