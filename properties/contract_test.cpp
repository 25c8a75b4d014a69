// SPDX-License-Identifier: MIT
//
// The contract is a document: contract.md says what the tables of rules.h and verdict.h say, word for word, and each
// clause has a scenario in which one implementation keeps the clause and another breaks it.
#include <fstream>
#include <set>
#include <sstream>

#include "impl/session/claims.h"
#include "impl/session/scheduled.h"
#include "model/contract/habits.h"
#include "model/contract/rules.h"
#include "properties/on_the_kernel.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

const std::string root = SPAWNCHECK_SOURCE_DIRECTORY;

std::string text_of(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(root + "/" + path).rdbuf();
  return text.str();
}

const std::string& document() {
  static const std::string text = text_of("model/contract/contract.md");
  return text;
}

bool says(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

std::string line_of(std::initializer_list<std::string_view> cells) {
  std::string line = "|";
  for (const std::string_view cell : cells) line += " " + std::string(cell) + " |";
  return line + "\n";
}

// Returns the text from the clause's heading to the next heading that begins with "##".
std::string section(Clause clause) {
  const std::size_t from = document().find("### " + std::string(name(clause)) + "\n");
  if (from == std::string::npos) return {};
  const std::size_t to = document().find("\n##", from + 1);
  return document().substr(from, to - from);
}

TEST(Document, HasASectionForEachClauseWithItsMeaningAndItsRules) {
  for (int i = 0; i < clause_count; ++i) {
    const auto clause = static_cast<Clause>(i);
    const std::string text = section(clause), meant(meaning(clause));
    ASSERT_FALSE(text.empty()) << name(clause);
    EXPECT_TRUE(says(text, meant.substr(1) + ".")) << name(clause) << ": " << meant;
    EXPECT_EQ(is_promised(clause), says(text, "Owed by who promises it.")) << name(clause);
    std::size_t in_table = 0, in_text = 0;
    for (const RuleRow& r : rules()) {
      if (r.clause != clause) continue;
      ++in_table;
      EXPECT_TRUE(says(text, line_of({r.identifier, r.obligation, r.source}))) << r.identifier;
    }
    for (std::size_t at = 0; (at = text.find("\n| " + std::string(name(clause)) + "/", at)) != std::string::npos; ++at)
      ++in_text;
    EXPECT_GT(in_table, 0u) << name(clause);
    EXPECT_EQ(in_text, in_table) << name(clause);
  }
}

TEST(Document, NamesEachRuleByItsClauseAndANumber) {
  std::set<std::string_view> seen;
  for (const RuleRow& r : rules()) {
    EXPECT_TRUE(seen.insert(r.identifier).second) << r.identifier;
    EXPECT_EQ(r.identifier.substr(0, r.identifier.find('/')), name(r.clause));
    EXPECT_FALSE(r.obligation.empty() || r.source.empty()) << r.identifier;
  }
  EXPECT_EQ(rule(Rule::kept_is_open).rfind("contract fd.kept/1; dup2(2)", 0), 0u) << rule(Rule::kept_is_open);
}

TEST(Document, HasTheTableOfAllowedErrors) {
  std::size_t lines = 0;
  for (const AllowedErrorRow& e : allowed_errors()) {
    EXPECT_TRUE(says(document(), line_of({e.reason, e.errors, e.owed, e.source}))) << e.reason;
    EXPECT_TRUE(e.owed == "must" || e.owed == "may" || e.owed == "undecided") << e.owed;
  }
  const std::size_t from = document().find("## Allowed errors"), to = document().find("\n## ", from);
  for (std::size_t at = from; (at = document().find("\n| ", at + 1)) < to;) ++lines;
  EXPECT_EQ(lines, allowed_errors().size() + 1) << "and its head";
}

TEST(Document, HasTheTableOfHabits) {
  for (const HabitRow& row : habits()) {
    std::string_view rule_id;
    for (const RuleRow& r : rules())
      if (row.lifts && rule(*row.lifts).find(" " + std::string(r.identifier) + ";") != std::string::npos)
        rule_id = r.identifier;
    EXPECT_EQ(row.lifts.has_value(), !rule_id.empty()) << row.word;
    const std::string line = "| " + std::string(row.word) + " | " + std::string(rule_id) +
                             (rule_id.empty() ? "| " : " | ") + std::string(row.accepted) + " |\n";
    EXPECT_TRUE(says(document(), line)) << line;
  }
}

TEST(Document, IsWhereTheInterfacePointsTo) {
  EXPECT_TRUE(says(text_of("impl/peers/implementation.h"), "model/contract/contract.md"));
}

TEST(Document, HasAnExampleForEachClause) {
  for (int i = 0; i < clause_count; ++i) {
    const auto clause = static_cast<Clause>(i);
    std::size_t count = 0;
    for (const ExampleRow& e : examples()) {
      if (e.clause != clause) continue;
      ++count;
      EXPECT_TRUE(says(section(clause), "[Shown](../../corpus/" + std::string(e.scenario) + "): kept by `" +
                                            std::string(e.kept_by) + "`, broken by `" + std::string(e.broken_by) +
                                            "` (" + std::string(e.how) + ").\n"))
          << name(clause);
    }
    EXPECT_EQ(count, 1u) << name(clause);
  }
}

constexpr unsigned runs_max = 300;
constexpr std::uint32_t timeout_ms = 1000;  // of a run that never returns

class Example : public ::testing::TestWithParam<ExampleRow> {
 protected:
  Example() : row(GetParam()), scenario(scenario_of(text_of("corpus/" + std::string(row.scenario)))) {
    scenario.expectations.clear();
    scenario.schedule.clear();
  }

  std::unique_ptr<Session> session(std::string who) {
    SessionOptions options;
    if (const std::size_t colon = who.find(':'); colon != std::string::npos) {
      options.strategy = who.substr(colon + 1);
      who.resize(colon);
    }
    options.implementation = who.starts_with("mutants/") ? directory_of_binaries() + "/" + who + ".so" : who;
    options.timeout_ms = timeout_ms;
    std::string error;
    std::unique_ptr<Session> made = Session::start(options, error);
    EXPECT_NE(made, nullptr) << error;
    return made;
  }

  // Runs freely once, then by random schedules until one violates. Returns the worst verdict.
  Verdict judged(Session& s, unsigned runs) {
    Verdict verdict = s.run(scenario, 0);
    for (unsigned i = 1; i < runs && verdict.status != Status::violated; ++i) {
      const Verdict next = s.run_scheduled(scenario, policy_of(Turns::lenient, SC_RULE_RANDOM, i));
      if (is_worse(next.status, verdict.status)) verdict = next;
    }
    return verdict;
  }

  explore::Exploration explored(const std::string& way) {
    explore::ExploreOptions options;
    options.kernel = model::kernel_named(kernel_of(way));
    return explore::explore(scenario, planner_named(way), options);
  }

  // The exploration reports the two promised clauses beside its verdict.
  bool breaks(const explore::Exploration& e) {
    if (row.clause == Clause::fd_released) return e.released.is_broken;
    if (row.clause == Clause::fd_untransient) return e.untransient.is_broken;
    return e.verdict.status == Status::violated && e.verdict.clause == row.clause;
  }

  // Returns true if the verdict cites a rule of its own clause, so that the reader finds the line.
  static bool cites_its_clause(const Verdict& v) {
    return v.clause && v.rule == rule_of(*v.clause, v.rule) && says(v.rule, "/");
  }

  const ExampleRow& row;
  Scenario scenario;
};

TEST_P(Example, ShowsTheClauseKept) {
  if (row.how == "explore") {
    const explore::Exploration e = explored(std::string(row.kept_by));
    EXPECT_EQ(e.verdict.status, Status::holds) << e.verdict.observed;
    EXPECT_FALSE(breaks(e));
    return;
  }
  const auto s = session(std::string(row.kept_by));
  ASSERT_NE(s, nullptr);
  const Verdict verdict = judged(*s, 20);
  EXPECT_EQ(verdict.status, Status::holds) << verdict.observed << "\n" << print(scenario);
}

TEST_P(Example, ShowsTheClauseBroken) {
  if (row.how == "explore") {
    const explore::Exploration e = explored(std::string(row.broken_by));
    EXPECT_TRUE(breaks(e));
    EXPECT_TRUE(e.verdict.status != Status::violated || cites_its_clause(e.verdict)) << e.verdict.rule;
    return;
  }
  const auto s = session(std::string(row.broken_by));
  ASSERT_NE(s, nullptr);
  const Verdict verdict = judged(*s, runs_max);
  ASSERT_EQ(verdict.status, Status::violated) << verdict.observed << "\n" << print(scenario);
  EXPECT_EQ(name(*verdict.clause), name(row.clause)) << verdict.observed;
  EXPECT_TRUE(cites_its_clause(verdict)) << verdict.rule;
}

INSTANTIATE_TEST_SUITE_P(OfEachClause, Example, ::testing::ValuesIn(examples().begin(), examples().end()),
                         [](const auto& i) {
                           std::string text(name(i.param.clause));
                           for (char& c : text)
                             if (c == '.') c = '_';
                           return text;
                         });

}  // namespace
}  // namespace spawncheck
