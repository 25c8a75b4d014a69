// SPDX-License-Identifier: MIT
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

Clauses Clauses::all() {
  Clauses set;
  for (int i = 0; i < clause_count; ++i) set = set.with(static_cast<Clause>(i));
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

}  // namespace spawncheck
