// SPDX-License-Identifier: MIT
#include "impl/tool/matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "impl/peers/peers.h"
#include "impl/report/scoreboard.h"
#include "impl/reproducer/recorded.h"
#include "impl/session/running_kernel.h"
#include "impl/session/scheduled.h"
#include "impl/session/taken.h"
#include "model/scenario/words.h"

namespace spawncheck::tool {

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned seconds_of_finding_max = 8, runs_per_try_of_race = 20, orders_of_picture_max = 32;
constexpr unsigned tries_of_steady = 4;  // scenarios examined to find one that is steady

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::vector<std::string> all_implementations() {
  std::vector<std::string> out;
#define SPAWNCHECK_ROW(name, get, describe, what) out.push_back(name);
  SPAWNCHECK_PEERS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
  std::vector<std::string> objects;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(directory_of_binaries() + "/peers", none))
    if (entry.path().extension() == ".so") objects.push_back(entry.path().stem().string());
  std::sort(objects.begin(), objects.end());
  out.insert(out.end(), objects.begin(), objects.end());
  return out;
}

bool is_of_policy(const Scenario& s, int policy) {
  for (const Thread& thread : s.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind == SC_OP_SPAWN && op.request.policy != policy) return false;
  return true;
}

// Draws scenarios as scenario_number() does, with spawns of one policy only, and with threads that touch only their own
// descriptors: that a library fails if another thread closes its error pipe is no evidence against it.
Scenario scenario_of_policy(std::uint64_t seed, std::uint64_t i, const Session& session, int policy) {
  GenerateOptions options = session.generate_options();
  options.policies = 1u << policy;
  options.own_descriptors = true;
  Scenario scenario =
      scenario_number(seed, i, options, [policy](const Scenario& mutant) { return is_of_policy(mutant, policy); });
  scenario.schedule.clear();
  return scenario;
}

// Returns a picture of a finding: of every call if a schedule shows the violation, else of the operations.
std::optional<Lanes> picture_of(Session& session, const Finding& f) {
  if (f.is_scheduled) {
    sc_policy policy = policy_of(Turns::strict);
    policy.results = 1;
    if (session.run_scheduled(f.scenario, policy).status == Status::violated)
      return lanes_of(f.scenario, session.history(), &session.trace());
  } else {
    const Recorded recorded = record(session, f.scenario, orders_of_picture_max);
    if (recorded.verdict.status == Status::violated && recorded.verdict.violates(*f.verdict.clause))
      return lanes_of(f.scenario, *recorded.history, recorded.trace.get());
  }
  if (f.evidence.history == nullptr) return std::nullopt;
  return lanes_of(f.evidence.scenario, *f.evidence.history, nullptr);
}

class Search {
 public:
  Search(Session& session, Row& row, const ScoreboardOptions& options)
      : session_(session), row_(row), options_(options), taken_(session.implementation().policies) {}

  void run(int policy, Clock::time_point end) {
    Searched& s = row_.searched[policy];
    const auto start = Clock::now();
    const auto is_over = [&] { return interrupted || Clock::now() >= end; };
    for (std::uint64_t i = 0; !is_over(); ++i) {
      const bool is_scheduled = i % 2 == 1;
      Scenario scenario = scenario_of_policy(options_.common.seed, i, session_, policy);
      if (taken_.has_declined()) {  // ask mostly for what the implementation takes, within the policy
        Random random(options_.common.seed * 0x10001 + i + 1);
        taken_.adapt(scenario, random, 1u << policy);
        suit(scenario, session_.generate_options());
      }
      unsigned used = 0;
      const std::uint64_t seed = options_.common.seed + i;
      const Verdict verdict = run_as_check(session_, scenario, is_scheduled ? SearchBy{default_search, {}} : SearchBy{},
                                           seed, used, is_over);
      (is_scheduled ? s.schedules : s.runs) += used;
      taken_.note(scenario, session_.history());
      count(policy, verdict, s);
      if (verdict.status == Status::violated) examine(policy, scenario, verdict, seed, used - 1, end);
      if (i % 64 == 0)
        say_progress(
            fmt::format("{}, {}: {}", row_.shown, policy_words()[static_cast<std::size_t>(policy)], searched_text(s)));
    }
    s.seconds = seconds_since(start);
    for (auto& by_policy : row_.cells) {
      Cell& cell = by_policy[static_cast<std::size_t>(policy)];
      if (cell.kind == CellKind::undecided && s.decided != 0) cell.kind = CellKind::holds;
    }
  }

