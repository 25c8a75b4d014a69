// SPDX-License-Identifier: MIT
#include "impl/session/finding.h"

#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <sys/utsname.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "impl/session/running_kernel.h"
#include "impl/session/scheduled.h"
#include "impl/session/shrink_schedule.h"
#include "impl/session/slowness.h"
#include "model/scenario/own.h"
#include "model/scenario/shrink.h"

namespace spawncheck {

namespace {

using Clock = std::chrono::steady_clock;

std::string indented(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += "    " + text.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out;
}

// Runs candidates, and says of each whether it shows the same violation.
class Repeater {
 public:
  Repeater(Session& session, Finding& finding, const FindingOptions& options)
      : session_(session),
        f_(finding),
        options_(options),
        deadline_(Clock::now() + std::chrono::seconds(options.seconds_max * slowness_of_machine())) {}

  bool is_late() const { return Clock::now() > deadline_ || (options_.is_over && options_.is_over()); }

  bool violates(const Scenario& s) {
    if (is_late()) return false;
    if (f_.is_scheduled) return is_same(s, session_.run_scheduled(s, policy_of(Turns::lenient)));
    unsigned used = 0;
    return is_same(s, session_.run_until_violated(s, options_.runs_per_try, f_.seed, used, [&] { return is_late(); }));
  }

  std::optional<std::vector<Turn>> went(const Scenario& s) {
    if (!violates(s)) return std::nullopt;
    return turns_of(session_.trace());
  }

  // Makes up to `tries` more tries, until `wanted` tries in all have violated. For a finding by schedule also counts
  // the traces equal to the first: a finding with fewer equal traces than tries is reported as not reproducible.
  void confirm(const Scenario& s, unsigned tries, unsigned wanted) {
    std::unique_ptr<sc_trace> first;
    for (unsigned i = 0; i < tries && f_.violations < wanted; ++i) {
      if ((f_.is_cut_short = f_.tries > 0 && is_late())) return;
      ++f_.tries;
      f_.violations += try_once(s, i);
      if (!f_.is_scheduled) continue;
      if (first == nullptr) first = std::make_unique<sc_trace>(session_.trace());
      f_.same_traces += difference(*first, session_.trace()).empty();
    }
  }

 private:
  bool try_once(const Scenario& s, unsigned i) {
    if (f_.is_scheduled) return is_same(s, session_.run_scheduled(s, policy_of(Turns::strict)));
    unsigned used = 0;  // first with the seeds that showed it, then with others
    return is_same(s, options_.runs_per_try <= 1 ? session_.run(s, seed_of_run(f_.seed, i))
                                                 : session_.run_until_violated(s, options_.runs_per_try, f_.seed + i,
                                                                               used, [&] { return is_late(); }));
  }

  bool is_same(const Scenario& s, const Verdict& again) {
    if (again.status != Status::violated || !again.violates(*f_.verdict.clause)) return false;
    Verdict same = again;
    same.name_by(*f_.verdict.clause);
    if (options_.is_wanted && !options_.is_wanted(s, {*same.clause, same.observed, same.allowed, same.rule}))
      return false;
    f_.verdict = std::move(same);
    f_.evidence = evidence_of(session_, s, f_.verdict, f_.is_scheduled);
    return true;
  }

