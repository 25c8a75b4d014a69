// SPDX-License-Identifier: MIT
#include "properties/session/finding.h"

#include "model/scenario/shrink.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstring>
#include <fstream>
#include <gnu/libc-version.h>
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

std::string schedule_text(const Scenario& s) {
  std::string out;
  for (const Turn& t : s.schedule) out += fmt::format("{}{}", out.empty() ? "" : " ", t.thread) + (t.child >= 0 ? fmt::format(".{}", t.child) : "");
  return out;
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
  f.libc = libc_version();
  f.seed = seed;
  const auto deadline = Clock::now() + std::chrono::seconds(options.seconds_max);
  auto violates = [&](const Scenario& s) {
    if (Clock::now() > deadline) return false;
    unsigned used = 0;
    const Verdict again = session.run_until_violated(s, options.runs_per_try, seed, used);
    const bool same = again.status == Status::violated && again.clause == verdict.clause;
    if (same) f.verdict = again;
    return same;
  };
  Scenario start = scenario;
  start.expectations.clear();
  f.scenario = shrink(std::move(start), violates, options.shrink_tries_max);
  for (unsigned i = 0; i < options.confirm_runs; ++i) {
    const Verdict again = session.run(f.scenario, seed_of_run(seed, i));
    ++f.runs;
    if (again.status != Status::violated || again.clause != verdict.clause) continue;
    ++f.violations;
    f.verdict = again;
  }
  return f;
}

std::string replay_command(const Finding& f) {
  const std::string strategy = f.strategy.empty() ? "" : " --strategy " + f.strategy;
  const unsigned runs = f.violations == f.runs ? 1 : 500;
  const std::string options = fmt::format("--implementation {}{} --runs {} --seed {}", f.implementation, strategy, runs, f.seed);
  if (!f.file.empty()) return fmt::format("spawncheck run {} {}", options, f.file);
  std::string text = print(f.scenario);
  return fmt::format("spawncheck run {} - <<'END'\n{}END", options, text);
}

std::string report(const Finding& f) {
  std::string out = fmt::format("violated {}: {}\n", name(*f.verdict.clause), meaning(*f.verdict.clause));
  out += "  scenario:\n" + indented(print(f.scenario));
  out += fmt::format("  observed: {}\n  allowed:  {}\n  rule:     {}\n", f.verdict.observed, f.verdict.allowed, f.verdict.rule);
  out += fmt::format("  implementation {}{}, kernel {}, {}\n", f.implementation, f.strategy.empty() ? "" : ", strategy " + f.strategy, f.kernel, f.libc);
  out += fmt::format("  reproduces in {} of {} runs\n  replay:\n", f.violations, f.runs);
  return out + replay_command(f) + "\n";
}

nlohmann::json to_json(const Finding& f) {
  return {{"verdict", std::string(name(f.verdict.status))},
          {"clause", f.verdict.clause ? std::string(name(*f.verdict.clause)) : ""},
          {"scenario", print(f.scenario)},
          {"schedule", schedule_text(f.scenario)},
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
