// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "impl/mutants/faults.h"
#include "impl/peers/peers.h"
#include "impl/tool/tool.h"
#include "model/contract/habits.h"
#include "model/contract/rules.h"
#include "model/scenario/words.h"

namespace spawncheck::tool {

namespace {

std::string_view operand_words(char letter) {
  switch (letter) {
    case 'f':
      return "FD";
    case 'k':
      return "CHILD";
    case 'n':
      return "NUMBER";
    case 'r':
      return "NUMBER|max";
    case 'N':
      return "a|b|c|d";
    case 'd':
      return "read|write";
    case 's':
      return "SIGNAL";
    case 'S':
      return "SIGNALS";
    case 'h':
      return "block|unblock|set";
    case 'D':
      return "default|ignore|handler";
    case 'o':
      return "on|off";
    case 't':
      return "THREAD";
    case 'c':
      return "CELL";
    case 'v':
      return "VALUE";
    default:
      return "POLICY PROGRAM [keep S>T,S..S>T,...] [mask SIGNALS] [default SIGNALS] [ignore SIGNALS] [pgroup N|$N] "
             "[session] [cwd a|b|c|d] [arguments N] [pidfd]";
  }
}

std::string grammar(const OperationRow& row) {
  std::string text(row.word);
  for (const char letter : row.operands) text += fmt::format(" {}", operand_words(letter));
  if (row.flags == "C") text += " [cloexec]";
  if (row.flags == "U") text += " [unshare] [cloexec] | [flags=N]";
  if (row.results > 0) text += row.results == 1 ? " [-> $N]" : " [-> $N [$N]]";
  return text;
}

void list_ops(bool json) {
  for (const OperationRow& row : operation_rows()) {
    if (json)
      say_json({{"op", std::string(row.word)}, {"grammar", grammar(row)}, {"summary", std::string(row.summary)}});
    else
      fmt::print("{}\n    {}\n", grammar(row), row.summary);
  }
  for (const ProgramRow& row : program_rows())
    if (!json) fmt::print("program {:<16}{}\n", row.word, row.summary);
}

void list_clauses(bool json) {
  for (int i = 0; i < clause_count; ++i) {
    const auto clause = static_cast<Clause>(i);
    if (!json)
      fmt::print("{:<26}{}{}\n", name(clause), meaning(clause),
                 is_promised(clause) ? " (owed only by implementations that promise it)" : "");
    nlohmann::json of_clause = nlohmann::json::array();
    for (const RuleRow& r : rules()) {
      if (r.clause != clause) continue;
      if (!json) fmt::print("  {:<24}{}\n", r.identifier, r.obligation);
      of_clause.push_back({{"rule", std::string(r.identifier)},
                           {"obligation", std::string(r.obligation)},
                           {"source", std::string(r.source)}});
    }
    if (json)
      say_json({{"clause", std::string(name(clause))},
                {"promised", is_promised(clause)},
                {"meaning", std::string(meaning(clause))},
                {"rules", std::move(of_clause)}});
  }
}

void list_implementations(bool json) {
  struct Peer {
    const char *name, *what;
  };
  static const Peer peers[] = {
#define SPAWNCHECK_ROW(name, get, describe, what) {name, what},
      SPAWNCHECK_PEERS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
          {"musl:posix_spawn", "musl's posix_spawn(3), in an arena that is linked with musl"}};
  for (const Peer& peer : peers) {
    int status = 0;
    Common common;
    common.implementation = peer.name;
    const std::unique_ptr<Session> session = start_session(common, status);
    if (session == nullptr) continue;
    const ImplementationInfo& info = session->implementation();
    std::string policies;
    for (std::size_t p = 0; p < policy_words().size(); ++p)
      if (info.policies >> p & 1) policies += fmt::format("{}{}", policies.empty() ? "" : " ", policy_words()[p]);
    if (json) {
      nlohmann::json limits = nlohmann::json::array();
      for (const ImplementationInfo::Limit& l : info.limits)
        limits.push_back({{"clause", l.clause}, {"says", l.says}, {"what", l.what}, {"source", l.source}});
      say_json({{"implementation", peer.name},
                {"policies", policies},
                {"sets", info.sets},
                {"promises", info.promises},
                {"version", info.version},
                {"habits", habit_words(info.habits)},
                {"limits", limits},
                {"what", peer.what}});
      continue;
    }
    fmt::print("{:<18}{}\n    policies {}; promises {}\n", peer.name, peer.what, policies,
               info.promises.empty() ? "the basic clauses" : info.promises);
    if (info.habits != 0) fmt::print("    habits {}\n", habit_words(info.habits));
    for (const ImplementationInfo::Limit& l : info.limits)
      fmt::print("    limit {}{}{}: {} ({})\n", l.clause, l.says.empty() ? "" : ", ", l.says, l.what, l.source);
  }
}

void list_mutants(bool json) {
  struct Mutant {
    const char *word, *class_, *shows, *clauses, *what;
  };
  static const Mutant mutants[] = {
#define SPAWNCHECK_ROW(id, word, class_, shows, clauses, what) {word, class_, shows, clauses, what},
      SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
  };
  for (const Mutant& m : mutants) {
    if (json)
      say_json({{"mutant", m.word}, {"class", m.class_}, {"shows", m.shows}, {"clauses", m.clauses}, {"what", m.what}});
    else
      fmt::print("mutants/{}.so{:>{}}{}{}\n", m.word, "", 24 - static_cast<int>(std::string_view(m.word).size()),
                 m.what, m.shows[0] == 'R' ? " (in a race)" : "");
  }
}

const ExampleRow* example_of(Clause clause) {
  for (const ExampleRow& e : examples())
    if (e.clause == clause) return &e;
  return nullptr;
}

// Prints that the word is no clause, and the clauses. Returns the exit status.
int no_such_clause(const std::string& word) {
  std::string names;
  for (int i = 0; i < clause_count; ++i) names += (i == 0 ? "" : ", ") + std::string(name(static_cast<Clause>(i)));
  fmt::print(stderr, "spawncheck: help: {} is none of the clauses: {}\n", word, names);
  return exit_usage;
}

}  // namespace

int help(const std::string& word) {
  const std::optional<Clause> clause = clause_named(word.substr(0, word.find('/')));  // a rule's identifier will do
  if (!clause) return no_such_clause(word);
  fmt::print("{}: {}\nowed by {}\n", name(*clause), meaning(*clause),
             is_promised(*clause) ? "who promises it" : "everyone");
  for (const RuleRow& r : rules())
    if (r.clause == *clause) fmt::print("\n{}\n  {}\n  source: {}\n", r.identifier, r.obligation, r.source);
  if (*clause == Clause::err_exact) {
    fmt::print("\nallowed errors\n");
    for (const AllowedErrorRow& e : allowed_errors())
      fmt::print("  {}: {} ({})\n    source: {}\n", e.reason, e.errors, e.owed, e.source);
  }
  if (const ExampleRow* e = example_of(*clause))
    fmt::print("\nshown by corpus/{}\n  kept by {}, broken by {} ({})\n", e->scenario, e->kept_by, e->broken_by,
               e->how);
  fmt::print("\nmodel/contract/contract.md says when an obligation ends, and why it is so.\n");
  return 0;
}

int list(const std::string& what, bool json) {
  if (what.empty() || what == "ops") list_ops(json);
  if (what.empty() || what == "clauses") list_clauses(json);
  if (what.empty() || what == "implementations") list_implementations(json);
  if (what.empty() || what == "mutants") list_mutants(json);
  return 0;
}

}  // namespace spawncheck::tool
