// SPDX-License-Identifier: MIT
//
// The strategy of a spawn in a scheduled run, told from the calls of its child and its caller. A forced strategy gives
// way to another where the scenario has no room for it; a test of the forced one would then test nothing.
#pragma once

#include <span>
#include <string>

#include "model/scenario/trace.h"
#include "model/scenario/visible.h"

namespace spawncheck {

// Of the only spawn of a run with results (sc_policy.results), with a kept source of 64 or above: "fetched", where a
// child took a descriptor from its parent; "staged", where a caller put a source of 64 or above at a number of the
// first 64, which no operation of the scenario does; else "another".
inline std::string strategy_seen(const sc_trace& trace) {
  bool is_staged = false;
  for (const sc_step& s : std::span(trace.step, trace.step_count)) {
    if (s.kind != SC_STEP_CALL || s.outcome != SC_OUTCOME_RETURNED || s.result < 0) continue;
    const bool is_of_child = trace.task[s.task].child >= 0;
    if (is_of_child && s.call == SC_VISIBLE_pidfd_getfd) return "fetched";
    is_staged |= !is_of_child && s.call == SC_VISIBLE_dup3 && s.arg[0] >= 64 && s.arg[1] < 64;
  }
  return is_staged ? "staged" : "another";
}

}  // namespace spawncheck
