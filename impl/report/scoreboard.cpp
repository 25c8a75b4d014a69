// SPDX-License-Identifier: MIT
#include "impl/report/scoreboard.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/scenario/words.h"

namespace spawncheck {

namespace {

constexpr std::string_view kind_names[] = {"holds",        "violated",    "seen",     "limit",
                                           "not promised", "not offered", "undecided"};

// One cell of the table for all policies: one word if they agree, which is the common case.
std::string summary_of(const std::vector<Cell>& by_policy) {
  std::vector<std::string> words;
  for (const Cell& c : by_policy)
    if (c.kind != CellKind::not_offered) words.push_back(word_of(c));
  if (words.empty()) return "-";
  if (std::all_of(words.begin(), words.end(), [&](const std::string& w) { return w == words[0]; })) return words[0];
  std::string out;
  for (std::size_t p = 0; p < by_policy.size(); ++p)
    if (by_policy[p].kind != CellKind::not_offered)
      out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", policy_words()[p], word_of(by_policy[p]));
  return out;
}

std::string how_often(const Finding& f) {
  if (is_steady(f)) return {};
  const std::string runs = f.runs_per_try > 1 ? fmt::format("tries of {} runs", f.runs_per_try) : "runs";
  return fmt::format(" (seen in {} of {} {})", f.violations, f.tries, runs);
}

std::string title_of(const Row& r) { return r.shown + (r.version.empty() ? "" : " " + r.version); }

}  // namespace

std::string_view name(CellKind kind) { return kind_names[static_cast<int>(kind)]; }

std::string word_of(const Cell& c) {
  switch (c.kind) {
    case CellKind::not_promised:
    case CellKind::not_offered:
      return "-";
    case CellKind::undecided:
      return "undecided";
    default:
      return std::string(name(c.kind));
  }
}

std::string searched_text(const Searched& s) {
  std::string out = fmt::format("{} runs and {} schedules in {:.0f} s", s.runs, s.schedules, s.seconds);
  const std::uint64_t made = s.runs + s.schedules;
  if (s.declined != 0)
    out += fmt::format("; {} % declined", (100 * s.declined + made / 2) / std::max<std::uint64_t>(made, 1));
  if (s.suspected != 0) out += fmt::format("; {} suspected", s.suspected);
  return out;
}

std::string to_text(const Scoreboard& board) {
  std::string out =
      fmt::format("seed {}\nkernel {}: {}\n\n{:<24}", board.seed, board.kernel, board.behaviours, "clause");
  std::vector<std::size_t> width;
  for (const Row& r : board.rows) {
    std::size_t w = r.shown.size();
    for (const auto& by_policy : r.cells) w = std::max(w, summary_of(by_policy).size());
    width.push_back(w + 2);
    out += fmt::format("{:<{}}", r.shown, w + 2);
  }
  for (int c = 0; c < clause_count; ++c) {
    out += fmt::format("\n{:<24}", name(static_cast<Clause>(c)));
    for (std::size_t i = 0; i < board.rows.size(); ++i) {
      const Row& r = board.rows[i];
      out += fmt::format("{:<{}}", r.cells.empty() ? "-" : summary_of(r.cells[static_cast<std::size_t>(c)]), width[i]);
    }
  }
  out += "\n\n-  not promised, or no such policy\n";
  for (const Row& r : board.rows) {
    if (!r.why_not.empty()) out += fmt::format("{}: {}\n", r.shown, r.why_not);
    for (int p = 0; p < policy_count && r.why_not.empty(); ++p)
      if ((r.policies >> p & 1) != 0)
        out += fmt::format("{}, policy {}: {}\n", title_of(r), policy_words()[static_cast<std::size_t>(p)],
                           searched_text(r.searched[p]));
    for (const Found& f : r.found)
      out += fmt::format("{}, policy {}: violated {}: {}{}; {}\n", r.shown,
                         policy_words()[static_cast<std::size_t>(f.policy)], name(*f.finding.verdict.clause),
                         f.finding.verdict.observed, how_often(f.finding),
                         f.finding.file.empty() ? "--save DIRECTORY keeps the scenario" : f.finding.file);
  }
  return out;
}

std::string to_markdown(const Scoreboard& board) {
  std::string out = fmt::format("Linux {}: {}. Seed {}.\n\n| clause |", board.kernel, board.behaviours, board.seed);
  for (const Row& r : board.rows) out += " " + title_of(r) + " |";
  out += "\n|---|";
  for (std::size_t i = 0; i < board.rows.size(); ++i) out += "---|";
  for (int c = 0; c < clause_count; ++c) {
    out += fmt::format("\n| {} |", name(static_cast<Clause>(c)));
    for (const Row& r : board.rows) {
      std::string cell = r.cells.empty() ? "-" : summary_of(r.cells[static_cast<std::size_t>(c)]);
      for (std::size_t at = 0; (at = cell.find("violated", at)) != std::string::npos; at += 12)
        cell.replace(at, 8, "**violated**");
      out += " " + cell + " |";
    }
  }
  out +=
      "\n\n`-`: not promised, or no such policy. *seen*: violated, and not in every try. Threads touch only "
      "descriptors that "
      "are theirs (`check` also lets them close what is not). *holds* means only that this search found nothing:\n\n| "
      "implementation | policy | searched |\n|---|---|---|\n";
  for (const Row& r : board.rows)
    for (int p = 0; p < policy_count && r.why_not.empty(); ++p)
      if ((r.policies >> p & 1) != 0)
        out += fmt::format("| {} | {} | {} |\n", title_of(r), policy_words()[static_cast<std::size_t>(p)],
                           searched_text(r.searched[p]));
  std::string violations, limits;
  for (const Row& r : board.rows) {
    if (!r.why_not.empty()) out += fmt::format("\n{}: {}.\n", r.shown, r.why_not);
    for (const Found& f : r.found)
      violations +=
          fmt::format("| {} | {} | {} | {}{} | {} |\n", r.shown, name(*f.finding.verdict.clause),
                      policy_words()[static_cast<std::size_t>(f.policy)], f.finding.verdict.observed,
                      how_often(f.finding), f.finding.file.empty() ? "" : fmt::format("`{}`", f.finding.file));
    for (int c = 0; c < static_cast<int>(r.cells.size()); ++c)
      for (const Cell& cell : r.cells[static_cast<std::size_t>(c)])
        if (!cell.limit.empty()) {
          const std::string line = fmt::format("| {} | {} | {} |\n", r.shown, name(static_cast<Clause>(c)), cell.limit);
          if (limits.find(line) == std::string::npos) limits += line;
        }
  }
  if (!violations.empty())
    out += "\n| violated by | clause | policy | observed | scenario |\n|---|---|---|---|---|\n" + violations;
  if (!limits.empty())
    out += "\n| implementation | clause | documented limit, with its source |\n|---|---|---|\n" + limits;
  return out;
}

nlohmann::json to_json(const Scoreboard& board) {
  nlohmann::json rows = nlohmann::json::array(), clauses = nlohmann::json::array();
  for (int c = 0; c < clause_count; ++c) clauses.push_back(std::string(name(static_cast<Clause>(c))));
  for (const Row& r : board.rows) {
    nlohmann::json cells = nlohmann::json::array(), searched = nlohmann::json::array();
    for (int c = 0; c < static_cast<int>(r.cells.size()); ++c)
      for (int p = 0; p < policy_count; ++p) {
        const Cell& cell = r.cells[static_cast<std::size_t>(c)][static_cast<std::size_t>(p)];
        nlohmann::json one = {{"clause", std::string(name(static_cast<Clause>(c)))},
                              {"policy", std::string(policy_words()[static_cast<std::size_t>(p)])},
                              {"result", std::string(name(cell.kind))}};
        if (!cell.limit.empty()) one["limit"] = cell.limit;
        if (cell.finding >= 0) {
          const Finding& f = r.found[static_cast<std::size_t>(cell.finding)].finding;
          one["file"] = f.file;
          one["observed"] = f.verdict.observed;
          one["replay"] = replay_command(f);
          one["tries"] = f.tries;
          one["runs_per_try"] = f.runs_per_try;
          one["violations"] = f.violations;
        }
        cells.push_back(std::move(one));
      }
    for (int p = 0; p < policy_count && r.why_not.empty(); ++p) {
      if ((r.policies >> p & 1) == 0) continue;
      const Searched& s = r.searched[p];
      searched.push_back({{"policy", std::string(policy_words()[static_cast<std::size_t>(p)])},
                          {"runs", s.runs},
                          {"schedules", s.schedules},
                          {"decided", s.decided},
                          {"declined", s.declined},
                          {"suspected", s.suspected},
                          {"seconds", static_cast<int>(s.seconds + 0.5)}});
    }
    nlohmann::json limits = nlohmann::json::array();
    for (const auto& limit : r.limits)
      limits.push_back(
          {{"clause", limit.clause}, {"says", limit.says}, {"what", limit.what}, {"source", limit.source}});
    rows.push_back({{"limits", limits},
                    {"implementation", r.implementation},
                    {"name", r.shown},
                    {"version", r.version},
                    {"libc", r.libc},
                    {"promises", r.promises},
                    {"why_not", r.why_not},
                    {"searched", searched},
                    {"cells", cells}});
  }
  return {{"kernel", board.kernel},
          {"behaviours", board.behaviours},
          {"seed", board.seed},
          {"clauses", clauses},
          {"implementations", rows}};
}

}  // namespace spawncheck
