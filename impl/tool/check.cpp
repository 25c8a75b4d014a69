// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "impl/schedules/search/guided.h"
#include "impl/session/findings.h"
#include "impl/session/running_kernel.h"
#include "impl/session/scheduled.h"
#include "impl/session/taken.h"
#include "impl/tool/check_report.h"
#include "impl/tool/coverage.h"
#include "impl/tool/tool.h"
#include "model/scenario/mutate.h"

namespace spawncheck::tool {

namespace {

// A scenario with several threads gets so many runs at most, any other gets one.
constexpr unsigned runs_of_race = 4;

// In a finding with several threads each try makes so many runs at most.
constexpr unsigned runs_per_try_of_race = 20;
// Suspected findings are printed at the end, so many of them in full.
constexpr std::size_t suspicions_told = 10;

// With --all, shrinking a finding takes at most this share of the time, within these bounds. So many broken scenarios
// end the search: a library that sometimes takes the arena down still shows what else is wrong.
constexpr unsigned share_of_finding = 8, seconds_of_finding_min = 2, seconds_of_finding_max = 30;
constexpr std::uint64_t broken_max = 8;

// A scenario is counted once, by the worst of its runs. A violation that did not come back counts as suspected.
// declined and limited are among the unsupported.
struct Counts {
  std::uint64_t runs = 0, scenarios = 0, by_status[5] = {}, suspected = 0, declined = 0, limited = 0;
  std::uint64_t replays = 0, same = 0, schedules = 0,
                diverged = 0;  // schedules: of which `diverged` gave another trace once or more

