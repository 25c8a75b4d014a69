// SPDX-License-Identifier: MIT
//
// The reads-from pairs of a run as numbers that mean the same in every scenario: which kind of write, by another
// thread, each kind of read saw. An event is abstract: the operation, for a trace the call too, whether the task is a
// child or a thread that spawns, and whether the number is one that a spawn keeps. So there are hundreds, not more with
// each input.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "impl/schedules/search/scheduler.h"
#include "model/scenario/history.h"
#include "model/scenario/scenario.h"

namespace spawncheck::fuzz {

using Pairs = std::set<std::uint32_t>;

// Of a free run only what is certain: the write had returned before the read was called, and no other write can have
// come between; or the child holds the file that an operation has made.
Pairs reads_from(const Scenario&, const sc_history&);

// Of a scheduled run: the order of its steps is known.
Pairs reads_from(const Scenario&, const std::vector<Event>& run);

}  // namespace spawncheck::fuzz
