// SPDX-License-Identifier: MIT
#include "properties/tool/tool.h"

#include "model/scenario/mutate.h"
#include "properties/session/scheduled.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace spawncheck::tool {

namespace {

// A scenario with several threads gets a few interleavings, one without gets one.
constexpr unsigned runs_of_race = 4;

struct Counts {
  std::uint64_t runs = 0, by_status[5] = {};
  std::uint64_t replays = 0, same = 0, schedules = 0, diverged = 0;  // schedules: of which `diverged` gave another trace once or more
};

constexpr unsigned divergences_told = 5;

// The run just made, again and again by its turns. A trace that differs is told.
void replay(Session& session, Scenario scenario, unsigned times, Counts& counts) {
  scenario.schedule = turns_of(session.trace());
  if (scenario.schedule.size() > schedule_turns_max || session.history().end == SC_RUN_CUT) return;
  sc_policy policy = policy_of(Turns::strict);
  policy.results = 1;
  session.run_scheduled(scenario, policy);
  const auto first = std::make_unique<sc_trace>(session.trace());
  bool differs = false;
  for (unsigned i = 1; i <= times; ++i) {
    session.run_scheduled(scenario, policy);
    const std::string how = difference(*first, session.trace());
    ++counts.replays;
    counts.same += how.empty();
    if (how.empty() || differs) continue;
    differs = true;
    if (counts.diverged < divergences_told) fmt::print(stderr, "replay {} differs: {}\n{}", i, how, print(scenario));
  }
  ++counts.schedules;
  counts.diverged += differs;
}

std::string summary(const Counts& counts, double seconds) {
  return fmt::format("{} runs ({:.0f}/s): {} hold, {} inconclusive, {} unsupported, {} broken", counts.runs,
                     seconds > 0 ? static_cast<double>(counts.runs) / seconds : 0.0, counts.by_status[0], counts.by_status[2], counts.by_status[3],
                     counts.by_status[4]) +
         (counts.replays == 0 ? "" : fmt::format("; {} of {} replays gave the same trace, of {} schedules {} did not always", counts.same, counts.replays, counts.schedules, counts.diverged));
}

// The scenario under up to `runs_of_race` schedules: the first runs each task on, the others are random or by priorities
// with change points. A violation's scenario gets the schedule that shows it.
Verdict run_schedules(Session& session, Scenario& scenario, std::uint64_t seed, unsigned& used) {
  Verdict worst;
  scenario.schedule.clear();
  const unsigned runs = scenario.threads.size() > 1 ? runs_of_race : 1;
  unsigned steps = 0;
  for (used = 0; used < runs; ++used) {
    sc_policy policy = policy_of(Turns::lenient);
    if (used > 0) policy = used % 2 == 1 ? policy_of(Turns::lenient, SC_RULE_RANDOM, seed + used) : pct_policy(2 + used / 2 % 3, steps, seed + used);
    Verdict verdict = session.run_scheduled(scenario, policy);
    steps = std::max(steps, session.trace().step_count);
    if (used == 0 || is_worse(verdict.status, worst.status)) worst = std::move(verdict);
    if (worst.status != Status::violated) continue;
    ++used;
    scenario.schedule = turns_of(session.trace());
    break;
  }
  return worst;
}

int tell_violation(Session& session, const Scenario& scenario, const Verdict& verdict, std::uint64_t seed, unsigned used, const CheckOptions& options) {
  FindingOptions how;
  how.runs_per_try = used > 1 ? 20 : 1;
  Finding finding = make_finding(session, scenario, verdict, seed, how);
  std::string error;
  if (!options.save.empty() && save(finding, options.save, error).empty()) fmt::print(stderr, "spawncheck: {}\n", error);
  if (options.common.json) say_json(to_json(finding));
  else fmt::print("{}", report(finding));
  return exit_status(Status::violated);
}

}  // namespace

Scenario scenario_number(std::uint64_t seed, std::uint64_t i, const Session& session) {
  Random random(seed * 0x10001 + i);
  GenerateOptions options = session.generate_options();
  options.families = 1u << (i % family_count);
  Scenario scenario = generate(random, options);
  if (i / family_count % 3 == 2) scenario = mutate(scenario, random);
  return scenario;
}

