// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "impl/report/html.h"
#include "impl/report/scoreboard.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

std::string_view policy_word(int p) { return policy_words()[static_cast<std::size_t>(p)]; }

const char* class_of(CellKind kind) {
  constexpr const char* names[] = {"holds", "violated", "seen", "limit", "none", "none", "none"};
  return names[static_cast<int>(kind)];
}

std::string anchor(std::size_t row, std::size_t finding) { return fmt::format("f{}-{}", row, finding); }

std::string cell_html(const Cell& c, std::size_t row, std::string_view policy) {
  std::string out = "<div>";
  if (!policy.empty()) out += fmt::format("<span class=soft>{}</span> ", policy);
  const std::string word = fmt::format("<span class=\"word {}\">{}</span>", class_of(c.kind), escaped(name(c.kind)));
  out += c.finding < 0 ? word
                       : fmt::format("<a href=\"#{}\">{}</a>", anchor(row, static_cast<std::size_t>(c.finding)), word);
  if (!c.limit.empty()) out += fmt::format("<details><summary>source</summary>{}</details>", escaped(c.limit));
  return out + "</div>";
}

// One word where the policies agree, else a line each.
std::string cells_html(const std::vector<Cell>& by_policy, std::size_t row) {
  const Cell* first = nullptr;
  bool agree = true;
  for (const Cell& c : by_policy) {
    if (c.kind == CellKind::not_offered) continue;
    if (first == nullptr) first = &c;
    agree = agree && c.kind == first->kind && c.finding == first->finding && c.limit == first->limit;
  }
  if (first == nullptr) return "<span class=none>not offered</span>";
  if (agree) return cell_html(*first, row, "");
  std::string out;
  for (std::size_t p = 0; p < by_policy.size(); ++p)
    if (by_policy[p].kind != CellKind::not_offered)
      out += cell_html(by_policy[p], row, policy_word(static_cast<int>(p)));
  return out;
}

std::string board_html(const Scoreboard& board) {
  std::string out =
      "<div class=scroll tabindex=0 role=region aria-label=\"implementations by clauses\"><table "
      "class=board><thead><tr><th scope=col>clause";
  for (const Row& r : board.rows)
    out += fmt::format("<th scope=col>{}{}", escaped(r.shown),
                       r.version.empty() ? "" : fmt::format("<br><span class=soft>{}</span>", escaped(r.version)));
  out += "<tbody>";
  for (int c = 0; c < clause_count; ++c) {
    const auto clause = static_cast<Clause>(c);
    out += fmt::format("<tr><th scope=row title=\"{}\">{}", escaped(meaning(clause)), name(clause));
    for (std::size_t i = 0; i < board.rows.size(); ++i)
      out += "<td>" + (board.rows[i].cells.empty() ? "<span class=none>could not run</span>"
                                                   : cells_html(board.rows[i].cells[static_cast<std::size_t>(c)], i));
  }
  return out + "</table></div>";
}

std::string searched_html(const Scoreboard& board) {
  std::string out =
      "<h2>What was searched</h2><p>That nothing was found says as much as this:</p><div class=scroll tabindex=0 "
      "role=region aria-label=\"what was searched\"><table class=board><thead><tr><th scope=col>implementation<th "
      "scope=col>policy<th scope=col>searched<tbody>";
  for (const Row& r : board.rows) {
    if (!r.why_not.empty()) out += fmt::format("<tr><th scope=row>{}<td><td>{}", escaped(r.shown), escaped(r.why_not));
    for (int p = 0; p < policy_count && r.why_not.empty(); ++p)
      if ((r.policies >> p & 1) != 0)
        out += fmt::format("<tr><th scope=row>{}<td>{}<td>{}", escaped(r.shown), policy_word(p),
                           escaped(searched_text(r.searched[p])));
  }
  return out + "</table></div>";
}

std::string finding_html(const Row& row, std::size_t at, std::size_t i) {
  const Found& found = row.found[i];
  const Finding& f = found.finding;
  const Clause clause = *f.verdict.clause;
  std::string out = fmt::format(
      "<section class=finding id=\"{}\"><h3>{}: <span class=violated>{}</span>, policy {}</h3><p>{}.</p><dl>",
      anchor(at, i), escaped(row.shown), name(clause), policy_word(found.policy), escaped(meaning(clause)));
  const auto item = [&](const char* term, const std::string& text) {
    if (!text.empty()) out += fmt::format("<dt>{}<dd>{}", term, escaped(text));
  };
  item("observed", f.verdict.observed);
  item("allowed", f.verdict.allowed);
  item("rule", f.verdict.rule);
  for (const Breach& b : f.verdict.also) item("also violated", std::string(name(b.clause)) + ": " + b.observed);
  item("reproduces", f.runs_per_try > 1
                         ? fmt::format("in {} of {} tries of up to {} runs", f.violations, f.tries, f.runs_per_try)
                         : fmt::format("in {} of {} runs", f.violations, f.tries));
  out += "</dl>";
  if (found.picture)
    out += fmt::format("<h4>{}</h4>", found.picture->is_of_calls ? "The run, every call another task can see"
                                                                 : "The run, operation by operation") +
           to_html(*found.picture);
  out += "<details><summary>scenario and replay</summary><pre>" + escaped(print(f.scenario)) + "</pre><pre>" +
         escaped(replay_command(f)) + "</pre></details>";
  return out + "<p><a href=\"#top\">back to the table</a></section>";
}

}  // namespace

std::string to_html(const Scoreboard& board) {
  std::string out = "<h1 id=top>Implementations of spawn against the contract</h1>";
  out += fmt::format("<p class=soft>Linux {}: {}. Seed {}.</p>", escaped(board.kernel), escaped(board.behaviours),
                     board.seed);
  out +=
      "<p><em>violated</em> leads to what was found; <em>seen</em> likewise, where it did not come back in every try; "
      "<em>limit</em> is documented by the implementation itself; <em>not "
      "promised</em> is owed only by who promises it.</p>";
  out += board_html(board) + searched_html(board);
  std::string findings;
  for (std::size_t r = 0; r < board.rows.size(); ++r)
    for (std::size_t i = 0; i < board.rows[r].found.size(); ++i) findings += finding_html(board.rows[r], r, i);
  if (!findings.empty()) out += "<h2>Violations</h2>" + findings;
  return page("spawncheck: implementations against the contract", out);
}

}  // namespace spawncheck
