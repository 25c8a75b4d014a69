// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "impl/report/whole_file.h"
#include "impl/schedules/faults.h"
#include "impl/schedules/sample.h"
#include "impl/session/scheduled.h"
#include "impl/tool/tool.h"

namespace spawncheck::tool {

namespace {

constexpr double wanted_miss = 0.01;

std::string head(const SearchResult& r, const SchedulesOptions& o) {
  if (o.search != "exhaustive") return fmt::format("{}: {} schedules", o.search, r.schedules);
  return fmt::format("{}: {} schedules, {} pruned{}", r.is_complete ? "complete" : "incomplete", r.schedules, r.pruned,
                     o.preemptions != ~0u ? fmt::format(", at most {} preemptions", o.preemptions)
                     : o.unreduced        ? ", not reduced"
                                          : "");
}

void tell(const SearchResult& r, const SchedulesOptions& o, Status whole, double seconds) {
  const double bound = pct_bound(r.tasks, r.steps, o.depth);
  if (o.common.json) {
    nlohmann::json object = {{"search", o.search},
                             {"schedules", r.schedules},
                             {"pruned", r.pruned},
                             {"complete", r.is_complete},
                             {"tasks", r.tasks},
                             {"steps", r.steps},
                             {"diverged", r.diverged},
                             {"seconds", seconds},
                             {"implementation", o.common.implementation},
                             {"seed", o.common.seed},
                             {"verdict", std::string(name(whole))}};
    if (o.search == "pct")
      object.update({{"n", r.tasks},
                     {"k", r.steps},
                     {"d", o.depth},
                     {"bound", bound},
                     {"runs_for_miss", runs_for_miss(bound, wanted_miss)}});
    return say_json(object);
  }
  fmt::print("{} ({:.0f}/s), {} tasks, {} steps: {} hold, {} violated, {} inconclusive, {} unsupported\n", head(r, o),
             seconds > 0 ? static_cast<double>(r.schedules) / seconds : 0.0, r.tasks, r.steps, r.by_status[0],
             r.by_status[1], r.by_status[2], r.by_status[3]);
  if (r.diverged != 0) fmt::print("{} runs did not follow their turns\n", r.diverged);
  if (o.search == "pct")
    fmt::print(
        "pct: n = {} tasks, k = {} steps, d = {}: a bug of this depth is shown with probability 1/(n k^(d-1)) = {:.3g} "
        "a run or more; "
        "{:.0f} runs miss it with {}% at most\n",
        r.tasks, r.steps, o.depth, bound, runs_for_miss(bound, wanted_miss), wanted_miss * 100);
}

// Returns the text of a file; nullopt if the file cannot be opened.
std::optional<std::string> text_in(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Writes the file whole or not at all: the old one stays until the new one is written.
bool replace_file(const std::string& path, const std::string& text) {
  std::string error;
  if (write_whole(path, text, error)) return true;
  fmt::print(stderr, "spawncheck: {}\n", error);
  return false;
}

int exhaustive(Session& session, const Scenario& scenario, const SchedulesOptions& options, const SearchLimits& limits,
               SearchResult& result) {
  ExhaustiveSearch search(session, scenario, limits);
  if (const auto text = options.checkpoint.empty() ? std::nullopt : text_in(options.checkpoint)) {
    if (const std::string wrong = search.load(*text); !wrong.empty()) {
      fmt::print(stderr, "spawncheck: {}: {}\n", options.checkpoint, wrong);
      return exit_usage;
    }
  }
  result = search.run();
  if (!options.checkpoint.empty() && !result.violation && !replace_file(options.checkpoint, search.checkpoint()))
    return exit_status(Status::broken);
  return 0;
}

// undecided: the worst of the broken and unsupported runs, and of why the search could not go on. An unsupported run
// counts only if all are.
Status whole_of(const SearchResult& r, const SchedulesOptions& o, const std::optional<Verdict>& undecided) {
  const auto of = [&](Status s) { return r.by_status[static_cast<int>(s)]; };
  if (r.violation && r.violation->status == Status::violated) return Status::violated;
  const bool is_decided = of(Status::holds) != 0 || of(Status::inconclusive) != 0;
  if (undecided && (undecided->status != Status::unsupported || !is_decided)) return undecided->status;
  const bool is_short =
      r.schedules == 0 || (o.search == "exhaustive" && !r.is_complete) || of(Status::inconclusive) != 0;
  return is_short ? Status::inconclusive : Status::holds;
}

// Without a violation, the whole holds only if some run held.
Status whole(const FaultResult& r) {
  const auto of = [&](Status s) { return r.by_status[static_cast<int>(s)]; };
  if (r.violation) return Status::violated;
  if (of(Status::broken) != 0) return Status::broken;
  if (of(Status::holds) != 0) return Status::holds;
  return of(Status::unsupported) != 0 && of(Status::inconclusive) == 0 ? Status::unsupported : Status::inconclusive;
}

// Returns the finding for the scenario with the fault that shows it and, if a schedule matters, with the run's turns.
Finding finding_of(Session& session, const Scenario& scenario, const FaultResult& r, const SchedulesOptions& options) {
  Scenario shown = scenario;
  if (r.fault.kind != SC_FAULT_NONE) shown.fault = r.fault;
  if (r.fault.kind == SC_FAULT_NONE || !scenario.schedule.empty()) shown.schedule = turns_of(session.trace());
  FindingOptions how;
  how.is_only_tried = true;
  Finding finding = make_finding(session, shown, *r.violation, options.common.seed, how);
  std::string error;
  if (!options.save.empty() && save(finding, options.save, error).empty())
    fmt::print(stderr, "spawncheck: {}\n", error);
  return finding;
}

int faults(Session& session, const Scenario& scenario, const SchedulesOptions& options, SearchLimits limits) {
  std::map<std::string, unsigned> reasons;  // of what neither holds nor is violated
  const auto after_run = limits.after_run;
  limits.after_run = [&](const Scenario& s, const Session& in, const Verdict& v) {
    if (v.status == Status::inconclusive || v.status == Status::unsupported) ++reasons[v.observed];
    after_run(s, in, v);
  };
  const FaultResult r = inject_faults(session, scenario, limits);
  if (options.common.json)
    say_json({{"search", "faults"},
              {"runs", r.runs},
              {"happened", r.happened},
              {"verdict", std::string(name(whole(r)))},
              {"implementation", options.common.implementation}});
  else
    fmt::print("faults: {} runs, the fault happened in {}: {} hold, {} violated, {} inconclusive, {} unsupported\n",
               r.runs, r.happened, r.by_status[0], r.by_status[1], r.by_status[2], r.by_status[3]);
  if (!options.common.json)
    for (const auto& [reason, count] : reasons) fmt::print("  {} times: {}\n", count, reason);
  if (!r.violation) return exit_status(whole(r));
  const Finding finding = finding_of(session, scenario, r, options);
  const std::string replay = replay_command(finding);
  if (options.common.json) {
    nlohmann::json object = verdict_json(*r.violation, session, finding.scenario);
    object.update({{"fault", print(r.fault)}, {"schedule", print(scenario.schedule)}, {"replay", replay}});
    say_json(object);
  } else {
    fmt::print("violated {}: {}\n  after {}\n  observed: {}\n  allowed:  {}\n  rule:     {}\n{}  replay:\n{}\n",
               name(*r.violation->clause), meaning(*r.violation->clause),
               r.fault.kind == SC_FAULT_NONE ? "no fault" : print(r.fault), r.violation->observed, r.violation->allowed,
               r.violation->rule, kernel_line(), replay);
  }
  return exit_status(Status::violated);
}

}  // namespace

int schedules(const SchedulesOptions& options) {
  int status = 0;
  std::optional<Scenario> scenario = read_scenario(options.file, status);
  if (!scenario) return status;
  const Deadline deadline(options.common.seconds);
  const std::unique_ptr<Session> session = start_session(options.common, status);
  if (session == nullptr) return status;
  if (!session->why_unsupported().empty()) return tell_unsupported(*session, options.common);
  SearchLimits limits;
  limits.runs =
      options.runs != 0 || options.search == "exhaustive" || options.common.seconds != 0 ? options.runs : 10'000;
  limits.preemptions = options.preemptions;
  limits.reduce = !options.unreduced;
  limits.is_over = [&] { return deadline.passed(); };
  limits.progress = [](std::uint64_t runs) { say_progress(fmt::format("{} schedules", runs)); };
  std::optional<Verdict> undecided;
  const auto note_undecided = [&](const Verdict& v) {
    if (!undecided || is_worse(v.status, undecided->status)) undecided = v;
  };
  limits.after_run = [&](const Scenario&, const Session&, const Verdict& v) {
    if (v.status == Status::broken || v.status == Status::unsupported) note_undecided(v);
  };
  if (options.faults) return faults(*session, *scenario, options, limits);
  const auto start = std::chrono::steady_clock::now();
  SearchResult result;
  if (options.search == "exhaustive")
    status = exhaustive(*session, *scenario, options, limits, result);
  else
    result = sample_schedules(*session, *scenario, {options.search, {options.depth}, options.common.seed}, limits);
  say_progress("");
  if (status != 0) return status;
  if (result.violation && result.violation->status != Status::violated) note_undecided(*result.violation);
  const Status whole = whole_of(result, options, undecided);
  tell(result, options, whole, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (whole == Status::violated) {
    scenario->schedule = result.schedule;
    FindingOptions how;
    how.is_over = [&] { return deadline.passed(); };
    Finding finding = make_finding(*session, *scenario, *result.violation, options.common.seed, how);
    std::string error;
    if (!options.save.empty() && save(finding, options.save, error).empty())
      fmt::print(stderr, "spawncheck: {}\n", error);
    if (options.common.json)
      say_json(to_json(finding));
    else
      fmt::print("{}", report(finding));
    return exit_status(finding.is_suspected() ? Status::inconclusive : Status::violated);
  }
  if (undecided && undecided->status == whole)
    fmt::print(stderr, "spawncheck: {}: {}\n", name(whole), undecided->observed);
  return exit_status(whole);
}

}  // namespace spawncheck::tool
