// SPDX-License-Identifier: MIT
//
// The handlers of the calls, by family; only the dispatch table in step.cpp uses them.
#pragma once

#include "model/kernel/call.h"

namespace spawncheck::model {

#define SPAWNCHECK_ROW(id, handler, outcomes, fields) Step handler(const Kernel&, State&, Index, unsigned, Result&);
SPAWNCHECK_CALLS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW

unsigned close_range_outcomes(const Kernel&, const State&, Index);
unsigned program_outcomes(const Kernel&, const State&, Index);
unsigned listen_outcomes(const Kernel&, const State&, Index);
unsigned flock_outcomes(const Kernel&, const State&, Index);
unsigned exec_outcomes(const Kernel&, const State&, Index);

}  // namespace spawncheck::model
