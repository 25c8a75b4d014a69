// SPDX-License-Identifier: MIT
//
// A violation, made small, made sure, and told.
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
  unsigned run = 0;  // of the runs from that seed on, the one that showed it first: seed_of_run(seed, run)
  unsigned tries = 0, violations = 0;  // how often it reproduces
  unsigned runs_per_try = 1;           // a try ends at the first run that violates
  bool is_scheduled = false;           // found and replayed by a schedule: the scenario's, its rest run on
  unsigned same_traces = 0;            // of the tries: those with the first one's trace
  bool is_cut_short = false;           // the time was over before all tries were made
  std::string file;                    // where the scenario is stored; empty: in the report only
  std::string evidence_file;           // where the evidence is stored; empty: nowhere
  Evidence evidence;                   // of the last run that violated

  // Seen once and in no try since. It is no accusation: it counts as inconclusive, beside everything that may explain
  // it.
  bool is_suspected() const { return tries > 0 && violations == 0; }
};

struct FindingOptions {
  unsigned run = 0;  // Finding::run
  unsigned shrink_tries_max = 400;
  unsigned runs_per_try = 1;  // free races are repeated
  unsigned confirm_tries = 20;
  unsigned seconds_max = 30;   // of the whole, on a usual machine (slowness.h)
  bool is_only_tried = false;  // the first try that violates ends it, and nothing is made smaller
  // Which violations of the clause are this one; empty: all.
  std::function<bool(const Scenario&, const Breach&)> is_wanted;
  std::function<bool()> is_over;  // ends it earlier; may be empty. One try is made in any case
};

// Of a violation that the session's last run showed. First it is tried again: what does not come back in confirm_tries
// is suspected and stays as it is. The rest is shrunk while the same clause is violated, then run again and counted. A
// scenario with a schedule is run by it; the schedule is made small as well.
Finding make_finding(Session&, const Scenario&, const Verdict&, std::uint64_t seed, const FindingOptions& = {});

// Constant text first, data after; ends with the command that replays it.
std::string report(const Finding&);
std::string replay_command(const Finding&);
nlohmann::json also_json(const Verdict&);    // what a run violated besides, a list
nlohmann::json limits_json(const Verdict&);  // what it violated within documented limits, a list
nlohmann::json to_json(const Finding&);      // a suspected one with its evidence

// Writes a scenario file with its source and what it shows: directory/CLAUSE-HASH.scenario. Of a suspected one,
// directory/suspected-CLAUSE-HASH.scenario without an expectation, and the evidence beside it as .json. Empty on
// failure, with `error` saying why.
std::string save(Finding&, const std::string& directory, std::string& error);

std::string kernel_release();
// "  kernel 6.18.44: exec-closes-before-wake no, ...": a line of every report.
std::string kernel_line();
std::string libc_version();

}  // namespace spawncheck
