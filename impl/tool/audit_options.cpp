// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>

#include "impl/tool/audit.h"

namespace spawncheck::tool {

void add_audit(CLI::App& command, AuditOptions& options) {
  command.add_option("COMMAND", options.command, "the program and its arguments, after --");
  command.add_flag(
      "--confirm", options.confirm,
      "run the command again for what is predicted, with the creator held at the exit of the creating call; "
      "its streams are /dev/null then");
  command.add_option("--tries", options.tries, "of --confirm: how many runs at most")->check(CLI::Range(1, 1000));
  command.add_option("--witness", options.witness,
                     "of --confirm: what is confirmed is stored as WITNESS-1.json and so on (audit-witness)");
  command.add_option("--replay", options.replay, "instead of a command: a file that --confirm has stored");
  command.add_option("--suppressions", options.suppressions, "a file of findings not to report; may be repeated");
  command.add_flag("--suggest", options.suggest, "print suppressions of what was found instead of the report");
  command.add_flag("--execs", options.execs, "list every exec and each descriptor that it inherited");
  command.add_option("--sarif", options.sarif, "write SARIF 2.1.0 to a file");
  command.add_option("--html", options.html, "write a timeline to a file");
  command.add_option("--seconds", options.seconds, "kill all followed processes, daemons too, after so many seconds");
  command.add_flag("--pass-status", options.pass_status, "the exit status is the program's own");
  command.add_flag("--json", options.json,
                   "one JSON object a line on standard output; the program's own output goes to standard error");
}

}  // namespace spawncheck::tool
