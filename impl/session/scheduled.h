// SPDX-License-Identifier: MIT
//
// What users of scheduled runs need: policies, and a trace as turns, as text and as a number.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/scenario/scenario.h"
#include "model/scenario/trace.h"

namespace spawncheck {

enum class Turns {
  strict,  // a turn that is not enabled ends the run
  lenient  // it is skipped: the scenario has changed since the schedule was recorded
};

// The rule after the scenario's turns: RUN_ON, unless another is given.
sc_policy policy_of(Turns, sc_rule rule = SC_RULE_RUN_ON, std::uint64_t seed = 0);

// The tasks that went, in order: the schedule of this run.
std::vector<Turn> turns_of(const sc_trace&);

// Counts preemptions: steps at which another task went although the last one could have gone on.
unsigned preemptions(const sc_trace&);
unsigned context_switches(const std::vector<Turn>&);

// Returns true if the step is a clone that started a task, or one whose result is not known. A clone whose caller is
// suspended has a WAKES step too, which starts nothing.
bool starts_process(const sc_step&);

// A line for each step: task, call, arguments, result. Pids and addresses are abstracted, so that two runs of the same
// schedule give the same text: a pid is `pid of TASK`, an address is `null` or `address`.
std::string trace_text(const sc_trace&);
std::string step_text(const sc_trace&, unsigned step);  // one of them, without the end of the line
std::string task_name(const sc_trace&, unsigned task);  // "0", "0.1"
std::string states_text(const sc_trace&);               // where each task is at the end, for deadlocks

// The first step that differs; empty: the same tasks made the same calls with the same arguments and results, pids and
// addresses aside.
std::string difference(const sc_trace&, const sc_trace&);

// "schedule: turn 4 (1): this task cannot go now; enabled: 0, 0.0", for a run that ended as SC_RUN_MISLED.
std::string bad_turn_text(const Scenario&, const sc_trace&);

}  // namespace spawncheck
