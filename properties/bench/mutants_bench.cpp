// SPDX-License-Identifier: MIT
//
// How soon `check` kills each planted bug: one line for each bug and mode, over several seeds. Modes: free and
// scheduled as check makes its runs; fault for bugs that show when a call fails. A kill is a violation by a clause of
// the bug's row. In free and scheduled mode it counts only if it comes back when it is tried again.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "impl/mutants/faults.h"
#include "impl/schedules/faults.h"
#include "impl/tool/tool.h"

std::atomic<bool> spawncheck::tool::interrupted{false};

namespace spawncheck {
namespace {

struct Mutant {
  const char *word, *class_, *shows, *clauses;
};
const Mutant mutants[] = {
#define SPAWNCHECK_ROW(id, word, class_, shows, clauses, what) {word, class_, shows, clauses},
    SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

struct Options {
  unsigned seeds = 20, seconds = 30, workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::string> only;  // words or classes; empty: all
  std::string mode, json;         // mode: empty: that of the bug
};

struct Task {
  const Mutant* mutant;
  std::string mode;
};

struct Kill {
  std::string clause;  // empty: the bug lived
  double seconds = 0;
  std::uint64_t runs = 0;
  std::string other;  // a clause outside of the row, or "suspected": no kill
};

constexpr unsigned lives_max = 2;  // seeds in a row that kill nothing; then the rest is not tried

bool names(std::string_view clauses, std::string_view clause) {
  return fmt::format(" {} ", clauses).find(fmt::format(" {} ", clause)) != std::string::npos;
}

class Clock {
 public:
  explicit Clock(double seconds_max) : seconds_max_(seconds_max) {}
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  bool is_over() const { return seconds() >= seconds_max_; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double seconds_max_;
};

bool comes_back(Session& session, const Scenario& scenario, const Verdict& verdict, std::uint64_t seed, unsigned run,
                const Clock& clock) {
  FindingOptions how;
  how.run = run;
  how.is_only_tried = true;
  how.runs_per_try = scenario.schedule.empty() && scenario.threads.size() > 1 ? 20 : 1;
  how.is_over = [&] { return clock.is_over(); };
  return !make_finding(session, scenario, verdict, seed, how).is_suspected();
}

Verdict run_with_faults(Session& session, const Scenario& scenario, const Clock& clock, std::uint64_t& runs) {
  SearchLimits limits;
  limits.is_over = [&] { return clock.is_over(); };
  const FaultResult result = inject_faults(session, scenario, limits);
  runs += result.runs + 1;
  return result.violation ? *result.violation : Verdict{};
}

Kill try_to_kill(Session& session, const Task& task, std::uint64_t seed, unsigned seconds) {
  Kill kill;
  const Clock clock(seconds);
  const bool is_fault = task.mode == "fault", is_scheduled = task.mode == "scheduled";
  for (std::uint64_t i = 0; !clock.is_over(); ++i) {
    Scenario scenario = tool::scenario_number(seed, i, session.generate_options());
    scenario.schedule.clear();
    unsigned used = 0;
    const Verdict verdict =
        is_fault ? run_with_faults(session, scenario, clock, kill.runs)
                 : tool::run_as_check(session, scenario,
                                      is_scheduled ? tool::SearchBy{default_search, {}} : tool::SearchBy{}, seed + i,
                                      used, [&] { return clock.is_over(); });
    kill.runs += used;
    if (verdict.status != Status::violated) continue;
    const std::string clause(name(*verdict.clause));
    if (!names(task.mutant->clauses, clause))
      kill.other = clause;
    else if (!is_fault && !comes_back(session, scenario, verdict, seed + i, used - 1, clock))
      kill.other = "suspected";
    else
      kill.clause = clause;
    if (kill.clause.empty()) continue;
    kill.seconds = clock.seconds();
    break;
  }
  return kill;
}

template <typename Number>
Number at_quantile(std::vector<Number> of, double q) {
  if (of.empty()) return 0;
  std::sort(of.begin(), of.end());
  return of[static_cast<std::size_t>(q * static_cast<double>(of.size() - 1))];
}

nlohmann::json try_seeds(const Task& task, const Options& options) {
  SessionOptions session_options;
  session_options.implementation = directory_of_binaries() + "/mutants/" + task.mutant->word + ".so";
  std::string error;
  const std::unique_ptr<Session> session = Session::start(session_options, error);
  if (session == nullptr) return {{"word", task.mutant->word}, {"mode", task.mode}, {"error", error}};
  std::map<std::string, unsigned> clauses, others;
  std::vector<double> seconds;
  std::vector<std::uint64_t> runs;
  unsigned tried = 0, lives = 0;
  for (; tried < options.seeds && lives < lives_max; ++tried) {
    const Kill kill = try_to_kill(*session, task, 1000 + 7919 * tried, options.seconds);
    if (!kill.other.empty()) ++others[kill.other];
    lives = kill.clause.empty() ? lives + 1 : 0;
    if (kill.clause.empty()) continue;
    ++clauses[kill.clause];
    seconds.push_back(kill.seconds);
    runs.push_back(kill.runs);
  }
  return {{"word", task.mutant->word},
          {"class", task.mutant->class_},
          {"mode", task.mode},
          {"killed", seconds.size()},
          {"tried", tried},
          {"clauses", clauses},
          {"others", others},
          {"runs_median", at_quantile(runs, 0.5)},
          {"runs_worst", at_quantile(runs, 1)},
          {"seconds_median", at_quantile(seconds, 0.5)},
          {"seconds_worst", at_quantile(seconds, 1)}};
}

std::string clause_most_named(const nlohmann::json& clauses) {
  std::string most;
  for (const auto& [clause, count] : clauses.items())
    if (most.empty() || count > clauses[most]) most = clause;
  return most;
}

void say(const nlohmann::json& r) {
  if (r.contains("error")) return fmt::print("{:<26}{}\n", r["word"].get<std::string>(), r["error"].get<std::string>());
  std::string remark;
  for (const auto& [clause, count] : r["others"].items())
    remark += fmt::format(" (also {} x{})", clause, count.get<unsigned>());
  fmt::print("{:<26}{:<13}{:<25}{:<10}{:>3}/{:<3}{:>8} {:>8}{:>9.2f} {:>8.2f}{}\n", r["word"].get<std::string>(),
             r["class"].get<std::string>(), clause_most_named(r["clauses"]), r["mode"].get<std::string>(),
             r["killed"].get<unsigned>(), r["tried"].get<unsigned>(), r["runs_median"].get<std::uint64_t>(),
             r["runs_worst"].get<std::uint64_t>(), r["seconds_median"].get<double>(), r["seconds_worst"].get<double>(),
             remark);
  std::fflush(stdout);
}

std::vector<Task> tasks(const Options& options) {
  std::vector<Task> all;
  for (const Mutant& m : mutants) {
    const auto is_asked = [&](const std::string& what) { return what == m.word || what == m.class_; };
    if (m.shows[0] == 0 || (!options.only.empty() && std::none_of(options.only.begin(), options.only.end(), is_asked)))
      continue;
    if (m.shows[0] == 'F')
      all.push_back({&m, "fault"});
    else if (!options.mode.empty())
      all.push_back({&m, options.mode});
    else
      all.push_back({&m, "free"});
    if (m.shows[0] == 'R' && options.mode.empty()) all.push_back({&m, "scheduled"});
  }
  return all;
}

// Each worker is a process that takes the next task and writes a line for it, until none is left.
nlohmann::json work(const std::vector<Task>& all, const Options& options) {
  auto* next = static_cast<unsigned*>(
      mmap(nullptr, sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  int ends[2];
  if (next == MAP_FAILED || pipe2(ends, O_CLOEXEC) != 0) return {};
  for (unsigned w = 0; w < options.workers; ++w) {
    if (fork() != 0) continue;
    close(ends[0]);
    for (unsigned t; (t = __atomic_fetch_add(next, 1, __ATOMIC_SEQ_CST)) < all.size();) {
      const std::string line = try_seeds(all[t], options).dump() + "\n";  // below PIPE_BUF: written at once
      if (write(ends[1], line.data(), line.size()) < 0) break;
    }
    _exit(0);
  }
  close(ends[1]);
  nlohmann::json results = nlohmann::json::array();
  FILE* lines = fdopen(ends[0], "r");
  char* line = nullptr;
  std::size_t size = 0;
  while (getline(&line, &size, lines) > 0) {
    results.push_back(nlohmann::json::parse(line));
    say(results.back());
  }
  std::free(line);
  std::fclose(lines);
  while (wait(nullptr) > 0) continue;
  return results;
}

void say_whole(const nlohmann::json& results) {
  std::vector<double> medians;
  double worst = 0;
  std::map<std::string, bool> dies;  // in any mode
  for (const auto& r : results) {
    const bool is_killed = !r.contains("error") && r["killed"] == r["tried"];
    dies[r["word"].get<std::string>()] |= is_killed;
    if (!is_killed) continue;
    medians.push_back(r["seconds_median"]);
    worst = std::max(worst, r["seconds_worst"].get<double>());
  }
  std::string living;
  for (const auto& [word, is_dead] : dies)
    if (!is_dead) living += " " + word;
  fmt::print("{} bugs; with every seed {} die; of those lines: median {:.2f} s, worst {:.2f} s\n", dies.size(),
             std::count_if(dies.begin(), dies.end(), [](const auto& d) { return d.second; }), at_quantile(medians, 0.5),
             worst);
  if (!living.empty()) fmt::print("not with every seed:{}\n", living);
}

}  // namespace
}  // namespace spawncheck

int main(int argc, char** argv) {
  using namespace spawncheck;
  Options options;
  CLI::App app{"How soon each planted bug of impl/mutants is killed"};
  app.add_option("--seeds", options.seeds, "seeds for each bug");
  app.add_option("--seconds", options.seconds, "bound of each");
  app.add_option("--workers", options.workers, "processes");
  app.add_option("--mode", options.mode, "free or scheduled; default: free, and scheduled too where it takes a race")
      ->check(CLI::IsMember({"free", "scheduled"}));
  app.add_option("--json", options.json, "a file for the table");
  app.add_option("WHAT", options.only, "words or classes; default: all");
  CLI11_PARSE(app, argc, argv);
  fmt::print("{:<26}{:<13}{:<25}{:<10}{:>7}{:>8} {:>8}{:>9} {:>8}\n", "bug", "class", "clause", "mode", "killed",
             "runs", "worst", "seconds", "worst");
  std::fflush(stdout);
  const nlohmann::json results = work(tasks(options), options);
  say_whole(results);
  if (!options.json.empty()) std::ofstream(options.json) << results.dump(1) << "\n";
  return results.empty() ? 1 : 0;
}
