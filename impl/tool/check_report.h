// SPDX-License-Identifier: MIT
//
// The result of a check, clause by clause, for machine_report.h.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "impl/tool/machine_report.h"

namespace spawncheck::tool {

struct CheckResult {
  std::vector<SarifFinding> findings;              // violated, and suspected
  std::map<Clause, std::set<std::string>> limits;  // the documented limits that were met
  bool has_decided = false;                        // some scenario held
  Status whole = Status::holds;
  double seconds = 0;
  std::string summary;    // of the search, one line
  std::string undecided;  // why nothing was decided
  std::string broken;     // the first broken run
};

void add_to(MachineReport&, const CheckResult&, Clauses owed);

}  // namespace spawncheck::tool
