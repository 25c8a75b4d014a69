// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "impl/session/finding.h"
#include "impl/session/running_kernel.h"
#include "impl/session/scheduled.h"
#include "impl/tool/tool.h"
#include "model/scenario/shrink.h"

namespace spawncheck::tool {

namespace {

constexpr unsigned shrink_tries_max = 2000;

struct Totals {
  std::uint64_t runs = 0, steps = 0, checked = 0, snapshots = 0, ended_early = 0;
  std::uint64_t by_status[5] = {};               // of runs
  std::map<std::string, std::uint64_t> unknown;  // what the model cannot express: how many runs ended there
  std::string why;                               // why the first run that does not agree does not

  std::uint64_t of(Status s) const { return by_status[static_cast<int>(s)]; }
  void add(const lockstep::Comparison& c, const LockstepVerdict& v) {
    ++runs;
    ++by_status[static_cast<int>(v.status)];
    if (!v.why.empty() && why.empty()) why = v.why;
    steps += c.steps;
    checked += c.checked;
    snapshots += c.snapshots;
    ended_early += !c.unknown.empty();
    if (!c.unknown.empty()) ++unknown[c.unknown];
  }
};

sc_policy policy_with(Turns turns, sc_rule rule, std::uint64_t seed, unsigned snapshot_every) {
  sc_policy policy = policy_of(turns, rule, seed);
  policy.snapshot_every = snapshot_every;
  return policy;
}

std::string told(const lockstep::Disagreement& d, const sc_trace& trace) {
  return fmt::format("step {}: {}\n  the kernel: {}\n  the model:  {}\n{}", d.step + 1, step_text(trace, d.step),
                     d.kernel, d.model, kernel_line());
}

std::string summary(const Totals& t, double seconds) {
  return fmt::format(
      "{} runs ({:.0f}/s): {} agree, {} inconclusive, {} unsupported, {} broken; {} steps, {} predicted and {} "
      "snapshots agree; {} ended early",
      t.runs, seconds > 0 ? static_cast<double>(t.runs) / seconds : 0.0, t.of(Status::holds),
      t.of(Status::inconclusive), t.of(Status::unsupported), t.of(Status::broken), t.steps, t.checked, t.snapshots,
      t.ended_early);
}

// The whole agrees only if some run agrees.
Status whole(const Totals& t) {
  if (t.of(Status::violated) != 0) return Status::violated;
  if (t.of(Status::broken) != 0) return Status::broken;
  if (t.of(Status::holds) != 0) return Status::holds;
  return t.of(Status::inconclusive) != 0 || t.runs == 0 ? Status::inconclusive : Status::unsupported;
}

// Shrinks a scenario while its run disagrees: by its turns as far as they go, then each task runs on. Its last run is
// one of the result.
Scenario smallest(Session& session, Scenario scenario, unsigned snapshot_every, const Deadline& deadline) {
  const sc_policy policy = policy_with(Turns::lenient, SC_RULE_RUN_ON, 1, snapshot_every);
  const auto disagrees = [&](const Scenario& s) {
    return !deadline.passed() && session.run_lockstep(s, policy).disagreement.has_value();
  };
  if (!disagrees(scenario)) return scenario;
  scenario = shrink(std::move(scenario), disagrees, shrink_tries_max);
  session.run_lockstep(scenario, policy);
  return scenario;
}

}  // namespace

LockstepVerdict run_in_lockstep(Session& session, const Scenario& scenario, const std::string& file,
                                unsigned snapshot_every) {
  const lockstep::Comparison c =
      session.run_lockstep(scenario, policy_with(Turns::lenient, SC_RULE_RUN_ON, 1, snapshot_every));
  const LockstepVerdict v = lockstep_verdict(c, session.history());
  if (c.disagreement)
    fmt::print("{}: the model and the kernel disagree\n{}", file, told(*c.disagreement, session.trace()));
  else if (v.status != Status::holds)
    fmt::print("{}: {}: {}\n", file, name(v.status), v.why);
  if (v.status != Status::holds) return v;
  fmt::print("{}: agrees: {} steps, {} predicted, {} snapshots{}\n", file, c.steps, c.checked, c.snapshots,
             c.unknown.empty() ? "" : "; ended at " + c.unknown);
  return v;
}

namespace {

nlohmann::json json_of(const Totals& totals, const Common& common) {
  return {{"verdict", whole(totals) == Status::holds ? "agrees" : std::string(name(whole(totals)))},
          {"why", totals.why},
          {"runs", totals.runs},
          {"agree", totals.of(Status::holds)},
          {"inconclusive", totals.of(Status::inconclusive)},
          {"unsupported", totals.of(Status::unsupported)},
          {"broken", totals.of(Status::broken)},
          {"steps", totals.steps},
          {"checked", totals.checked},
          {"snapshots", totals.snapshots},
          {"unknown", totals.unknown},
          {"seed", common.seed},
          {"implementation", common.implementation}};
}

std::string lockstep_replay(const Scenario& scenario, const CheckOptions& options) {
  return run_command(options.common.implementation, options.common.strategy,
                     fmt::format(" --lockstep --snapshots {}", options.snapshot_every), scenario);
}

// Prints the disagreement of the session's last run, and a smaller scenario that replays it.
void tell_disagreement(Session& session, Scenario scenario, const lockstep::Disagreement& d, const Totals& totals,
                       double seconds, const CheckOptions& options, const Deadline& deadline) {
  const std::string call = step_text(session.trace(), d.step);
  if (!options.common.json)
    fmt::print("{}\nthe model and the kernel disagree\n{}", summary(totals, seconds), told(d, session.trace()));
  scenario.schedule = turns_of(session.trace());
  const std::string replay = lockstep_replay(smallest(session, scenario, options.snapshot_every, deadline), options);
  if (!options.common.json) return fmt::print("replay:\n{}\n", replay);
  nlohmann::json object = json_of(totals, options.common);
  object.update({{"step", d.step + 1},
                 {"call", call},
                 {"observed", d.kernel},
                 {"allowed", d.model},
                 {"kernel", kernel_release()},
                 {"behaviours", behaviours_text()},
                 {"replay", replay}});
  say_json(object);
}

}  // namespace

int check_in_lockstep(Session& session, const CheckOptions& options) {
  const Deadline deadline(options.common.seconds == 0 && options.runs == 0 ? 10 : options.common.seconds);
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  GenerateOptions generated = session.generate_options();
  generated.own_descriptors |= options.own_descriptors;
  Totals totals;
  for (std::uint64_t i = 0;
       totals.of(Status::broken) == 0 && !deadline.passed() && (options.runs == 0 || i < options.runs); ++i) {
    Scenario scenario = scenario_number(options.common.seed, i, generated);
    scenario.schedule.clear();
    const sc_policy policy = policy_with(Turns::lenient, i % 4 == 0 ? SC_RULE_RUN_ON : SC_RULE_RANDOM,
                                         options.common.seed + i, options.snapshot_every);
    const lockstep::Comparison c = session.run_lockstep(scenario, policy);
    totals.add(c, lockstep_verdict(c, session.history()));
    if (i % 64 == 0) say_progress(summary(totals, elapsed()));
    if (!c.disagreement) continue;
    say_progress("");
    tell_disagreement(session, std::move(scenario), *c.disagreement, totals, elapsed(), options, deadline);
    return exit_status(Status::violated);
  }
  say_progress("");
  if (options.common.json) {
    say_json(json_of(totals, options.common));
  } else {
    fmt::print("{}\n", summary(totals, elapsed()));
    for (const auto& [what, count] : totals.unknown) fmt::print("  {} ended at {}\n", count, what);
    if (whole(totals) != Status::holds)
      fmt::print("{}: {}\n", name(whole(totals)),
                 totals.runs == 0 ? "no run was made" : "no run was compared; the first: " + totals.why);
  }
  return exit_status(whole(totals));
}

}  // namespace spawncheck::tool