  std::uint64_t of(Status s) const { return by_status[static_cast<int>(s)]; }
  void add(const Verdict& v) {
    ++scenarios;
    ++by_status[static_cast<int>(v.status)];
    declined += is_declined(v);
    limited += v.is_limited();
  }
};

constexpr unsigned divergences_told = 5;

// Repeats the run just made by its turns and compares the traces. Prints the first that differs.
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

std::string summary(const Counts& c, double seconds) {
  std::string out =
      fmt::format("{} runs ({:.0f}/s) of {} scenarios: {} hold", c.runs,
                  seconds > 0 ? static_cast<double>(c.runs) / seconds : 0.0, c.scenarios, c.of(Status::holds));
  if (c.of(Status::violated) != 0) out += fmt::format(", {} violated", c.of(Status::violated));
  out += fmt::format(", {} suspected, {} inconclusive, {} unsupported, {} broken", c.suspected,
                     c.of(Status::inconclusive), c.of(Status::unsupported), c.of(Status::broken));
  if (c.declined + c.limited != 0)
    out += fmt::format(" (of the unsupported, {} declined, {} within a documented limit)", c.declined, c.limited);
  if (c.replays != 0)
    out += fmt::format("; {} of {} replays gave the same trace; {} of {} schedules gave different traces", c.same,
                       c.replays, c.diverged, c.schedules);
  return out;
}

// The verdict of the whole search: violated if there is a finding, else broken or inconclusive if something is
// unexplained. Otherwise it holds only if some scenario held.
Status whole(const Counts& c) {
  if (c.of(Status::violated) != 0) return Status::violated;
  if (c.of(Status::broken) != 0) return Status::broken;
  if (c.suspected != 0) return Status::inconclusive;
  if (c.of(Status::holds) != 0) return Status::holds;
  return c.of(Status::inconclusive) != 0 || c.scenarios == 0 ? Status::inconclusive : Status::unsupported;
}

std::string why(const Counts& c, const std::string& reason) {
  if (c.scenarios == 0) return "no run was made";
  if (c.suspected != 0) return fmt::format("{} violations did not come back: suspected", c.suspected);
  return "no scenario was decided; the first: " + reason;
}

// One in so many scenarios with one thread also records what is written while a child runs on its caller's memory.
constexpr unsigned watched_one_in = 4;
bool is_watched(const Scenario& scenario, std::uint64_t seed) {
  return scenario.threads.size() == 1 && Random(seed ^ 0x6d656d).below(watched_one_in) == 0;
}

// Runs the scenario under up to `runs_of_race` schedules, the first without preemptions, until one violates. The
// scenario gets the schedule that violates.
Verdict run_schedules(Session& session, Scenario& scenario, const SearchBy& search, std::uint64_t seed,
                      unsigned& used) {
  Verdict worst;
  scenario.schedule.clear();
  session.watch_memory(is_watched(scenario, seed));
  const unsigned runs = scenario.threads.size() > 1 ? runs_of_race : 1;
  const std::unique_ptr<Scheduler> scheduler = make_scheduler(search.word, search.options);
  for (used = 0; used < runs; ++used) {
    Verdict verdict = run_guided(session, scenario, *scheduler, {seed + used, used == 0 ? 0 : ~0u});
    if (used == 0 || is_worse(verdict.status, worst.status)) worst = std::move(verdict);
    if (worst.status != Status::violated) continue;
    ++used;
    scenario.schedule = turns_of(session.trace());
    break;
  }
  return worst;
}

// key: its shape must stay the same while the finding is shrunk; null: the clause is enough.
Finding examined(Session& session, const Scenario& scenario, const Verdict& verdict, std::uint64_t seed, unsigned run,
                 const CheckOptions& options, const Deadline& deadline, const FindingKey* key = nullptr) {
  FindingOptions how;
  if (key != nullptr) {
    how.seconds_max =
        std::clamp(options.common.seconds / share_of_finding, seconds_of_finding_min, seconds_of_finding_max);
    how.is_wanted = [key](const Scenario& s, const Breach& b) { return key_of(s, b).shape == key->shape; };
  }
  how.run = run;
  how.runs_per_try = !options.is_scheduled && scenario.threads.size() > 1 ? runs_per_try_of_race : 1;
  how.is_over = [&] { return options.common.seconds != 0 ? deadline.passed() : interrupted.load(); };
  Finding finding = make_finding(session, scenario, verdict, seed, how);
  std::string error;
  if (!options.save.empty() && save(finding, options.save, error).empty())
    fmt::print(stderr, "spawncheck: {}\n", error);
  return finding;
}

void tell(const Finding& finding, bool json) {
  if (json)
    say_json(to_json(finding));
  else
    fmt::print("{}", report(finding));
}

// The results of a search.
struct Search {
  Counts counts;
  Coverage coverage;
  Taken taken;
  Findings findings;  // if is_all
  std::vector<Finding> suspicions;
  std::optional<Finding> finding;  // if not is_all
  std::string first_reason, first_inconclusive, first_broken;
  std::map<Clause, std::set<std::string>> limits;  // the documented limits that were met

