// SPDX-License-Identifier: MIT
//
// An audit's result as text, JSON, SARIF 2.1.0 and HTML.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "impl/audit/symbols.h"
#include "model/audit/described.h"

namespace spawncheck::audit {

struct Result {
  std::vector<std::string> command;
  const Follower* follower = nullptr;  // of the recorded run
  std::vector<Described> findings;     // suppressed ones too
  unsigned confirm_runs = 0;
  int status = 0;  // of the audit: 0, 1, 3
};

std::vector<Described> describe(const std::vector<Finding>&, const Recording&, Symbols&);
std::vector<std::string> describe_site(const Recording&, std::uint32_t site, Symbols&);
std::string describe_task(const Recording&, TaskId);
std::string count_of(std::uint64_t n, const char* noun);  // 1 exec, 2 execs

// Text: the findings, the gravest first; `has_execs`: also what each exec inherited.
std::string report_text(const Result&, Symbols&, bool has_execs);
// JSON: an object for each exec, one for each finding, one for the whole.
std::vector<nlohmann::json> report_json(const Result&, Symbols&);
std::string report_sarif(const Result&);
// HTML: one file that refers to no other; lanes are tasks, time goes down.
std::string report_html(const Result&);

}  // namespace spawncheck::audit
