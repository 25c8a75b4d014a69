// SPDX-License-Identifier: MIT
//
// The scoreboard: implementations by clauses by policy, what was searched and what was found.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "impl/report/lanes.h"
#include "impl/session/finding.h"

namespace spawncheck {

inline constexpr int policy_count = 3;

// A finding is steady if at least so many tries were made and each violated: a test can rely on it.
inline constexpr unsigned steady_tries_min = 10;
inline bool is_steady(const Finding& f) { return f.tries >= steady_tries_min && f.violations == f.tries; }

enum class CellKind {
  holds,         // nothing was found in what was searched
  violated,      // Row::found; the finding is steady
  seen,          // Row::found; the finding is not steady
  limit,         // violated, within a documented limit
  not_promised,  // owed only by implementations that promise it
  not_offered,   // the implementation has no such policy
  undecided      // no run of this policy decided anything
};
std::string_view name(CellKind);  // "holds", "not promised", ...

struct Cell {
  CellKind kind = CellKind::undecided;
  std::string limit;  // a documented limit and its source; a violation may have one too
  int finding = -1;   // of Row::found
};

// What was searched with one policy.
struct Searched {
  std::uint64_t runs = 0, schedules = 0;  // free runs; scheduled ones
  std::uint64_t decided = 0, declined = 0, suspected = 0;
  double seconds = 0;
};

struct Found {
  Finding finding;
  int policy = 0;
  std::optional<Lanes> picture;
};

struct Row {
  std::string implementation;  // as the user named it
  std::string shown;           // its name in a table: without directory and .so
  std::string version;         // of the library behind it, as the library says; empty: not known
  std::string promises;
  std::string libc;
  std::uint32_t policies = 0;
  std::vector<ImplementationInfo::Limit> limits;  // documented
  std::string why_not;                            // why it could not run; then it has no results
  Searched searched[policy_count];
  std::vector<std::vector<Cell>> cells;  // by clause, by policy
  std::vector<Found> found;              // one of each clause and policy at most
};

struct Scoreboard {
  std::string kernel, behaviours;
  std::uint64_t seed = 0;
  std::vector<Row> rows;
};

std::string to_text(const Scoreboard&);
std::string to_markdown(const Scoreboard&);
nlohmann::json to_json(const Scoreboard&);
std::string to_html(const Scoreboard&);

// One word or two for a cell of a table: "holds", "violated", "limit", "-".
std::string word_of(const Cell&);
std::string searched_text(const Searched&);  // "1,204 runs and 310 schedules in 6 s; 12 % declined"

}  // namespace spawncheck
