// SPDX-License-Identifier: MIT
//
// A violation, made small, made sure, and told.
#pragma once

#include "properties/session/session.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace spawncheck {

struct Finding {
  Scenario scenario;
  Verdict verdict;
  std::string implementation, strategy;
  std::string kernel, libc;  // of this machine
  std::uint64_t seed = 0;
  unsigned runs = 0, violations = 0;  // how often it reproduces
  bool is_scheduled = false;          // found and replayed by a schedule: the scenario's, its rest run on
  unsigned same_traces = 0;           // of the runs: those with the first one's trace
  std::string file;                   // where the scenario is stored; empty: in the report only
};

struct FindingOptions {
  unsigned shrink_tries_max = 400;
  unsigned runs_per_try = 1;   // free races are repeated
  unsigned confirm_runs = 20;
  unsigned seconds_max = 30;   // of the whole
};

// Shrinks while the same clause is violated, then runs the result again and counts. A scenario with a schedule is
// run by it; the schedule is made small as well.
Finding make_finding(Session&, const Scenario&, const Verdict&, std::uint64_t seed, const FindingOptions& = {});

// Constant text first, data after; ends with the command that replays it.
std::string report(const Finding&);
std::string replay_command(const Finding&);
nlohmann::json to_json(const Finding&);

// Writes a scenario file with its source and what it shows: directory/CLAUSE-HASH.scenario. Empty on
// failure, with `error` saying why.
std::string save(Finding&, const std::string& directory, std::string& error);

std::string kernel_release();
std::string libc_version();

}  // namespace spawncheck
