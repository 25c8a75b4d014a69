// SPDX-License-Identifier: MIT
//
// What can go wrong at each visible call of a spawn, one at a time: the call fails, a signal arrives, the child
// is killed, stopped and continued, the parent is killed. Every clause holds after each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "impl/schedules/exhaustive.h"

namespace spawncheck {

// Those that fit each call that the spawns of the scenario made in `trace`.
std::vector<sc_fault> faults_of(const Scenario&, const sc_trace&);

struct FaultResult {
  std::uint64_t runs = 0, happened = 0;  // happened: the run came to the call
  std::uint64_t by_status[5] = {};
  std::optional<Verdict> violation;  // the first; it ends the search
  sc_fault fault{};                  // that shows it
};

// Each by the scenario's schedule as far as it goes, and with every task run on.
FaultResult inject_faults(Session&, const Scenario&, const SearchLimits&);

}  // namespace spawncheck
