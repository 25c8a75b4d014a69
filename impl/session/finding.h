// SPDX-License-Identifier: MIT
//
// A violation: confirmed, shrunk and reported.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "impl/session/evidence.h"

namespace spawncheck {

struct Finding {
  Scenario scenario;
  Verdict verdict;
  std::string implementation, strategy;
  std::string kernel, libc;  // of this machine
  std::string behaviours;    // of this kernel: running_kernel.h
  std::uint64_t seed = 0;
  unsigned run = 0;                    // the run that showed it first; its seed is seed_of_run(seed, run)
  unsigned tries = 0, violations = 0;  // `violations` of the tries reproduced it
  unsigned runs_per_try = 1;           // a try ends at the first run that violates
  bool is_scheduled = false;           // found and replayed by the scenario's schedule; then each task runs on
  unsigned same_traces = 0;            // tries with the trace of the first try, itself included
  bool is_cut_short = false;           // the time was over before all tries were made
  std::string file;                    // where the scenario is stored; empty: in the report only
  std::string evidence_file;           // where the evidence is stored; empty: nowhere
  Evidence evidence;                   // of the last run that violated

  // Returns true if it was seen once and in no try since. It accuses nobody: it counts as inconclusive and is reported
  // with its evidence.
  bool is_suspected() const { return tries > 0 && violations == 0; }
};

struct FindingOptions {
  unsigned run = 0;  // Finding::run
  unsigned shrink_tries_max = 400;
  unsigned runs_per_try = 1;  // free races are repeated
  unsigned confirm_tries = 20;
  unsigned seconds_max = 30;   // of the whole, on a usual machine (slowness.h)
  bool is_only_tried = false;  // the first try that violates ends the tries, and nothing is shrunk
  // Returns true if a violation of the clause counts as this one; empty: each does.
  std::function<bool(const Scenario&, const Breach&)> is_wanted;
  std::function<bool()> is_over;  // returns true to end it earlier; may be empty. The first try is made in any case
};

// Makes a finding of a violation that the session's last run showed. First tries the scenario again: a violation that
// does not come back in confirm_tries tries is suspected and not shrunk. Otherwise shrinks the scenario while it
// violates the same clause, then tries the result again and counts. A scenario with a schedule runs by it, and the
// schedule is shrunk too.
Finding make_finding(Session&, const Scenario&, const Verdict&, std::uint64_t seed, const FindingOptions& = {});

// Constant text first, data after; ends with the command that replays it.
std::string report(const Finding&);
std::string replay_command(const Finding&);

// Returns the command `spawncheck run` for an implementation, by a strategy if one is forced, with further options and
// the scenario as its input.
std::string run_command(const std::string& implementation, const std::string& strategy, const std::string& options,
                        const Scenario&);
nlohmann::json also_json(const Verdict&);    // the other breaches of a run, a list
nlohmann::json limits_json(const Verdict&);  // the documented limits that cover breaches of a run, a list
nlohmann::json to_json(const Finding&);      // a suspected one with its evidence

// Writes directory/CLAUSE-HASH.scenario, with comments that say where it comes from and what it shows. For a suspected
// finding writes directory/suspected-CLAUSE-HASH.scenario without an expectation, and its evidence beside it as .json.
// Returns the scenario's path; empty on failure, and `error` says why.
std::string save(Finding&, const std::string& directory, std::string& error);

std::string kernel_release();
// "  kernel 6.18.44: exec-closes-before-wake no, ...": a line of every report.
std::string kernel_line();
std::string libc_version();

}  // namespace spawncheck
