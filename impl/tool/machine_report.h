// SPDX-License-Identifier: MIT
//
// The results of run and check as files for build servers (--junit, JUnit XML) and code hosts (--sarif, SARIF).
#pragma once

#include <chrono>
#include <string>

#include "impl/report/junit.h"
#include "impl/report/sarif.h"
#include "impl/tool/tool.h"

namespace spawncheck::tool {

class MachineReport {
 public:
  // command, mode: "check", "scheduled".
  MachineReport(const ReportFiles&, const Session&, const Common&, const std::string& command, const std::string& mode);

  void add_case(JUnitCase);
  void add_finding(const Finding&, std::uint64_t times = 1);
  void add_unmet(const std::string& file, const std::string& text);
  // Notes stand beside the cases and the findings.
  void note(const std::string& text);
  void note_undecided(const std::string& text);
  void note_broken(const std::string& text);

  // Writes the files that were asked for. Returns the exit status, or that of *broken*, with a message, if one fails.
  int write(int exit_status);

 private:
  const ReportFiles files_;
  JUnitSuite suite_;
  SarifLog log_;
  std::chrono::steady_clock::time_point start_;
};

// Returns true if the files can be written; else prints why not.
bool can_be_written(const ReportFiles&);

// Returns the text up to its first line feed.
std::string first_line(const std::string&);

}  // namespace spawncheck::tool