int check(const CheckOptions& options) {
  int status = 0;
  const std::unique_ptr<Session> session = start_session(options.common, status);
  if (session == nullptr) return status;
  if (!options.common.json) {
    fmt::print("seed {}\n", options.common.seed);
    std::fflush(stdout);
  }
  if (options.is_lockstep) return check_in_lockstep(*session, options);
  const unsigned seconds = options.common.seconds == 0 && options.runs == 0 ? 10 : options.common.seconds;
  const Deadline deadline(seconds);
  const auto start = std::chrono::steady_clock::now();
  auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  Counts counts;
  for (std::uint64_t i = 0; !deadline.passed() && (options.runs == 0 || counts.runs < options.runs); ++i) {
    Scenario scenario = scenario_number(options.common.seed, i, *session);
    scenario.schedule.clear();
    const std::uint64_t seed = options.common.seed + i;
    unsigned used = 0;
    const Verdict verdict = options.is_scheduled ? run_schedules(*session, scenario, seed, used)
                                                 : session->run_until_violated(scenario, scenario.threads.size() > 1 ? runs_of_race : 1, seed, used);
    counts.runs += used;
    if (options.is_scheduled && options.replays != 0 && verdict.status != Status::violated) replay(*session, scenario, options.replays, counts);
    ++counts.by_status[static_cast<int>(verdict.status)];
    if (i % 64 == 0) say_progress(summary(counts, elapsed()));
    if (verdict.status == Status::violated) {
      say_progress("");
      if (!options.common.json) fmt::print("{}\n", summary(counts, elapsed()));
      return tell_violation(*session, scenario, verdict, seed, used, options);
    }
    if (verdict.status == Status::broken) {
      fmt::print(stderr, "spawncheck: broken: {}\n{}", verdict.observed, print(scenario));
      return exit_status(Status::broken);
    }
  }
  say_progress("");
  if (options.common.json) say_json({{"verdict", "holds"}, {"runs", counts.runs}, {"seed", options.common.seed}, {"implementation", options.common.implementation}, {"replays", counts.replays}, {"same_traces", counts.same}, {"diverged", counts.diverged}});
  else fmt::print("{}\n", summary(counts, elapsed()));
  return exit_status(Status::holds);
}

int matrix(const MatrixOptions& options) {
  std::vector<std::string> implementations = options.implementations;
  if (implementations.empty()) implementations = {"reference", "posix_spawn", "fork_exec", "canary"};
  const Deadline all(options.common.seconds);
  std::vector<std::vector<std::string>> cells(clause_count);
  for (const std::string& implementation : implementations) {
    Common common = options.common;
    common.implementation = implementation;
    int status = 0;
    const std::unique_ptr<Session> session = start_session(common, status);
    if (session == nullptr) return status;
    const Deadline deadline(std::max(1u, common.seconds / static_cast<unsigned>(implementations.size())));
    std::vector<unsigned> violated(clause_count), limits(clause_count);
    std::uint64_t runs = 0;
    for (std::uint64_t i = 0; !deadline.passed() && !all.passed(); ++i) {
      const Scenario scenario = scenario_number(common.seed, i, *session);
      const Verdict verdict = session->run(scenario, seed_of_run(common.seed + i, 1));
      ++runs;
      if (verdict.status == Status::violated) ++violated[static_cast<std::size_t>(*verdict.clause)];
      for (int c = 0; c < clause_count; ++c)
        if (verdict.status == Status::unsupported && verdict.observed.starts_with("a documented limit, " + std::string(name(static_cast<Clause>(c))) + ":"))
          ++limits[static_cast<std::size_t>(c)];
    }
    const Clauses owed = Clauses::promised_by(session->implementation().promises);
    for (int c = 0; c < clause_count; ++c) {
      const auto at = static_cast<std::size_t>(c);
      std::string cell = !owed.has(static_cast<Clause>(c)) ? "not promised" : violated[at] != 0 ? fmt::format("violated {}", violated[at]) : limits[at] != 0 ? "limit" : "holds";
      if (options.common.json) say_json({{"implementation", implementation}, {"clause", std::string(name(static_cast<Clause>(c)))}, {"result", cell}, {"runs", runs}});
      cells[at].push_back(std::move(cell));
    }
  }
  if (options.common.json) return 0;
  fmt::print("{:<26}", "clause");
  for (const std::string& implementation : implementations) fmt::print("{:<16}", implementation.substr(implementation.rfind('/') + 1));
  for (int c = 0; c < clause_count; ++c) {
    fmt::print("\n{:<26}", name(static_cast<Clause>(c)));
    for (const std::string& cell : cells[static_cast<std::size_t>(c)]) fmt::print("{:<16}", cell);
  }
  fmt::print("\n");
  return 0;
}

}  // namespace spawncheck::tool
