// SPDX-License-Identifier: MIT
//
// The records of one run, kept so that the run can be explained without being repeated.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "impl/session/session.h"

namespace spawncheck {

struct Evidence {
  std::shared_ptr<const sc_history> history;  // of the run; null: none was kept
  std::string trace;                          // of a scheduled run: a call a line; else empty
  std::vector<Turn> schedule;                 // of a scheduled run: the tasks that went, in order
  double load[3] = {-1, -1, -1};              // getloadavg(3), when it was recorded; -1: not known
  Verdict verdict;                            // of that run
  Scenario scenario;                          // that was run
};

// Of the session's last run.
Evidence evidence_of(const Session&, const Scenario&, const Verdict&, bool is_scheduled);

std::string end_of_run(const sc_history&);  // "complete", "killed", ...

// The whole history: every record that counts, by the names of model/scenario/history.h. Numbers of 64 bits are
// hexadecimal strings.
nlohmann::json to_json(const sc_history&, const Scenario&);
nlohmann::json to_json(const Evidence&);

}  // namespace spawncheck
