// SPDX-License-Identifier: MIT
#include "impl/session/claims.h"

#include <fmt/format.h>

#include <chrono>
#include <stdexcept>

#include "impl/session/reference_planner.h"
#include "impl/session/running_kernel.h"
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

std::string kernel_of(const std::string& way) {
  const std::vector<Behaviour> needed = needs_of_way(way);
  const std::string late = "7.4";
  std::string best;
  for (const std::string& release : {model::Kernel{}.name, late}) {
    const model::Behaviours does = model::kernel_named(release).does;
    best = release;
    for (const Behaviour b : needed)
      if (!does.has(b)) best += "," + std::string(model::row(b).word);
    if (best == release) break;
  }
  return best;
}

namespace {

model::Kernel kernel_expected(const Expectation& e) {
  const std::string text = e.kernel.empty() ? kernel_of(e.implementation) : e.kernel;
  const auto does = model::behaviours_in(text);
  if (const auto* error = std::get_if<std::string>(&does))
    throw std::invalid_argument("expect by " + e.implementation + " on " + *error);
  return model::kernel_named(text);
}

}  // namespace

std::vector<ClaimResult> check_claims(const std::string& claim, const Scenario& scenario,
                                      const explore::ExploreOptions& options, const model::Kernel* on) {
  std::vector<ClaimResult> results;
  for (const Expectation& expectation : scenario.expectations) {
    const explore::Planner planner = planner_named(expectation.implementation);
    if (!planner) continue;
    ClaimResult r;
    r.claim = claim;
    r.way = expectation.implementation;
    r.threads = static_cast<std::uint32_t>(scenario.threads.size());
    for (const Thread& thread : scenario.threads) r.operations += static_cast<std::uint32_t>(thread.operations.size());
    explore::ExploreOptions how = options;
    how.kernel = on != nullptr ? *on : kernel_expected(expectation);
    r.kernel = how.kernel.name;
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

namespace {

const char* answer(const explore::Observed& what, const Verdict& v) {
  if (v.status != Status::holds || !what.is_asked) return "";
  return what.is_broken ? "no" : "yes";
}

}  // namespace

std::string markdown(const std::vector<ClaimResult>& results) {
  std::string head = "| claim | way | kernel | threads, operations | states | time | verdict |",
              rule = "|---|---|---|---|---|---|---|";
  for (const explore::ObservedRow& o : explore::observed_rows) {
    head += " " + std::string(o.word) + " |";
    rule += "---|";
  }
  std::string out = head + " shortest counterexample |\n" + rule + "---|\n";
  for (const ClaimResult& r : results) {
    const Verdict& v = r.exploration.verdict;
    std::string trace;
    for (const explore::TraceStep& step : r.exploration.trace) trace += (trace.empty() ? "" : "; ") + step.text;
    out += fmt::format("| {} | {} | {} | {}, {} | {} | {:.2f} s | {}{} |", r.claim, r.way, r.kernel, r.threads,
                       r.operations, r.exploration.states, r.seconds, name(v.status),
                       v.clause ? " " + std::string(name(*v.clause)) : "");
    for (const explore::ObservedRow& o : explore::observed_rows)
      out += fmt::format(" {} |", answer(r.exploration.*o.what, v));
    out += fmt::format(" {} |\n", trace);
  }
  return out;
}

}  // namespace spawncheck
