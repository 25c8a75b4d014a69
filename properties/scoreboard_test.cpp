// SPDX-License-Identifier: MIT
//
// The checked-in scoreboard is not stale: it names the clauses, implementations, limits and versions of today, and each
// scenario that it names still shows what it says. ci/scoreboard makes it anew.
#include "impl/report/scoreboard.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "impl/peers/peers.h"
#include "impl/report/html.h"
#include "impl/session/scheduled.h"
#include "properties/on_the_kernel.h"

namespace spawncheck {
namespace {

const std::filesystem::path root = SPAWNCHECK_SOURCE_DIRECTORY;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

const std::filesystem::path board_path = root / "impl/peers/scoreboard.json";

nlohmann::json checked_in() { return nlohmann::json::parse(text_of(board_path), nullptr, false); }

#define SKIP_WITHOUT_SCOREBOARD() \
  if (!std::filesystem::exists(board_path)) GTEST_SKIP() << board_path << " is missing: ci/scoreboard makes it"

// The name, if it is built in, or the object in bin/peers; empty if there is neither.
std::string implementation_here(const std::string& name) {
#define SPAWNCHECK_ROW(known, get, describe, what) \
  if (name == known) return name;
  SPAWNCHECK_PEERS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
  const std::string object = directory_of_binaries() + "/peers/" + name + ".so";
  return std::filesystem::exists(object) ? object : "";
}

std::unique_ptr<Session> start(const std::string& implementation) {
  SessionOptions options;
  options.implementation = implementation;
  std::string error;
  std::unique_ptr<Session> session = Session::start(options, error);
  EXPECT_NE(session, nullptr) << error;
  return session;
}

// Runs the scenario until it violates this clause: one run may violate another clause only.
Verdict run_until(Session& session, const Scenario& scenario, Clause clause) {
  constexpr unsigned runs_max = 400;
  Verdict verdict;
  for (unsigned i = 0; i < runs_max && !verdict.violates(clause); ++i)
    verdict = is_scheduled(scenario) ? session.run_scheduled(scenario, policy_of(Turns::strict))
                                     : session.run(scenario, seed_of_run(1, i));
  return verdict;
}

TEST(Scoreboard, NamesTheClausesOfToday) {
  SKIP_WITHOUT_SCOREBOARD();
  const nlohmann::json board = checked_in();
  ASSERT_FALSE(board.is_discarded());
  std::vector<std::string> clauses;
  for (int c = 0; c < clause_count; ++c) clauses.emplace_back(name(static_cast<Clause>(c)));
  EXPECT_EQ(board["clauses"], nlohmann::json(clauses)) << "ci/scoreboard";
}

TEST(Scoreboard, HasEveryBuiltInImplementationAndEveryObject) {
  SKIP_WITHOUT_SCOREBOARD();
  const nlohmann::json board = checked_in();
  std::vector<std::string> named;
  for (const auto& row : board["implementations"]) named.push_back(row["implementation"]);
  const auto expect_named = [&](const std::string& name) {
    EXPECT_TRUE(std::find(named.begin(), named.end(), name) != named.end()) << name << ": ci/scoreboard";
  };
#define SPAWNCHECK_ROW(known, get, describe, what) expect_named(known);
  SPAWNCHECK_PEERS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(directory_of_binaries() + "/peers", none))
    if (entry.path().extension() == ".so") expect_named(entry.path().stem().string());
}

TEST(Scoreboard, HasTheLimitsPromisesAndVersionsOfToday) {
  SKIP_WITHOUT_SCOREBOARD();
  const nlohmann::json board = checked_in();
  for (const auto& row : board["implementations"]) {
    const std::string name = row["implementation"], here = implementation_here(name);
    if (here.empty()) continue;  // its library is not installed
    const std::unique_ptr<Session> session = start(here);
    ASSERT_NE(session, nullptr);
    EXPECT_EQ(row["promises"], session->implementation().promises) << name << ": ci/scoreboard";
    nlohmann::json limits = nlohmann::json::array();
    for (const auto& l : session->implementation().limits)
      limits.push_back({{"clause", l.clause}, {"says", l.says}, {"what", l.what}, {"source", l.source}});
    EXPECT_EQ(row["limits"], limits) << name << ": ci/scoreboard";
    if (board["kernel"] == kernel_release()) {
      EXPECT_EQ(row["version"], session->implementation().version) << name << ": ci/scoreboard";
    }
  }
}

TEST(Scoreboard, EachScenarioItNamesShowsTheClauseItSays) {
  SKIP_WITHOUT_SCOREBOARD();
  const nlohmann::json board = checked_in();
  if (board["kernel"] != kernel_release())
    GTEST_SKIP() << "it was made on Linux " << board["kernel"] << ", and what is found depends on the kernel";
  unsigned tried = 0;
  for (const auto& row : board["implementations"]) {
    const std::string here = implementation_here(row["implementation"]);
    std::unique_ptr<Session> session;
    for (const auto& cell : row["cells"]) {
      if (cell["result"] != "violated") continue;  // "seen": not in every try
      const std::filesystem::path path = root / cell["file"].get<std::string>();
      EXPECT_TRUE(std::filesystem::exists(path)) << path;
      if (here.empty() || !std::filesystem::exists(path)) continue;
      if (session == nullptr) session = start(here);
      ASSERT_NE(session, nullptr);
      auto parsed = parse(text_of(path));
      ASSERT_TRUE(std::holds_alternative<Scenario>(parsed)) << path;
      const Scenario& scenario = std::get<Scenario>(parsed);
      const std::optional<Clause> clause = clause_named(cell["clause"].get<std::string>());
      ASSERT_TRUE(clause);
      const Verdict verdict = run_until(*session, scenario, *clause);
      EXPECT_TRUE(verdict.violates(*clause)) << path << ": " << name(verdict.status) << ": " << verdict.observed;
      ++tried;
    }
  }
  EXPECT_GT(tried, 0u) << "the canary at least is violated";
}

// --- the renderers, on a finding that is made here

Scoreboard small_board() {
  Session& session = session_with("canary");
  const Scenario scenario = std::get<Scenario>(
      parse("fd 3 memfd\nfd 4 memfd\nthread\n  spawn only hold keep 3>4,4>3 -> $0\nthread\n  memfd -> $0\n"));
  sc_policy policy = policy_of(Turns::lenient);
  policy.results = 1;
  const Verdict verdict = session.run_scheduled(scenario, policy);
  EXPECT_EQ(verdict.status, Status::violated);
  Scoreboard board;
  board.kernel = "6.<1>";
  Row row;
  row.implementation = row.shown = "canary";
  row.policies = 7;
  row.cells.assign(clause_count, std::vector<Cell>(policy_count, {CellKind::holds, "", -1}));
  row.cells[static_cast<int>(Clause::fd_kept)][SPAWNCHECK_FDS_ONLY] = {CellKind::violated, "", 0};
  Found found;
  found.finding.scenario = scenario;
  found.finding.verdict = verdict;
  found.finding.verdict.name_by(Clause::fd_kept);
  found.finding.implementation = "canary";
  found.policy = SPAWNCHECK_FDS_ONLY;
  found.picture = lanes_of(scenario, session.history(), &session.trace());
  row.found.push_back(std::move(found));
  board.rows.push_back(std::move(row));
  return board;
}

TEST(Scoreboard, APictureHasALaneForEachTaskAndTheTablesOfBothEnds) {
  const Scoreboard board = small_board();
  const Lanes& lanes = *board.rows[0].found[0].picture;
  EXPECT_EQ(lanes.lane, (std::vector<std::string>{"thread 0", "thread 1", "child 0.0"}));
  const auto has = [&](const char* text) {
    return std::any_of(lanes.marks.begin(), lanes.marks.end(),
                       [&](const Mark& m) { return m.text.find(text) != std::string::npos; });
  };
  EXPECT_TRUE(has("dup2(3, 4) = 4") && has("memfd_create") && has("execs"));
  ASSERT_EQ(lanes.before.size(), 1u);
  EXPECT_EQ(lanes.before[0].rows.size(), 2u);
  ASSERT_EQ(lanes.after.size(), 2u);
  EXPECT_EQ(lanes.after[0].rows.size(), 3u) << "the caller has what its other thread opened besides";
  ASSERT_EQ(lanes.after[1].rows.size(), 2u);
  EXPECT_EQ(lanes.after[1].rows[0].text, lanes.after[1].rows[1].text) << "3 and 4 are one description in the child";
}

TEST(Scoreboard, APageRefersToNothingOutsideItselfAndEscapesWhatItShows) {
  const std::string html = to_html(small_board());
  for (const char* outside : {"http:", "https:", "src=", "@import", "url("})
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  EXPECT_NE(html.find("6.&lt;1&gt;"), std::string::npos);
  EXPECT_NE(html.find("href=\"#f0-0\""), std::string::npos);
  EXPECT_NE(html.find("id=\"f0-0\""), std::string::npos);
  EXPECT_NE(html.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_EQ(escaped("<a b=\"&\">"), "&lt;a b=&quot;&amp;&quot;&gt;");
}

TEST(Scoreboard, NothingIsSearchedOfWhatCouldNotRun) {
  Scoreboard board = small_board();
  Row& row = board.rows[0];
  row.found.clear();
  row.cells.clear();
  row.why_not = "it needs what is missing here";
  for (const std::string& text : {to_text(board), to_markdown(board), to_html(board)}) {
    EXPECT_NE(text.find(row.why_not), std::string::npos) << text;
    EXPECT_EQ(text.find("0 runs"), std::string::npos) << text;
  }
  EXPECT_EQ(to_json(board)["implementations"][0]["searched"], nlohmann::json::array());
}

TEST(Scoreboard, EveryFormatTellsTheViolationAndItsPolicy) {
  const Scoreboard board = small_board();
  EXPECT_NE(to_text(board).find("canary, policy only: violated fd.kept"), std::string::npos) << to_text(board);
  EXPECT_NE(to_markdown(board).find("only: **violated**"), std::string::npos) << to_markdown(board);
  const nlohmann::json json = to_json(board);
  unsigned violated = 0;
  for (const auto& cell : json["implementations"][0]["cells"]) violated += cell["result"] == "violated";
  EXPECT_EQ(violated, 1u);
}

}  // namespace
}  // namespace spawncheck
