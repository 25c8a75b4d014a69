// SPDX-License-Identifier: MIT
#include <algorithm>
#include <iterator>

#include "model/contract/verdict.h"

namespace spawncheck {

namespace {

struct Row {
  std::string_view name;
  bool promised;
  std::string_view meaning;
};

constexpr Row rows[] = {
#define SPAWNCHECK_ROW(id, name, promised, meaning) {name, promised != 0, meaning},
    SPAWNCHECK_CLAUSES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

const Row& row(Clause c) { return rows[static_cast<std::size_t>(c)]; }

}  // namespace

std::string_view name(Clause c) { return row(c).name; }
std::string_view meaning(Clause c) { return row(c).meaning; }
bool is_promised(Clause c) { return row(c).promised; }

std::optional<Clause> clause_named(std::string_view wanted) {
  for (int i = 0; i < clause_count; ++i)
    if (rows[i].name == wanted) return static_cast<Clause>(i);
  return std::nullopt;
}

Clauses Clauses::basic() {
  Clauses set;
  for (int i = 0; i < clause_count; ++i)
    if (!rows[i].promised) set = set.with(static_cast<Clause>(i));
  return set;
}

Clauses Clauses::promised_by(std::string_view promises) {
  Clauses set = basic();
  while (!promises.empty()) {
    const std::size_t end = promises.find(' ');
    if (const auto clause = clause_named(promises.substr(0, end))) set = set.with(*clause);
    promises = end == std::string_view::npos ? std::string_view{} : promises.substr(end + 1);
  }
  return set;
}

bool Verdict::violates(Clause wanted) const {
  return clause == wanted || std::any_of(also.begin(), also.end(), [&](const Breach& b) { return b.clause == wanted; });
}

bool Verdict::is_within_limit(Clause wanted) const {
  return std::any_of(limits.begin(), limits.end(), [&](const DocumentedLimit& l) { return l.clause == wanted; });
}

void Verdict::name_by(Clause wanted) {
  const auto found = std::find_if(also.begin(), also.end(), [&](const Breach& b) { return b.clause == wanted; });
  if (clause == wanted || found == also.end() || !clause) return;
  Breach named{*clause, std::move(observed), std::move(allowed), std::move(rule)};
  std::swap(named, *found);
  clause = named.clause;
  observed = std::move(named.observed);
  allowed = std::move(named.allowed);
  rule = std::move(named.rule);
}

std::vector<Breach> breaches_of(const Verdict& v) {
  if (!v.clause) return {};
  std::vector<Breach> all{{*v.clause, v.observed, v.allowed, v.rule}};
  all.insert(all.end(), v.also.begin(), v.also.end());
  return all;
}

Verdict named(std::vector<Breach> found) {
  // Causes before their consequences; the others in the order in which they were found.
  constexpr Clause first[] = {Clause::live_returns,   Clause::sig_no_handler_in_child,
                              Clause::mm_released,    Clause::mm_unwritten,
                              Clause::proc_unzombied, Clause::fd_untouched,
                              Clause::err_exact,      Clause::fd_kept,
                              Clause::fd_exact};
  Verdict v;
  v.status = Status::violated;
  v.clause = found[0].clause;
  v.observed = std::move(found[0].observed);
  v.allowed = std::move(found[0].allowed);
  v.rule = std::move(found[0].rule);
  v.also.assign(std::make_move_iterator(found.begin() + 1), std::make_move_iterator(found.end()));
  for (const Clause clause : first) {
    if (!v.violates(clause)) continue;
    v.name_by(clause);
    break;
  }
  return v;
}

}  // namespace spawncheck
