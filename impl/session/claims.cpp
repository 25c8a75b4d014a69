// SPDX-License-Identifier: MIT
#include "impl/session/claims.h"

#include <fmt/format.h>

#include <chrono>

#include "impl/session/reference_planner.h"
#include "model/explore/claims.h"

namespace spawncheck {

namespace {

std::string with_strategy(std::uint32_t strategy) { return std::string("reference:") + spawn_strategy_word(strategy); }

}  // namespace

explore::Planner planner_named(const std::string& way) {
  if (way == "reference") return ReferencePlanner();
  if (way == with_strategy(SPAWN_STRATEGY_EXCEPT))
    return ReferencePlanner(SPAWN_STRATEGY_EXCEPT, {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0});
  for (std::uint32_t s = SPAWN_STRATEGY_COPY; s < SPAWN_STRATEGY_COUNT; ++s)
    if (way == with_strategy(s)) return ReferencePlanner(s);
  return explore::planner_of(way);
}

std::string ways() {
  std::string out = "reference";
  for (std::uint32_t s = SPAWN_STRATEGY_COPY; s < SPAWN_STRATEGY_COUNT; ++s) out += ", " + with_strategy(s);
  for (int w = 0; w < static_cast<int>(explore::Way::count); ++w)
    out += ", " + std::string(word(static_cast<explore::Way>(w)));
  return out;
}

std::string_view kernel_of(const std::string& way) {
  if (way == with_strategy(SPAWN_STRATEGY_EXCEPT)) return "7.4";
  for (int w = 0; w < static_cast<int>(explore::Way::count); ++w)
    if (word(static_cast<explore::Way>(w)) == way && !kernel(static_cast<explore::Way>(w)).starts_with("6."))
      return kernel(static_cast<explore::Way>(w));
  return "6.18";
}

std::vector<ClaimResult> check_claims(const std::string& claim, const Scenario& scenario,
                                      const explore::ExploreOptions& options) {
  std::vector<ClaimResult> results;
  for (const Expectation& expectation : scenario.expectations) {
    const explore::Planner planner = planner_named(expectation.implementation);
    if (!planner) continue;
    ClaimResult r;
    r.claim = claim;
    r.way = expectation.implementation;
    r.kernel = kernel_of(r.way);
    r.threads = static_cast<std::uint32_t>(scenario.threads.size());
    for (const Thread& thread : scenario.threads) r.operations += static_cast<std::uint32_t>(thread.operations.size());
    explore::ExploreOptions how = options;
    how.kernel = *model::kernel_named(r.kernel);
    const auto start = std::chrono::steady_clock::now();
    r.exploration = explore::explore(scenario, planner, how);
    r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const Verdict& v = r.exploration.verdict;
    r.is_as_expected = v.status == expectation.status &&
                       (expectation.clause.empty() || (v.clause && name(*v.clause) == expectation.clause));
    results.push_back(std::move(r));
  }
  return results;
}

static const char* yes_unless(const explore::Observed& what) { return what.is_broken ? "no" : "yes"; }

std::string markdown(const std::vector<ClaimResult>& results) {
  std::string out =
      "| claim | way | kernel | threads, operations | states | time | verdict | fd.untransient | fd.released | a "
      "shortest way to it |\n|---|---|---|---|---|---|---|---|---|---|\n";
  for (const ClaimResult& r : results) {
    const Verdict& v = r.exploration.verdict;
    std::string trace;
    for (const explore::TraceStep& step : r.exploration.trace) trace += (trace.empty() ? "" : "; ") + step.text;
    out += fmt::format("| {} | {} | {} | {}, {} | {} | {:.2f} s | {}{} | {} | {} | {} |\n", r.claim, r.way, r.kernel,
                       r.threads, r.operations, r.exploration.states, r.seconds, name(v.status),
                       v.clause ? " " + std::string(name(*v.clause)) : "",
                       v.status != Status::holds ? "" : yes_unless(r.exploration.untransient),
                       v.status != Status::holds ? "" : yes_unless(r.exploration.released), trace);
  }
  return out;
}

}  // namespace spawncheck
