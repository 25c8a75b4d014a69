// SPDX-License-Identifier: MIT
//
// Injects, one at a time, what can go wrong at each visible call of a spawn: the call fails, a signal arrives, the
// child is killed, stopped and continued, the parent is killed. Every clause must hold after each fault.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "impl/schedules/exhaustive.h"

namespace spawncheck {

// The faults that fit each call that the spawns of the scenario made in `trace`.
std::vector<sc_fault> faults_of(const Scenario&, const sc_trace&);

struct FaultResult {
  std::uint64_t runs = 0, happened = 0;  // happened: runs that reached the call
  std::uint64_t by_status[5] = {};
  std::optional<Verdict> violation;  // the first; it ends the search
  sc_fault fault{};                  // the one that shows the violation; SC_FAULT_NONE: the run without a fault does
};

// Each fault runs by the scenario's schedule as far as that goes, then by RUN_ON.
FaultResult inject_faults(Session&, const Scenario&, const SearchLimits&);

}  // namespace spawncheck