 private:
  Cell& cell(Clause c, int policy) { return row_.cells[static_cast<std::size_t>(c)][static_cast<std::size_t>(policy)]; }

  // Each implementation has its own directory: the same scenario may show violations of two of them.
  std::string directory_of_row() const {
    const std::string directory = options_.save + "/" + row_.shown;
    std::error_code none;
    std::filesystem::create_directories(directory, none);
    return directory;
  }

  // A run within a documented limit counts as decided: its other clauses were judged.
  void count(int policy, const Verdict& verdict, Searched& s) {
    s.decided += verdict.status == Status::holds || verdict.status == Status::violated || verdict.is_limited();
    s.declined += is_declined(verdict);
    for (const DocumentedLimit& limit : verdict.limits) {
      Cell& limited = cell(limit.clause, policy);
      if (limited.kind == CellKind::undecided) limited.kind = CellKind::limit;
      limited.limit = limit.what + " (" + limit.source + ")";
    }
  }

  // Keeps one finding for each clause and policy: the first that comes back at all, until one of the next few scenarios
  // gives a steady one.
  void examine(int policy, const Scenario& scenario, const Verdict& verdict, std::uint64_t seed, unsigned run,
               Clock::time_point end) {
    for (const Breach& breach : breaches_of(verdict)) {
      Cell& of_clause = cell(breach.clause, policy);
      if (of_clause.kind == CellKind::violated) continue;
      if (of_clause.kind == CellKind::seen && ++tries_[{breach.clause, policy}] >= tries_of_steady) continue;
      Verdict named = verdict;
      named.name_by(breach.clause);
      FindingOptions how;
      how.run = run;
      how.runs_per_try = !is_scheduled(scenario) && scenario.threads.size() > 1 ? runs_per_try_of_race : 1;
      how.seconds_max = seconds_of_finding_max;
      how.is_over = [&] { return interrupted || Clock::now() >= end + std::chrono::seconds(seconds_of_finding_max); };
      Finding finding = make_finding(session_, scenario, named, seed, how);
      if (finding.is_suspected()) {
        ++row_.searched[policy].suspected;
        return;
      }
      if (row_.implementation.find('/') == std::string::npos) finding.implementation = row_.implementation;
      if (of_clause.kind == CellKind::seen) {
        if (!is_steady(finding)) return;
        std::error_code none;
        std::filesystem::remove(row_.found[static_cast<std::size_t>(of_clause.finding)].finding.file, none);
      }
      std::string error;
      if (!options_.save.empty() && save(finding, directory_of_row(), error).empty())
        fmt::print(stderr, "spawncheck: {}\n", error);
      const bool is_new = of_clause.finding < 0;
      of_clause.kind = is_steady(finding) ? CellKind::violated : CellKind::seen;
      if (is_new) {
        of_clause.finding = static_cast<int>(row_.found.size());
        row_.found.emplace_back();
      }
      std::optional<Lanes> picture = picture_of(session_, finding);
      row_.found[static_cast<std::size_t>(of_clause.finding)] = {std::move(finding), policy, std::move(picture)};
      return;  // other breaches are reported with the finding; their own cells wait for another scenario
    }
  }

