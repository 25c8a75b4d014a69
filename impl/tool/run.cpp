// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "impl/schedules/faults.h"
#include "impl/session/running_kernel.h"
#include "impl/session/scheduled.h"
#include "impl/session/watch.h"
#include "impl/tool/machine_report.h"
#include "impl/tool/tool.h"

namespace spawncheck::tool {

namespace {

// An expected violation may come only in a race: its scenario gets so many runs.
constexpr unsigned runs_for_expected_race = 200;
// An unexpected violation of several threads is tried again with so many runs a try.
constexpr unsigned runs_of_race_per_try = 20;

// Returns the expectations that name this implementation or, if there are none, those that name no implementation.
// Leaves out those that name a kernel.
std::vector<const Expectation*> applying(const Scenario& scenario, const Session& session) {
  std::vector<const Expectation*> by_name, general;
  for (const Expectation& e : scenario.expectations) {
    if (!e.kernel.empty()) continue;  // an expectation of the model
    if (e.implementation.empty())
      general.push_back(&e);
    else if (e.implementation == session.options().implementation || e.implementation == session.implementation().name)
      by_name.push_back(&e);
  }
  return by_name.empty() ? general : by_name;
}

bool is_met(const Expectation& e, const Verdict& v) {
  const std::optional<Clause> clause = clause_named(e.clause);
  return e.status == v.status && (e.clause.empty() || (clause && v.violates(*clause)));
}

// Returns true if the verdict is a documented limit of the reference, and the file says that a strategy has it
// ("violated fd.untouched by reference:staged"). Which strategy a free run takes is the reference's choice, and whether
// another thread meets the limit is chance.
bool is_limit_of_a_strategy(const Scenario& scenario, const Session& session, const Verdict& v) {
  if (!v.is_limited()) return false;
  const std::string of = session.options().implementation + ":", &forced = session.options().strategy;
  const auto says_so = [&](const Expectation& e) {
    const std::optional<Clause> clause = clause_named(e.clause);
    return e.status == Status::violated && e.implementation.starts_with(of) &&
           (forced.empty() || e.implementation == of + forced) && clause && v.is_within_limit(*clause);
  };
  return std::any_of(scenario.expectations.begin(), scenario.expectations.end(), says_so);
}

std::string text_of(const Expectation& e) {
  return std::string(name(e.status)) + (e.clause.empty() ? "" : " " + e.clause);
}

struct Outcome {
  Verdict verdict;
  bool expected = false;  // an expectation that applies is met, or is_limit_of_a_strategy()
  bool unexpected = false;
  bool is_scheduled = false;
  std::optional<Finding> finding;  // of a violation