  Session& session_;
  Finding& f_;
  const FindingOptions& options_;
  Clock::time_point deadline_;
};

std::string reproduction(const Finding& f) {
  std::string out = f.is_scheduled ? "by its schedule, reproduces in " : "reproduces in ";
  out += f.runs_per_try > 1 ? fmt::format("{} of {} tries of up to {} runs", f.violations, f.tries, f.runs_per_try)
                            : fmt::format("{} of {} runs", f.violations, f.tries);
  if (f.is_scheduled) out += fmt::format(", {} of them with the same trace", f.same_traces);
  return f.is_cut_short ? out + "; stopped by the time limit" : out;
}

std::string load_text(const Evidence& e) {
  return e.load[0] < 0 ? "unknown" : fmt::format("{:.2f} {:.2f} {:.2f}", e.load[0], e.load[1], e.load[2]);
}

}  // namespace

std::string kernel_release() {
  utsname name{};
  return uname(&name) == 0 ? name.release : "unknown";
}

std::string kernel_line() { return fmt::format("  kernel {}: {}\n", kernel_release(), behaviours_text()); }

std::string libc_version() { return std::string("glibc ") + gnu_get_libc_version(); }

Finding make_finding(Session& session, const Scenario& scenario, const Verdict& verdict, std::uint64_t seed,
                     const FindingOptions& options) {
  Finding f;
  f.verdict = verdict;
  f.implementation = session.options().implementation;
  f.strategy = session.options().strategy;
  f.kernel = kernel_release();
  f.behaviours = behaviours_text();
  f.libc = f.implementation.starts_with("musl:") ? "musl" : libc_version();
  f.seed = seed;
  f.run = options.run;
  f.is_scheduled = is_scheduled(scenario);
  f.runs_per_try = f.is_scheduled ? 1 : std::max(options.runs_per_try, 1u);
  f.evidence = evidence_of(session, scenario, verdict, f.is_scheduled);
  Repeater repeater(session, f, options);
  f.scenario = scenario;
  f.scenario.expectations.clear();
  repeater.confirm(f.scenario, options.confirm_tries, 1);
  if (f.is_suspected() || options.is_only_tried) return f;

  const Finding as_found = f;
  // If no thread touches another's descriptors, none may in the smaller scenario.
  const bool is_own = is_own_only(f.scenario);
  f.scenario = shrink(
      std::move(f.scenario), [&](const Scenario& s) { return (!is_own || is_own_only(s)) && repeater.violates(s); },
      options.shrink_tries_max);
  if (f.is_scheduled) {
    f.scenario = shrink_schedule(
        f.scenario, [&](const Scenario& s) { return repeater.went(s); }, options.shrink_tries_max);
    // RUN_ON alone may show the violation: then the schedule is empty. It is written out all the same, since it says
    // what happened.
    if (const auto turns = f.scenario.schedule.empty() ? repeater.went(f.scenario) : std::nullopt)
      f.scenario.schedule = *turns;
  }
  f.tries = f.violations = f.same_traces = 0;
  repeater.confirm(f.scenario, options.confirm_tries, options.confirm_tries);
  if (f.violations != 0) return f;
  // The smaller scenario violates too rarely; the one that was found did reproduce.
  f = as_found;
  repeater.confirm(f.scenario, options.confirm_tries, options.confirm_tries);
  return f;
}

namespace {

std::string run_command(const std::string& implementation, const std::string& strategy, const std::string& options) {
  return "spawncheck run --implementation " + implementation + (strategy.empty() ? "" : " --strategy " + strategy) +
         options;
}

}  // namespace

std::string run_command(const std::string& implementation, const std::string& strategy, const std::string& options,
                        const Scenario& scenario) {
  return fmt::format("{} - <<'END'\n{}END", run_command(implementation, strategy, options), print(scenario));
}

std::string replay_command(const Finding& f) {
  std::string options;
  if (!f.is_scheduled)
    options = fmt::format(" --runs {} --seed {}", f.violations == f.tries && f.runs_per_try == 1 ? 1 : 500, f.seed);
  if (!f.file.empty()) return run_command(f.implementation, f.strategy, options) + " " + f.file;
  return run_command(f.implementation, f.strategy, options, f.scenario);
}

std::string report(const Finding& f) {
  std::string out = f.is_suspected()
                        ? fmt::format("suspected {}, seen once, {}: {}\n", name(*f.verdict.clause), reproduction(f),
                                      meaning(*f.verdict.clause))
                        : fmt::format("violated {}: {}\n", name(*f.verdict.clause), meaning(*f.verdict.clause));
  out += "  scenario:\n" + indented(print(f.scenario));
  out += fmt::format("  observed: {}\n  allowed:  {}\n  rule:     {}\n", f.verdict.observed, f.verdict.allowed,
                     f.verdict.rule);
  for (const Breach& b : f.verdict.also)
    out += fmt::format("  also violated, {}: {}\n    allowed:  {}\n    rule:     {}\n", name(b.clause), b.observed,
                       b.allowed, b.rule);
  out += fmt::format("  implementation {}{}, kernel {}, {}\n", f.implementation,
                     f.strategy.empty() ? "" : ", strategy " + f.strategy, f.kernel, f.libc);
  out += fmt::format("  behaviours: {}\n", f.behaviours);
  if (!f.is_suspected()) return out + "  " + reproduction(f) + "\n  replay:\n" + replay_command(f) + "\n";
  out += fmt::format("  load average {}; the run ended as {}; it was run {} of seed {}\n", load_text(f.evidence),
                     end_of_run(*f.evidence.history), f.run, f.seed);
  if (!f.evidence.trace.empty()) out += "  trace:\n" + indented(f.evidence.trace);
  out += f.evidence_file.empty() ? "  the whole history: --save DIRECTORY keeps it, --json prints it\n"
                                 : fmt::format("  the whole history: {}\n", f.evidence_file);
  return out + "  try it again:\n" + replay_command(f) + "\n";
}

nlohmann::json also_json(const Verdict& v) {
  nlohmann::json all = nlohmann::json::array();
  for (const Breach& b : v.also)
    all.push_back(
        {{"clause", std::string(name(b.clause))}, {"observed", b.observed}, {"allowed", b.allowed}, {"rule", b.rule}});
  return all;
}

nlohmann::json limits_json(const Verdict& v) {
  nlohmann::json all = nlohmann::json::array();
  for (const DocumentedLimit& l : v.limits)
    all.push_back({{"clause", std::string(name(l.clause))}, {"what", l.what}, {"source", l.source}});
  return all;
}

nlohmann::json to_json(const Finding& f) {
  nlohmann::json object = {{"verdict", std::string(name(f.is_suspected() ? Status::inconclusive : f.verdict.status))},
                           {"suspected", f.is_suspected()},
                           {"clause", f.verdict.clause ? std::string(name(*f.verdict.clause)) : ""},
                           {"scenario", print(f.scenario)},
                           {"mode", f.is_scheduled ? "scheduled" : "free"},
                           {"schedule", print(f.scenario.schedule)},
                           {"same_traces", f.same_traces},
                           {"implementation", f.implementation},
                           {"strategy", f.strategy},
                           {"kernel", f.kernel},
                           {"behaviours", f.behaviours},
                           {"libc", f.libc},
                           {"observed", f.verdict.observed},
                           {"allowed", f.verdict.allowed},
                           {"rule", f.verdict.rule},
                           {"also", also_json(f.verdict)},
                           {"limits", limits_json(f.verdict)},
                           {"runs", f.tries},
                           {"runs_per_try", f.runs_per_try},
                           {"violations", f.violations},
                           {"seed", f.seed},
                           {"run", f.run},
                           {"run_seed", f.is_scheduled ? 0 : seed_of_run(f.seed, f.run)},
                           {"replay", replay_command(f)}};
  if (f.is_suspected()) object["evidence"] = to_json(f.evidence);
  return object;
}

namespace {

bool write(const std::string& path, const std::string& text, std::string& error) {
  errno = 0;
  std::ofstream file(path);
  file << text;
  file.close();
  if (file) return true;
  error = path + ": " + (errno != 0 ? std::strerror(errno) : "it could not be written");
  return false;
}

}  // namespace

std::string save(Finding& f, const std::string& directory, std::string& error) {
  const std::string clause(name(*f.verdict.clause));
  const std::string path = fmt::format("{}/{}{}-{:08x}", directory, f.is_suspected() ? "suspected-" : "", clause,
                                       static_cast<std::uint32_t>(hash(f.scenario)));
  std::string text =
      fmt::format("# From: spawncheck check on {}, kernel {}, {}.\n", f.implementation, f.kernel, f.libc);
  text += fmt::format("# Shows: {}{}; {}.\n", f.is_suspected() ? "once, and in no try since: " : "", clause,
                      f.verdict.observed) +
          print(f.scenario);
  if (!f.is_suspected()) text += "expect violated " + clause + " by " + f.implementation + "\n";
  if (!write(path + ".scenario", text, error)) return {};
  f.file = path + ".scenario";
  if (!f.is_suspected()) return f.file;
  if (!write(path + ".json", to_json(f).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", error))
    return {};
  f.evidence_file = path + ".json";
  return f.file;
}

}  // namespace spawncheck