  Session& session_;
  Row& row_;
  const ScoreboardOptions& options_;
  Taken taken_;
  std::map<std::pair<Clause, int>, unsigned> tries_;  // to find a steady one, by clause and policy
};

void prepare(Row& row, const Session& session) {
  const ImplementationInfo& info = session.implementation();
  row.policies = info.policies;
  row.promises = info.promises;
  row.version = info.version;
  row.limits = info.limits;
  row.libc = row.implementation.starts_with("musl:") ? "musl" : libc_version();
  row.why_not = session.why_unsupported();
  const Clauses owed = Clauses::promised_by(info.promises);
  row.cells.assign(clause_count, std::vector<Cell>(policy_count));
  for (int c = 0; c < clause_count; ++c)
    for (int p = 0; p < policy_count; ++p) {
      Cell& cell = row.cells[static_cast<std::size_t>(c)][static_cast<std::size_t>(p)];
      if ((info.policies >> p & 1) == 0)
        cell.kind = CellKind::not_offered;
      else if (!owed.has(static_cast<Clause>(c)))
        cell.kind = CellKind::not_promised;
    }
}

std::string in_format(const Scoreboard& board, const std::string& format) {
  if (format == "markdown") return to_markdown(board);
  if (format == "json") return to_json(board).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (format == "html") return to_html(board);
  return to_text(board);
}

int save_formats(const Scoreboard& board, const std::string& directory) {
  const std::pair<const char*, std::string> files[] = {
      {"md", to_markdown(board)},
      {"json", to_json(board).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"},
      {"html", to_html(board)}};
  for (const auto& [ending, text] : files) {
    const std::string path = directory + "/scoreboard." + ending;
    std::ofstream file(path);
    file << text;
    file.close();
    if (file) continue;
    fmt::print(stderr, "spawncheck: {}: {}\n", path, std::strerror(errno));
    return exit_status(Status::broken);
  }
  return 0;
}

}  // namespace

int scoreboard(const ScoreboardOptions& options) {
  const bool is_chosen = !options.implementations.empty();
  const std::vector<std::string> names = is_chosen ? options.implementations : all_implementations();
  std::error_code error;
  if (!options.save.empty() && !std::filesystem::create_directories(options.save, error) && error) {
    fmt::print(stderr, "spawncheck: {}: {}\n", options.save, error.message());
    return exit_usage;
  }
  Scoreboard board;
  board.kernel = kernel_release();
  board.behaviours = behaviours_text();
  board.seed = options.common.seed;
  const auto start = Clock::now();
  for (std::size_t i = 0; i < names.size() && !interrupted; ++i) {
    Row row;
    row.implementation = names[i];
    row.shown = std::filesystem::path(names[i]).stem().string();
    Common common = options.common;
    common.implementation = names[i];
    int status = 0;
    const std::unique_ptr<Session> session = start_session(common, status);
    if (session == nullptr && is_chosen) return status;
    if (session == nullptr) {
      row.why_not = "it cannot be started";
    } else {
      prepare(row, *session);
      Search search(*session, row, options);
      const double all = options.common.seconds, count = static_cast<double>(names.size());
      const int policies = std::popcount(row.policies & 7u);
      int policy_index = 0;
      for (int p = 0; p < policy_count && row.why_not.empty(); ++p) {
        if ((row.policies >> p & 1) == 0) continue;
        ++policy_index;
        const double until = all * (static_cast<double>(i) + static_cast<double>(policy_index) / policies) / count;
        // If findings took longer than their share, later searches get less time, but each a second at least.
        const auto end =
            std::max(start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(until)),
                     Clock::now() + std::chrono::seconds(1));
        search.run(p, end);
      }
    }
    board.rows.push_back(std::move(row));
  }
  say_progress("");
  fmt::print("{}", in_format(board, options.common.json ? "json" : options.format));
  return options.save.empty() ? 0 : save_formats(board, options.save);
}

}  // namespace spawncheck::tool
