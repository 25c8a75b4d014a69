// SPDX-License-Identifier: MIT
//
// A recorded run as turns: blocks of calls that one task makes before another goes.
#pragma once

#include <vector>

#include "impl/reproducer/recorded.h"

namespace spawncheck {

enum class RecordedKind { call, library_call, library_return };

struct RecordedEvent {
  RecordedKind kind = RecordedKind::call;
  unsigned task = 0, thread = 0, operation = 0;
  const sc_step* step = nullptr;  // of a call
  unsigned block = 0;
  bool is_first = false, is_last = false;  // of its block
  bool is_open = false;                    // library_call: other tasks go during it, in an unknown order
};

// `by_library`: each spawn is one call of a library, and the program cannot stop a task within it.
std::vector<RecordedEvent> order_of(const Recorded&, bool by_library);

bool is_spawn(const Scenario&, unsigned thread, unsigned operation);

}  // namespace spawncheck
