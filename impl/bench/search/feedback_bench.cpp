// SPDX-License-Identifier: MIT
//
// What feedback buys a fuzzer: executions of the races target until a planted bug is found, from a corpus that does not
// show it, by what the engine is told of each run ($SPAWNCHECK_FEEDBACK, fuzz/feedback.h). Each arm gets the same
// seeds; a bound on time drops the rest of all of them alike. Executions are counted, not seconds: load on the machine
// changes no result.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "impl/bench/search/statistics.h"

namespace spawncheck {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;
namespace fs = std::filesystem;

struct Options {
  unsigned seeds = 20, first = 1, seconds = 0, executions_max = 3000;
  std::vector<std::string> engines, arms, only;
  std::string binaries = "build", json_file;
};

// Two threads that meet nowhere, and one that spawns from a table with something to keep and something to drop.
constexpr const char* apart =
    "fd 0 null\nfd 3 memfd\nfd 4 memfd cloexec\nthread\n  getfd 0\nthread\n  spawn only hold keep 3>5 -> $0\n";
// A racing bug of impl/mutants that takes some hundreds of executions. Nothing is planted in the last, which shows how
// many pairs are met in so many executions as a trial may have.
constexpr const char* bugs[] = {"cleared-meanwhile", "control"};

constexpr unsigned bytes_max = 600;  // small scenarios, and many of them

constexpr unsigned afl_factor = 3;  // it runs each new input several times

constexpr unsigned trial_seconds_max = 600;  // an engine that says nothing for so long is broken

struct Result {
  std::map<std::string, std::vector<Trial>> executions, pairs;  // by arm
};

// ---- one trial ---------------------------------------------------------------------------------

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The number after a word, in the last place where the word stands.
std::optional<double> number_after(const std::string& text, const std::string& word) {
  const std::size_t at = text.rfind(word);
  if (at == std::string::npos) return std::nullopt;
  return std::strtod(text.c_str() + text.find_first_not_of(" :", at + word.size()), nullptr);
}

volatile pid_t engine_pid = 0;
volatile sig_atomic_t is_stopped = 0;

// afl-fuzz ends what it has started where it is asked to end itself.
void stop(int) {
  is_stopped = 1;
  if (engine_pid > 0) kill(engine_pid, SIGTERM);
}

// In a process group of its own, so that what it has started ends with it. False: it could not be started, or did not
// end.
bool run(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
         const fs::path& log) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) return false;
  if (pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(127);
    alarm(trial_seconds_max);  // stays over exec
    execvp(argv[0], argv.data());
    _exit(127);
  }
  engine_pid = pid;
  if (is_stopped) kill(pid, SIGTERM);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  engine_pid = 0;
  kill(-pid, SIGKILL);
  return !is_stopped && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) &&
         !(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

struct Place {
  fs::path path;
  Place() {
    std::string name = (fs::temp_directory_path() / "feedback-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path = name;
  }
  ~Place() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

struct Outcome {
  Trial executions;
  double pairs = 0;
};

std::optional<Outcome> try_once(const Options& o, const std::string& engine, const std::string& bug,
                                const std::string& arm, unsigned seed) {
  const Place place;
  const fs::path start = place.path / "start", log = place.path / "log", pairs = place.path / "pairs",
                 root = fs::absolute(o.binaries), bin = root / "dev" / "bin";
  if (place.path.empty() || !fs::create_directory(start)) return std::nullopt;
  std::ofstream(start / "0") << apart;
  std::map<std::string, std::string> environment = {
      {"SPAWNCHECK_BIN", bin},          {"SPAWNCHECK_IMPLEMENTATION", bin / "mutants" / (bug + ".so")},
      {"SPAWNCHECK_FEEDBACK", arm},     {"SPAWNCHECK_PAIRS", pairs},
      {"UBSAN_OPTIONS", "symbolize=0"},  // libFuzzer's stack of a finding takes longer than a trial
  };
  Outcome out;
  if (engine == "libfuzzer") {
    if (!run({root / "libfuzzer-plain/bin/fuzz-races", "-entropic=0", fmt::format("-max_len={}", bytes_max),
              "-print_final_stats=1", fmt::format("-seed={}", seed), fmt::format("-runs={}", o.executions_max),
              fmt::format("-artifact_prefix={}/", place.path.string()), start},
             environment, log))
      return std::nullopt;
    const std::string said = text_of(log);
    const auto executions = number_after(said, "stat::number_of_executed_units");
    if (!executions) return std::nullopt;
    out.executions = {*executions, said.find("spawncheck finding: races: violated") != std::string::npos};
  } else {
    environment.insert({{"AFL_NO_UI", "1"},
                        {"AFL_SKIP_CPUFREQ", "1"},
                        {"AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES", "1"},
                        {"AFL_NO_AFFINITY", "1"},
                        {"AFL_BENCH_UNTIL_CRASH", "1"},
                        {"AFL_NO_STARTUP_CALIBRATION", "1"},
                        {"AFL_FAST_CAL", "1"},
                        {"AFL_CUSTOM_MUTATOR_LIBRARY", bin / "afl-mutator.so"},
                        {"AFL_CUSTOM_MUTATOR_ONLY", "1"}});
    if (!run({"afl-fuzz", "-i", start, "-o", place.path / "out", "-s", fmt::format("{}", seed), "-E",
              fmt::format("{}", afl_factor * o.executions_max), "-G", fmt::format("{}", bytes_max), "-t", "20000", "-m",
              "none", "--", root / "afl/bin/fuzz-races"},
             environment, log))
      return std::nullopt;
    const std::string stats = text_of(place.path / "out/default/fuzzer_stats");
    const auto executions = number_after(stats, "execs_done"), crashes = number_after(stats, "saved_crashes");
    if (!executions || !crashes) return std::nullopt;
    out.executions = {*executions, *crashes > 0};
  }
  const std::string met = text_of(pairs);
  out.pairs = static_cast<double>(std::count_if(met.begin(), met.end(), [](char c) { return c != 0; }));
  return out;
}

// ---- what they come to -------------------------------------------------------------------------

std::string cell(const std::vector<Trial>& trials) {
  const auto found = std::count_if(trials.begin(), trials.end(), [](const Trial& t) { return t.has_happened; });
  const auto median = median_of(trials);
  return fmt::format("{} ({}/{})", median ? fmt::format("{:.0f}", *median) : "none", found, trials.size());
}

// Of each two arms: the log-rank test, a stratum a bug; after Holm's correction.
json compare(const std::string& engine, const std::map<std::string, Result>& results, const Options& o) {
  json rows = json::array();
  std::vector<double> ps;
  for (std::size_t a = 0; a < o.arms.size(); ++a)
    for (std::size_t b = a + 1; b < o.arms.size(); ++b) {
      LogRank sum;
      for (const auto& [bug, r] : results)
        if (r.executions.contains(o.arms[a])) sum += log_rank(r.executions.at(o.arms[a]), r.executions.at(o.arms[b]));
      rows.push_back({{"first", o.arms[a]}, {"second", o.arms[b]}, {"p", sum.p()}, {"more_by_first", sum.less}});
      ps.push_back(sum.p());
    }
  const std::vector<double> corrected = holm(ps);
  for (std::size_t i = 0; i < ps.size(); ++i) {
    rows[i]["p_holm"] = corrected[i];
    fmt::print("{:<10} {} against {}: p {:.2g}, by Holm {:.2g}; sooner: {}\n", engine, std::string(rows[i]["first"]),
               std::string(rows[i]["second"]), ps[i], corrected[i],
               std::string(rows[i][rows[i]["more_by_first"] > 0 ? "first" : "second"]));
  }
  return rows;
}

json bench(const std::string& engine, const Options& o, Clock::time_point end, bool& is_broken) {
  std::map<std::string, Result> results;
  json trials = json::array();
  for (unsigned i = 0; i < o.seeds; ++i)
    for (const std::string bug : bugs) {
      if (!o.only.empty() && std::find(o.only.begin(), o.only.end(), bug) == o.only.end()) continue;
      std::map<std::string, Outcome> round;
      for (const std::string& arm : o.arms) {
        if (o.seconds != 0 && Clock::now() >= end) break;
        const auto outcome = try_once(o, engine, bug, arm, o.first + i);
        if (!outcome) {
          fmt::print(stderr, "feedback-bench: {}, {}, {}: the engine did not run\n", engine, bug, arm);
          is_broken = true;
          return trials;
        }
        round[arm] = *outcome;
        fmt::print(stderr, "{} {} {} seed {}: {} executions, {}\n", engine, bug, arm, o.first + i,
                   outcome->executions.time, outcome->executions.has_happened ? "found" : "not found");
      }
      if (round.size() < o.arms.size()) continue;
      for (const auto& [arm, of] : round) {
        results[bug].executions[arm].push_back(of.executions);
        results[bug].pairs[arm].push_back({of.pairs, true});
        trials.push_back({bug, arm, o.first + i, of.executions.time, of.executions.has_happened, of.pairs});
      }
    }
  fmt::print("\n{:<32}", engine + ": executions, median (found)");
  for (const std::string& arm : o.arms) fmt::print("{:>18}", arm);
  fmt::print("\n");
  for (const auto& [bug, r] : results) {
    fmt::print("{:<32}", bug);
    for (const std::string& arm : o.arms) fmt::print("{:>18}", cell(r.executions.at(arm)));
    fmt::print("\n{:<32}", "  pairs met by then, median");
    for (const std::string& arm : o.arms) fmt::print("{:>18.0f}", median_of(r.pairs.at(arm)).value_or(0));
    fmt::print("\n");
  }
  return {{"trials", trials}, {"tests", compare(engine, results, o)}};
}

}  // namespace
}  // namespace spawncheck

int main(int argc, char** argv) {
  using namespace spawncheck;
  Options options;
  CLI::App app{"Executions until a fuzzer finds a racing bug, by what it is told of each run"};
  app.add_option("--seeds", options.seeds, "trials of each arm for each bug");
  app.add_option("--first", options.first, "the first seed");
  app.add_option("--executions", options.executions_max, "of a trial at most")->check(CLI::Range(1, 10'000'000));
  app.add_option("--seconds", options.seconds, "bound of each engine; 0: none");
  const auto list = [&](const char* name, std::vector<std::string>& into, const std::vector<std::string>& all) {
    into = all;
    app.add_option(name, into)->delimiter(',')->allow_extra_args(false)->check(CLI::IsMember(all));
  };
  list("--engines", options.engines, {"libfuzzer", "afl"});
  list("--arms", options.arms, {"none", "overlaps"});
  app.add_option("--binaries", options.binaries, "has libfuzzer-plain, afl and dev");
  app.add_option("--json", options.json_file, "a file for every trial: bug, arm, seed, executions, found, pairs");
  app.add_option("BUG", options.only, "default: all");
  CLI11_PARSE(app, argc, argv);
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
  json out = {{"executions_max", options.executions_max}, {"seeds", options.seeds}};
  bool is_broken = false;
  for (const std::string& engine : options.engines)
    out[engine] = bench(engine, options, Clock::now() + std::chrono::seconds(options.seconds), is_broken);
  if (!options.json_file.empty()) std::ofstream(options.json_file) << out.dump(1) << "\n";
  return is_broken ? 5 : 0;
}
