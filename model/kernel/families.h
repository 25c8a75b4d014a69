// SPDX-License-Identifier: MIT
//
// The handlers of the calls, by family; only the dispatch table in step.cpp uses them.
#pragma once

#include "model/kernel/call.h"

namespace spawncheck::model {

#define SPAWNCHECK_ROW(id, handler, outcomes, lockless, fields) Step handler(const Kernel&, State&, Index, unsigned, Result&);
SPAWNCHECK_CALLS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW

// The call under way, if any, is over: what it referred to, and what it closed, is released (task_work_run).
void end_call(State&, Index task);

// One step of the copy of its task's table (copy.cpp); true: it is in Flight::table.
bool step_copy(const Kernel&, State&, Index task);

// What close_range(2) selects of a table goes from it.
void remove_selected(State&, Index table, const Call&);
// The last slot that it does not select, -1: none.
std::int64_t last_unselected(const Table&, const Call&);

// What the call refers to until it is over.
inline void hold(State& state, Flight& flight, Index description) {
  state.hold(description);
  flight.held = description;
}
// The number goes; its file is released when the call returns.
void close_deferred(const Kernel&, State&, Index task, Index table, std::int32_t first, std::int32_t last);

unsigned close_range_outcomes(const Kernel&, const State&, Index);
unsigned program_outcomes(const Kernel&, const State&, Index);
unsigned listen_outcomes(const Kernel&, const State&, Index);
unsigned flock_outcomes(const Kernel&, const State&, Index);
unsigned exec_outcomes(const Kernel&, const State&, Index);

}  // namespace spawncheck::model