  bool is_suspected() const { return finding && finding->is_suspected(); }
};

constexpr unsigned seconds_of_tries_max = 10;

// Tries a violation again, to see whether it comes back; not if it was expected, or if --fault injected a fault.
Finding tried_again(Session& session, const Scenario& scenario, const Outcome& o, const RunOptions& options,
                    const Deadline& deadline) {
  Scenario shown = scenario;
  if (o.is_scheduled) shown.schedule = turns_of(session.trace());
  FindingOptions how;
  how.is_only_tried = true;
  how.runs_per_try = scenario.threads.size() > 1 ? std::max(options.runs, runs_of_race_per_try) : 1;
  how.seconds_max = seconds_of_tries_max;
  how.is_over = [&] { return deadline.passed(); };
  if (o.expected || !options.fault.empty() || shown.schedule.size() > schedule_turns_max) how.confirm_tries = 0;
  Finding f = make_finding(session, shown, o.verdict, options.common.seed, how);
  f.scenario = scenario;
  return f;
}

sc_policy scheduled_policy(const RunOptions& options) {
  sc_policy policy = policy_of(Turns::strict);
  policy.results = options.trace;
  if (const auto fault = fault_named(options.fault)) policy.fault = *fault;
  return policy;
}

// Makes a scheduled run if the scenario has a schedule or a fault, or with --trace or --fault; else free runs.
Outcome run_scenario(Session& session, const Scenario& scenario, const RunOptions& options) {
  Outcome outcome;
  const auto expectations = applying(scenario, session);
  const bool waits_for_violation =
      std::any_of(expectations.begin(), expectations.end(), [](auto* e) { return e->status == Status::violated; });
  unsigned runs = std::max(options.runs, 1u), used = 0;
  if (waits_for_violation) runs = std::max(runs, runs_for_expected_race);
  outcome.is_scheduled = is_scheduled(scenario) || options.trace || !options.fault.empty();
  session.watch_memory(true);
  outcome.verdict = outcome.is_scheduled ? session.run_scheduled(scenario, scheduled_policy(options))
                                         : session.run_until_violated(scenario, runs, options.common.seed, used);
  outcome.expected =
      std::any_of(expectations.begin(), expectations.end(), [&](auto* e) { return is_met(*e, outcome.verdict); }) ||
      is_limit_of_a_strategy(scenario, session, outcome.verdict);
  outcome.unexpected = !expectations.empty() && outcome.verdict.status != Status::unsupported && !outcome.expected;
  return outcome;
}

// What was read from standard input can only be replayed from its text.
Finding in_file(Finding finding, const std::string& file) {
  if (file != "-") finding.file = file;
  return finding;
}

void tell(const std::string& file, const Scenario& scenario, const Outcome& o, Session& session,
          const RunOptions& options) {
  if (options.common.json) {
    nlohmann::json object = verdict_json(o.verdict, session, scenario);
    object["file"] = file;
    object["expected"] = o.expected;
    if (o.finding) {
      const Finding f = in_file(*o.finding, file);
      object.update(to_json(f));
    }
    return say_json(object);
  }
  const std::string clause = o.verdict.clause ? " " + std::string(name(*o.verdict.clause)) : "";
  std::string note;
  if (o.expected) note = ", as expected";
  if (o.unexpected) note = ", expected " + text_of(*applying(scenario, session).front());
  if (o.is_suspected())
    note = fmt::format(", seen once, reproduces in 0 of {} tries; --json prints the whole history", o.finding->tries);
  fmt::print("{}: {}{}{}\n", file, o.is_suspected() ? "suspected" : name(o.verdict.status), clause, note);
  if (o.verdict.status == Status::holds) return;
  fmt::print("  observed: {}\n", o.verdict.observed);
  if (!o.verdict.allowed.empty()) fmt::print("  allowed:  {}\n", o.verdict.allowed);
  if (!o.verdict.rule.empty()) fmt::print("  rule:     {}\n", o.verdict.rule);
  for (const Breach& b : o.verdict.also)
    fmt::print("  also violated, {}: {}\n    allowed:  {}\n    rule:     {}\n", name(b.clause), b.observed, b.allowed,
               b.rule);
  if (o.verdict.status == Status::violated) fmt::print("{}", kernel_line());
}

Status counts_as(const Outcome& o) {
  return o.expected         ? Status::holds
         : o.is_suspected() ? Status::inconclusive
         : o.unexpected     ? Status::violated
                            : o.verdict.status;
}

CaseOutcome outcome_of(const Outcome& o) {
  switch (counts_as(o)) {
    case Status::holds:
      return CaseOutcome::passed;
    case Status::violated:
      return CaseOutcome::failed;
    case Status::broken:
      return CaseOutcome::broken;
    case Status::inconclusive:
    case Status::unsupported:
      break;
  }
  return o.verdict.is_limited() ? CaseOutcome::passed : CaseOutcome::skipped;
}

// Adds a scenario to the machine reports.
void add_to(MachineReport& to, const std::string& file, const Scenario& scenario, const Outcome& o,
            const Session& session, double seconds) {
  JUnitCase c;
  c.name = file;
  c.seconds = seconds;
  c.outcome = outcome_of(o);
  const std::string said = fmt::format("{}: {}", name(o.verdict.status), o.verdict.observed);
  const bool is_shown = o.finding && c.outcome != CaseOutcome::passed;
  if (is_shown) {
    const Finding f = in_file(*o.finding, file);
    c.text = report(f);
    c.message = first_line(c.text);
    to.add_finding(f);
  } else if (c.outcome == CaseOutcome::failed) {
    c.message = c.text = fmt::format("expected {}, not {}", text_of(*applying(scenario, session).front()), said);
    to.add_unmet(file, c.text);
  } else if (c.outcome == CaseOutcome::broken) {
    c.message = c.text = said;
    to.note_broken(file + ": " + said);
  } else if (c.outcome == CaseOutcome::skipped) {
    c.message = c.text = said;
    to.note_undecided(file + ": " + said);
  }
  for (const DocumentedLimit& l : o.verdict.limits)
    to.note(fmt::format("{}: {}: within a documented limit: {} ({})", file, name(l.clause), l.what, l.source));
  to.add_case(c);
}

void add_not_run(MachineReport& to, const std::string& file) {
  JUnitCase c;
  c.name = file;
  c.outcome = CaseOutcome::skipped;
  c.message = "not run: the time was over";
  to.note_undecided(file + ": " + c.message);
  to.add_case(c);
}

}  // namespace

int run(const RunOptions& options) {
  int status = 0;
  if (!can_be_written(options.reports)) return exit_usage;
  std::vector<Scenario> scenarios;
  for (const std::string& file : options.files) {  // all are read before any is run
    std::optional<Scenario> scenario = read_scenario(file, status);
    if (!scenario) return status;
    scenarios.push_back(*std::move(scenario));
  }
  if (!options.fault.empty() && !fault_named(options.fault)) {
    fmt::print(stderr, "spawncheck: --fault: expected WHAT@THREAD.OPERATION.CALL, as in EMFILE@0.0.3, not '{}'\n",
               options.fault);
    return exit_usage;
  }
  const std::unique_ptr<Session> session = start_session(options.common, status);
  if (session == nullptr) return status;
  const Deadline deadline(options.common.seconds);
  MachineReport reports(options.reports, *session, options.common, "run", "files");
  Status worst = Status::holds;
  std::size_t empty = 0;  // lockstep: runs with nothing to compare; they count when there are no others
  Status worst_empty = Status::unsupported;
  for (std::size_t i = 0; i < scenarios.size(); ++i) {
    if (deadline.passed()) {
      fmt::print(stderr, "spawncheck: {} of {} scenarios were not run\n", scenarios.size() - i, scenarios.size());
      if (is_worse(Status::inconclusive, worst)) worst = Status::inconclusive;
      for (std::size_t left = i; left < scenarios.size(); ++left) add_not_run(reports, options.files[left]);
      break;
    }
    if (options.watch) {
      const Watched watched = watch(*session, scenarios[i]);
      fmt::print("{}:\n{}", options.files[i], report(watched, session->trace()));
      const Status counts = watched.status != Status::holds                 ? watched.status
                            : watched.touched || !watched.elsewhere.empty() ? Status::violated
                                                                            : Status::holds;
      if (is_worse(counts, worst)) worst = counts;
      continue;
    }
    if (options.lockstep) {
      const LockstepVerdict v = run_in_lockstep(*session, scenarios[i], options.files[i], options.snapshot_every);
      Status& of_kind = v.is_empty ? worst_empty : worst;
      empty += v.is_empty;
      if (is_worse(v.status, of_kind)) of_kind = v.status;
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    Outcome outcome = run_scenario(*session, scenarios[i], options);
    if (outcome.is_scheduled && session->history().end == SC_RUN_MISLED) {
      fmt::print(stderr, "{}: {}\n", options.files[i], bad_turn_text(scenarios[i], session->trace()));
      return exit_usage;
    }
    if (options.trace && !options.common.json) fmt::print("{}", trace_text(session->trace()));
    if (outcome.is_scheduled && session->history().end == SC_RUN_BLOCKED && !options.common.json)
      fmt::print("deadlock: {}\n", states_text(session->trace()));
    if (outcome.verdict.status == Status::violated)
      outcome.finding = tried_again(*session, scenarios[i], outcome, options, deadline);
    tell(options.files[i], scenarios[i], outcome, *session, options);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    add_to(reports, options.files[i], scenarios[i], outcome, *session, took.count());
    if (is_worse(counts_as(outcome), worst)) worst = counts_as(outcome);
  }
  if (empty == scenarios.size()) worst = worst_empty;
  return reports.write(exit_status(worst));
}

int shrink(const ShrinkOptions& options) {
  int status = 0;
  const Deadline deadline(options.common.seconds);
  const std::optional<Scenario> scenario = read_scenario(options.file, status);
  if (!scenario) return status;
  const std::unique_ptr<Session> session = start_session(options.common, status);
  if (session == nullptr) return status;
  unsigned used = 0;
  const bool by_schedule = is_scheduled(*scenario);
  const Verdict verdict = by_schedule
                              ? session->run_scheduled(*scenario, policy_of(Turns::strict))
                              : session->run_until_violated(*scenario, std::max(options.runs, 50u), options.common.seed,
                                                            used, [&] { return deadline.passed(); });
  if (by_schedule && session->history().end == SC_RUN_MISLED) {
    fmt::print(stderr, "{}: {}\n", options.file, bad_turn_text(*scenario, session->trace()));
    return exit_usage;
  }
  if (verdict.status != Status::violated) {
    fmt::print(stderr, "spawncheck: {}: {}: there is nothing to shrink\n", options.file, name(verdict.status));
    return verdict.status == Status::holds ? exit_status(Status::inconclusive) : exit_status(verdict.status);
  }
  FindingOptions how;
  how.runs_per_try = std::max(options.runs, used > 1 ? 4 * used : 1);
  how.is_over = [&] { return deadline.passed(); };
  if (options.common.seconds != 0) how.seconds_max = options.common.seconds;
  Finding finding = make_finding(*session, *scenario, verdict, options.common.seed, how);
  std::string error;
  if (!options.save.empty() && save(finding, options.save, error).empty()) {
    fmt::print(stderr, "spawncheck: {}\n", error);
    return exit_status(Status::broken);
  }
  if (options.common.json)
    say_json(to_json(finding));
  else
    fmt::print("{}", report(finding));
  return exit_status(finding.is_suspected() ? Status::inconclusive : Status::violated);
}

}  // namespace spawncheck::tool