  explicit Search(const Session& session) : taken(session.implementation().policies) {}
};

void tell_whole(const Search& search, double seconds, const CheckOptions& options) {
  const Counts& counts = search.counts;
  for (const Finding& s : search.suspicions) tell(s, options.common.json);
  const Status status = whole(counts);
  if (!options.common.json) {
    if (counts.suspected > search.suspicions.size())
      fmt::print("{} more are suspected\n", counts.suspected - search.suspicions.size());
    fmt::print("{}", search.findings.summary());
    fmt::print("{}\n", summary(counts, seconds));
    if (search.taken.has_declined()) fmt::print("{}\n", search.taken.text());
    if (status == Status::inconclusive || status == Status::unsupported)
      fmt::print("{}: {}\n", name(status), why(counts, search.first_reason));
    else if (!search.first_inconclusive.empty())
      fmt::print("of {} inconclusive, the first: {}\n", counts.of(Status::inconclusive), search.first_inconclusive);
    return;
  }
  if (status == Status::violated && !options.is_all) return;  // the finding is the last line
  say_json({{"verdict", std::string(name(status))},
            {"findings", search.findings.to_json()},
            {"beyond", search.findings.beyond()},
            {"violated", counts.of(Status::violated)},
            {"declined", counts.declined},
            {"limited", counts.limited},
            {"requests", search.taken.to_json()},
            {"runs", counts.runs},
            {"scenarios", counts.scenarios},
            {"holds", counts.of(Status::holds)},
            {"suspected", counts.suspected},
            {"inconclusive", counts.of(Status::inconclusive)},
            {"unsupported", counts.of(Status::unsupported)},
            {"broken", counts.of(Status::broken)},
            {"why", status == Status::holds || status == Status::violated ? "" : why(counts, search.first_reason)},
            {"seed", options.common.seed},
            {"implementation", options.common.implementation},
            {"strategy", options.common.strategy},
            {"kernel", kernel_release()},
            {"behaviours", behaviours_text()},
            {"replays", counts.replays},
            {"same_traces", counts.same},
            {"diverged", counts.diverged}});
}

}  // namespace

Scenario scenario_number(std::uint64_t seed, std::uint64_t i, GenerateOptions options,
                         const std::function<bool(const Scenario&)>& may_be) {
  Random random(seed * 0x10001 + i);
  options.families = 1u << static_cast<int>(family_in_turn(i));
  Scenario scenario = generate(random, options);
  if (i % 3 != 2) return scenario;
  Scenario mutant = mutate(scenario, random);
  suit(mutant, options);
  return !may_be || may_be(mutant) ? mutant : scenario;
}

Verdict run_as_check(Session& session, Scenario& scenario, const SearchBy& search, std::uint64_t seed, unsigned& used,
                     const std::function<bool()>& is_over) {
  if (!search.word.empty()) return run_schedules(session, scenario, search, seed, used);
  return session.run_until_violated(scenario, scenario.threads.size() > 1 ? runs_of_race : 1, seed, used, is_over);
}

namespace {

void note_suspicion(Search& search, Finding finding) {
  ++search.counts.suspected;
  if (search.suspicions.size() < suspicions_told) search.suspicions.push_back(std::move(finding));
}

// The first violation that comes back ends the search. A suspected one does not, so that it cannot hide a real one.
void take_first(Search& search, Session& session, const Scenario& scenario, const Verdict& verdict, std::uint64_t seed,
                unsigned used, const CheckOptions& options, const Deadline& deadline) {
  Finding f = examined(session, scenario, verdict, seed, used - 1, options, deadline);
  if (f.is_suspected()) {
    ++search.counts.scenarios;
    note_suspicion(search, std::move(f));
    return;
  }
  search.counts.add(verdict);
  search.finding = std::move(f);
}

// Examines each new breach. The scenario counts as violated if one of its breaches is known to come back.
void take_all(Search& search, Session& session, const Scenario& scenario, const Verdict& verdict, std::uint64_t seed,
              unsigned used, const CheckOptions& options, const Deadline& deadline) {
  const Findings::Met met = search.findings.count(scenario, verdict);
  bool is_violated = met.known != 0;
  for (const Breach& breach : met.fresh) {
    Verdict named_by = verdict;
    named_by.name_by(breach.clause);
    const FindingKey key = key_of(scenario, breach);
    Finding f = examined(session, scenario, named_by, seed, used - 1, options, deadline, &key);
    if (f.is_suspected()) {
      note_suspicion(search, f);
    } else {
      is_violated = true;
      tell(f, options.common.json);
    }
    search.findings.add(scenario, breach, std::move(f));
  }
  if (is_violated) return search.counts.add(verdict);
  ++search.counts.scenarios;
  if (met.fresh.empty()) ++search.counts.suspected;  // each of its breaches was tried often enough before
}

void take_undecided(Search& search, const Scenario& scenario, const Verdict& verdict) {
  search.counts.add(verdict);
  if (verdict.status != Status::holds && search.first_reason.empty()) search.first_reason = verdict.observed;
  if (verdict.status == Status::inconclusive && search.first_inconclusive.empty())
    search.first_inconclusive = verdict.observed;
  if (verdict.status != Status::broken) return;
  const std::string told = verdict.observed + "\n" + print(scenario);
  fmt::print(stderr, "spawncheck: broken: {}", told);
  if (search.first_broken.empty()) search.first_broken = told;
}

CheckResult result_of(const Search& search, double seconds) {
  CheckResult result;
  if (search.finding) result.findings.push_back({*search.finding, 1});
  for (const Findings::Row& row : search.findings.rows()) result.findings.push_back({row.finding, row.times});
  for (const Finding& f : search.suspicions) result.findings.push_back({f, 1});
  result.limits = search.limits;
  result.has_decided = search.counts.of(Status::holds) != 0;
  result.whole = whole(search.counts);
  result.seconds = seconds;
  result.summary = summary(search.counts, seconds);
  result.broken = search.first_broken;
  if (result.whole == Status::inconclusive || result.whole == Status::unsupported)
    result.undecided = why(search.counts, search.first_reason);
  return result;
}

bool is_over(const Search& search, const CheckOptions& options, const Deadline& deadline) {
  return search.finding || search.counts.of(Status::broken) >= (options.is_all ? broken_max : 1) || deadline.passed() ||
         (options.runs != 0 && search.counts.runs >= options.runs);
}

}  // namespace

int check(const CheckOptions& options) {
  int status = 0;
  if (!can_be_written(options.reports)) return exit_usage;
  const unsigned seconds = options.common.seconds == 0 && options.runs == 0 ? 10 : options.common.seconds;
  const Deadline deadline(seconds);
  const std::unique_ptr<Session> session = start_session(options.common, status);
  if (session == nullptr) return status;
  MachineReport reports(options.reports, *session, options.common, "check",
                        options.is_scheduled ? "scheduled" : "free");
  const Clauses owed = Clauses::promised_by(session->implementation().promises);
  if (!session->why_unsupported().empty()) {
    CheckResult result;
    result.whole = Status::unsupported;
    result.undecided = session->why_unsupported();
    add_to(reports, result, owed);
    return reports.write(tell_unsupported(*session, options.common));
  }
  if (!options.common.json) {
    fmt::print("seed {}\nkernel {}: {}\n", options.common.seed, kernel_release(), behaviours_text());
    std::fflush(stdout);
  }
  if (options.is_lockstep) return check_in_lockstep(*session, options);
  const auto start = std::chrono::steady_clock::now();
  auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  GenerateOptions generated = session->generate_options();
  generated.own_descriptors |= options.own_descriptors;
  Search search(*session);
  for (std::uint64_t i = 0; !is_over(search, options, deadline); ++i) {
    const std::uint64_t seed = options.common.seed + i;
    Scenario scenario = scenario_number(options.common.seed, i, generated);
    Random random(seed ^ 0x74616b65);
    search.taken.adapt(scenario, random);
    suit(scenario, generated);
    scenario.schedule.clear();
    if (options.has_coverage) search.coverage.add(scenario);
    unsigned used = 0;
    const Verdict verdict = run_as_check(*session, scenario, options.is_scheduled ? options.search : SearchBy{}, seed,
                                         used, [&] { return deadline.passed(); });
    search.counts.runs += used;
    search.taken.note(scenario, session->history());
    for (const DocumentedLimit& l : verdict.limits) search.limits[l.clause].insert(l.what + " (" + l.source + ")");
    if (options.is_scheduled && options.replays != 0 && verdict.status != Status::violated)
      replay(*session, scenario, options.replays, search.counts);
    if (verdict.status != Status::violated)
      take_undecided(search, scenario, verdict);
    else if (options.is_all)
      take_all(search, *session, scenario, verdict, seed, used, options, deadline);
    else
      take_first(search, *session, scenario, verdict, seed, used, options, deadline);
    if (i % 64 == 0) say_progress(summary(search.counts, elapsed()));
  }
  say_progress("");
  if (options.has_coverage && options.common.json)
    say_json({{"coverage", search.coverage.to_json()}});
  else if (options.has_coverage)
    fmt::print("{}", search.coverage.table());
  tell_whole(search, elapsed(), options);
  if (search.finding) tell(*search.finding, options.common.json);
  add_to(reports, result_of(search, elapsed()), owed);
  return reports.write(exit_status(whole(search.counts)));
}

}  // namespace spawncheck::tool
