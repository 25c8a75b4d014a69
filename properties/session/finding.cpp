// SPDX-License-Identifier: MIT
#include "properties/session/finding.h"

#include "model/scenario/shrink.h"
#include "properties/session/scheduled.h"
#include "properties/session/shrink_schedule.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstring>
#include <fstream>
#include <gnu/libc-version.h>
#include <memory>
#include <sys/utsname.h>

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

// Runs a candidate: is it the same violation?
class Repeater {
 public:
  Repeater(Session& session, Finding& finding, const FindingOptions& options)
      : session_(session), f_(finding), options_(options), deadline_(Clock::now() + std::chrono::seconds(options.seconds_max)) {}

  bool is_late() const { return Clock::now() > deadline_; }

  bool violates(const Scenario& s) {
    if (is_late()) return false;
    if (f_.is_scheduled) return is_same(session_.run_scheduled(s, policy_of(Turns::lenient)));
    unsigned used = 0;
    return is_same(session_.run_until_violated(s, options_.runs_per_try, f_.seed, used));
  }

  std::optional<std::vector<Turn>> went(const Scenario& s) {
    if (!violates(s)) return std::nullopt;
    return turns_of(session_.trace());
  }

  // The result, again and again. A finding by schedule whose trace differs from one time to the next is not
  // reproducible, and is told as such.
  void confirm(const Scenario& s) {
    std::unique_ptr<sc_trace> first;
    for (unsigned i = 0; i < options_.confirm_runs; ++i) {
      const Verdict again = f_.is_scheduled ? session_.run_scheduled(s, policy_of(Turns::strict)) : session_.run(s, seed_of_run(f_.seed, i));
      ++f_.runs;
      f_.violations += is_same(again);
      if (!f_.is_scheduled) continue;
      if (i == 0) first = std::make_unique<sc_trace>(session_.trace());
      f_.same_traces += difference(*first, session_.trace()).empty();
    }
  }

 private:
  bool is_same(const Verdict& again) {
    const bool same = again.status == Status::violated && again.clause == f_.verdict.clause;
    if (same) f_.verdict = again;
    return same;
  }

  Session& session_;
  Finding& f_;
  const FindingOptions& options_;
  Clock::time_point deadline_;
};

std::string reproduction(const Finding& f) {
  if (!f.is_scheduled) return fmt::format("reproduces in {} of {} runs", f.violations, f.runs);
  return fmt::format("by its schedule, reproduces in {} of {} runs, {} of them with the same trace", f.violations, f.runs, f.same_traces);
}

}  // namespace

std::string kernel_release() {
  utsname name{};
  return uname(&name) == 0 ? name.release : "unknown";
}

std::string libc_version() { return std::string("glibc ") + gnu_get_libc_version(); }

Finding make_finding(Session& session, const Scenario& scenario, const Verdict& verdict, std::uint64_t seed, const FindingOptions& options) {
  Finding f;
  f.verdict = verdict;
  f.implementation = session.options().implementation;
  f.strategy = session.options().strategy;
  f.kernel = kernel_release();
  f.libc = f.implementation.starts_with("musl:") ? "musl" : libc_version();
  f.seed = seed;
  f.is_scheduled = !scenario.schedule.empty();
  Repeater repeater(session, f, options);
  Scenario start = scenario;
  start.expectations.clear();
  f.scenario = shrink(std::move(start), [&](const Scenario& s) { return repeater.violates(s); }, options.shrink_tries_max);
  if (f.is_scheduled) {
    f.scenario = shrink_schedule(f.scenario, [&](const Scenario& s) { return repeater.went(s); }, options.shrink_tries_max);
    // A schedule that run-on makes superfluous is written out all the same: it says what happened.
    if (const auto turns = f.scenario.schedule.empty() ? repeater.went(f.scenario) : std::nullopt) f.scenario.schedule = *turns;
  }
  repeater.confirm(f.scenario);
  return f;
}

std::string replay_command(const Finding& f) {
  const std::string strategy = f.strategy.empty() ? "" : " --strategy " + f.strategy;
  std::string options = "--implementation " + f.implementation + strategy;
  if (!f.is_scheduled) options += fmt::format(" --runs {} --seed {}", f.violations == f.runs ? 1 : 500, f.seed);
  if (!f.file.empty()) return fmt::format("spawncheck run {} {}", options, f.file);
  std::string text = print(f.scenario);
  return fmt::format("spawncheck run {} - <<'END'\n{}END", options, text);
}

std::string report(const Finding& f) {
  std::string out = fmt::format("violated {}: {}\n", name(*f.verdict.clause), meaning(*f.verdict.clause));
  out += "  scenario:\n" + indented(print(f.scenario));
  out += fmt::format("  observed: {}\n  allowed:  {}\n  rule:     {}\n", f.verdict.observed, f.verdict.allowed, f.verdict.rule);
  out += fmt::format("  implementation {}{}, kernel {}, {}\n", f.implementation, f.strategy.empty() ? "" : ", strategy " + f.strategy, f.kernel, f.libc);
  out += "  " + reproduction(f) + "\n  replay:\n";
  return out + replay_command(f) + "\n";
}

nlohmann::json to_json(const Finding& f) {
  return {{"verdict", std::string(name(f.verdict.status))},
          {"clause", f.verdict.clause ? std::string(name(*f.verdict.clause)) : ""},
          {"scenario", print(f.scenario)},
          {"mode", f.is_scheduled ? "scheduled" : "free"},
          {"schedule", print(f.scenario.schedule)},
          {"same_traces", f.same_traces},
          {"implementation", f.implementation},
          {"strategy", f.strategy},
          {"kernel", f.kernel},
          {"libc", f.libc},
          {"observed", f.verdict.observed},
          {"allowed", f.verdict.allowed},
          {"rule", f.verdict.rule},
          {"runs", f.runs},
          {"violations", f.violations},
          {"seed", f.seed},
          {"replay", replay_command(f)}};
}

std::string save(Finding& f, const std::string& directory, std::string& error) {
  const std::string clause(name(*f.verdict.clause));
  const std::string path = fmt::format("{}/{}-{:08x}.scenario", directory, clause, static_cast<std::uint32_t>(hash(f.scenario)));
  std::ofstream file(path);
  file << "# From: spawncheck check on " << f.implementation << ", kernel " << f.kernel << ", " << f.libc << ".\n"
       << "# Shows: " << clause << "; " << f.verdict.observed << ".\n"
       << print(f.scenario) << "expect violated " << clause << " by " << f.implementation << "\n";
  file.close();
  if (!file) {
    error = path + ": " + std::strerror(errno);
    return {};
  }
  f.file = path;
  return path;
}

}  // namespace spawncheck
