// SPDX-License-Identifier: MIT
//
// SARIF 2.1.0, as code hosts and editors read it: a rule for each clause of the contract, a result for each clause that
// a finding violates, at the scenario that shows it.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "impl/session/finding.h"

namespace spawncheck {

struct SarifFinding {
  Finding finding;  // if it has no file, the log carries its scenario
  std::uint64_t times = 1;
};

// A scenario that violates no clause, and whose verdict is not the one that its file expects.
struct Unmet {
  std::string file, text;
};

struct SarifLog {
  std::string version;   // of the tool
  std::string category;  // "spawncheck/check/canary/free"
  std::vector<std::pair<std::string, std::string>> properties;
  std::vector<SarifFinding> findings;  // violated, and suspected
  std::vector<Unmet> unmet;
  std::vector<std::string> undecided;  // what was not decided, and why
  std::vector<std::string> broken;     // what went wrong
  std::time_t start = 0, end = 0;
  int exit_status = 0;
};

std::string to_sarif(const SarifLog&);

}  // namespace spawncheck
