// SPDX-License-Identifier: MIT
#include "fuzz/kernel_target.h"

#include "fuzz/feedback.h"
#include "fuzz/target.h"
#include "properties/session/session.h"

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace spawncheck::fuzz {

namespace {

std::unique_ptr<Session> session;

}  // namespace

void start_session(const char* target) {
  SessionOptions options;
  options.implementation = setting("SPAWNCHECK_IMPLEMENTATION", "reference");
  options.timeout_ms = 2000;
  options.work_max = 50'000;
  std::string error;
  session = Session::start(options, error);
  if (session != nullptr) return;
  std::fprintf(stderr, "spawncheck: fuzz target %s: %s\n", target, error.c_str());
  std::exit(2);
}

void run_and_judge(const char* target, const Scenario& scenario, std::uint64_t seed) {
  const Verdict verdict = session->run(scenario, seed);
  note_history(scenario, session->history());
  note(static_cast<std::uint64_t>(verdict.status));
  if (verdict.status == Status::violated || verdict.status == Status::broken) finding(target, scenario, verdict);
}

}  // namespace spawncheck::fuzz
