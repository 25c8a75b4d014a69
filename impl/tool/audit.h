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
  bool confirm = false;                   // run it again, with creators held, for what is predicted
  unsigned tries = 3;                     // how often at most
  std::string witness = "audit-witness";  // prefix of the files that replay what is confirmed
  std::string replay;                     // instead of a command: such a file
  std::vector<std::string> suppressions;
  bool suggest = false;  // suppressions of what was found, instead of the report
  bool execs = false;    // list what each exec inherited
  std::string sarif, html;
  unsigned seconds = 0;
  bool json = false, pass_status = false;
  std::function<bool()> is_interrupted;  // set: asked for every few milliseconds
};
void add_audit(CLI::App& command, AuditOptions&);  // audit_options.cpp
int audit(const AuditOptions&);

}  // namespace spawncheck::tool
