// SPDX-License-Identifier: MIT
#include "impl/tool/check_report.h"

#include <fmt/format.h>

#include "impl/session/findings.h"

namespace spawncheck::tool {

namespace {

// Returns the reports of the findings that violate the clause.
std::string reports_of(const CheckResult& result, Clause clause, bool suspected) {
  std::string out;
  for (const SarifFinding& f : result.findings)
    if (f.finding.is_suspected() == suspected && f.finding.verdict.violates(clause)) out += report(f.finding);
  return out;
}

JUnitCase case_of(const CheckResult& result, Clause clause, Clauses owed) {
  JUnitCase c;
  c.name = std::string(name(clause));
  const auto with = [&](CaseOutcome outcome, const std::string& message, const std::string& text) {
    c.outcome = outcome;
    c.message = message;
    c.text = text;
    return c;
  };
  const std::string violated = reports_of(result, clause, false), suspected = reports_of(result, clause, true);
  if (!violated.empty())
    return with(CaseOutcome::failed, fmt::format("violated {}: {}", name(clause), meaning(clause)), violated);
  if (!owed.has(clause)) return with(CaseOutcome::skipped, "the implementation does not promise it", "");
  if (!suspected.empty()) return with(CaseOutcome::skipped, first_line(suspected), suspected);
  if (!result.has_decided)
    return with(CaseOutcome::skipped,
                result.undecided.empty() ? "the search ended before a scenario held" : result.undecided, "");
  return c;
}

// Removes from each finding those other breaches that are findings of their own.
std::vector<SarifFinding> distinct(std::vector<SarifFinding> findings) {
  std::set<FindingKey> known;
  for (const SarifFinding& f : findings)
    known.insert(key_of(f.finding.scenario, breaches_of(f.finding.verdict).front()));
  for (SarifFinding& f : findings)
    std::erase_if(f.finding.verdict.also,
                  [&](const Breach& b) { return !known.insert(key_of(f.finding.scenario, b)).second; });
  return findings;
}

}  // namespace

void add_to(MachineReport& report, const CheckResult& result, Clauses owed) {
  for (int i = 0; i < clause_count; ++i) report.add_case(case_of(result, static_cast<Clause>(i), owed));
  JUnitCase search;  // says whether the search went well, apart from what it found
  search.name = "search";
  search.seconds = result.seconds;
  if (!result.broken.empty()) {
    search.outcome = CaseOutcome::broken;
    search.message = first_line(result.broken);
    search.text = result.broken;
    report.note_broken("broken: " + result.broken);
  } else if (!result.undecided.empty()) {
    search.outcome = CaseOutcome::skipped;
    search.message = result.undecided;
    report.note_undecided(fmt::format("{}: {}", name(result.whole), result.undecided));
  }
  report.add_case(search);
  report.note(result.summary);
  for (const auto& [clause, texts] : result.limits)
    for (const std::string& text : texts) {
      report.note(fmt::format("{}: within a documented limit: {}", name(clause), text));
      report.note_undecided(fmt::format("{} was met within a documented limit: {}", name(clause), text));
    }
  for (const SarifFinding& f : distinct(result.findings)) report.add_finding(f.finding, f.times);
}

}  // namespace spawncheck::tool
