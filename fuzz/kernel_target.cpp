// SPDX-License-Identifier: MIT
#include "fuzz/kernel_target.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "fuzz/pairs.h"
#include "fuzz/target.h"
#include "impl/schedules/search/guided.h"
#include "impl/schedules/search/walks.h"
#include "impl/session/finding.h"
#include "impl/session/scheduled.h"

namespace spawncheck::fuzz {

namespace {

std::unique_ptr<Session> session;

constexpr unsigned runs_per_try_of_race = 20, seconds_of_tries_max = 10;

// Returns true for a violation that no retry reproduces. It is no finding, since its input would not fail again: it
// is reported, saved to $SPAWNCHECK_SAVE, and the fuzzer continues.
bool is_suspected(const Scenario& scenario, const Verdict& verdict, std::uint64_t seed) {
  FindingOptions how;
  how.runs_per_try = scenario.threads.size() > 1 ? runs_per_try_of_race : 1;
  how.seconds_max = seconds_of_tries_max;
  how.is_only_tried = true;
  Finding f = make_finding(*session, scenario, verdict, seed, how);
  if (!f.is_suspected()) return false;
  std::string error;
  const std::string directory(setting("SPAWNCHECK_SAVE", ""));
  if (!directory.empty() && save(f, directory, error).empty()) std::fprintf(stderr, "spawncheck: %s\n", error.c_str());
  std::fprintf(stderr, "%s", report(f).c_str());
  return true;
}

void judge(const char* target, const Scenario& scenario, const Verdict& verdict, std::uint64_t seed) {
  if (verdict.status == Status::violated && is_suspected(scenario, verdict, seed)) return;
  if (verdict.status == Status::violated || verdict.status == Status::broken) finding(target, scenario, verdict);
}

}  // namespace

void start_session(const char* target) {
  SessionOptions options;
  options.implementation = setting("SPAWNCHECK_IMPLEMENTATION", "reference");
  options.timeout_ms = 2000;
  options.work_max = 50'000;
  std::string error;
  session = Session::start(options, error);
  if (session != nullptr && share_pairs()) return;
  if (session != nullptr) error = std::string("SPAWNCHECK_PAIRS: ") + std::strerror(errno);
  std::fprintf(stderr, "spawncheck: fuzz target %s: %s\n", target, error.c_str());
  std::exit(2);
}

void run_and_judge(const char* target, const Scenario& scenario, std::uint64_t seed) {
  const Verdict verdict = session->run(scenario, seed);
  note_pairs(scenario, session->history());
  judge(target, scenario, verdict, seed);
}

void run_scheduled_and_judge(const char* target, const Scenario& scenario, std::uint64_t seed) {
  PosWalk walk;
  const Verdict verdict = run_guided(*session, scenario, walk, {seed});
  note_pairs(scenario, session->history());
  Scenario as_run = scenario;
  if (verdict.status == Status::violated) as_run.schedule = turns_of(session->trace());
  judge(target, as_run, verdict, seed);
}

}  // namespace spawncheck::fuzz
