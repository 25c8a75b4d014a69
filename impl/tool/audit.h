// SPDX-License-Identifier: MIT
//
// spawncheck audit: its options. Apart from tool.h, which needs scenarios and sessions; an audit has neither.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace spawncheck::tool {

struct AuditOptions {
  std::vector<std::string> command;
  bool confirm = false;                   // run the command again for predicted findings, with creators held
  unsigned tries = 3;                     // of confirm: runs at most
  std::string witness = "audit-witness";  // prefix of the files that replay confirmed findings
  std::string replay;                     // such a file, instead of a command
  std::vector<std::string> suppressions;
  bool suggest = false;  // print suppressions of the findings instead of the report
  bool execs = false;    // list what each exec inherited
  std::string sarif, html;
  unsigned seconds = 0;
  bool json = false, pass_status = false;
  std::function<bool()> is_interrupted;  // must not be empty; called every few milliseconds
};
void add_audit(CLI::App& command, AuditOptions&);  // audit_options.cpp
int audit(const AuditOptions&);

}  // namespace spawncheck::tool
