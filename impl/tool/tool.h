// SPDX-License-Identifier: MIT
//
// What the commands share: the common options, output, and the exit statuses that scripts rely on.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "impl/schedules/search/scheduler.h"
#include "impl/session/finding.h"

namespace CLI {
class App;
}

namespace spawncheck::tool {

inline constexpr int exit_usage = 2;

struct Common {
  std::string implementation = "reference", strategy;
  bool json = false;
  unsigned seconds = 0;  // 0: no bound
  std::uint64_t seed = 1;
};

// Adds the options that every command takes if it runs something.
void add_common(CLI::App& command, Common& common);

// Reports for machines (machine_report.h); empty: none.
struct ReportFiles {
  std::string junit, sarif;
  bool is_wanted() const { return !junit.empty() || !sarif.empty(); }
};
void add_report_files(CLI::App& command, ReportFiles&);

// Returns true if --save can store findings in the directory, or if none is given. Otherwise prints why not.
bool can_save_in(const std::string& directory);

// Set by SIGINT and SIGTERM.
extern std::atomic<bool> interrupted;

class Deadline {
 public:
  explicit Deadline(unsigned seconds)
      : end_(std::chrono::steady_clock::now() + std::chrono::seconds(seconds)), bounded_(seconds != 0) {}
  bool passed() const { return interrupted || (bounded_ && std::chrono::steady_clock::now() >= end_); }

 private:
  std::chrono::steady_clock::time_point end_;
  bool bounded_;
};

// Starts a session. On failure prints why, returns null, and `status` is the exit status.
std::unique_ptr<Session> start_session(const Common&, int& status);

// Prints why nothing can run (Session::why_unsupported). Returns the exit status.
int tell_unsupported(const Session&, const Common&);

// "-" reads standard input. On failure prints why, returns nullopt, and `status` is the exit status.
std::optional<Scenario> read_scenario(const std::string& file, int& status);

void say_json(const nlohmann::json&);   // one line on standard output
void say_progress(const std::string&);  // one line on standard error, when it is a terminal
nlohmann::json verdict_json(const Verdict&, const Session&, const Scenario&);

struct RunOptions {
  Common common;
  std::vector<std::string> files;
  unsigned runs = 1;
  std::string fault;            // a text for fault_named() in model/scenario/scenario.h; empty: none
  bool lockstep = false;        // compare each step with the model
  unsigned snapshot_every = 1;  // lockstep: steps between two comparisons of every table; 0: never
  bool watch = false;           // look at tables and memory between any two calls: impl/session/watch.h
  bool trace = false;           // print what each task did, call by call
  ReportFiles reports;
};
int run(const RunOptions&);

struct SearchBy {
  std::string word;  // of impl/schedules/search/scheduler.h; empty: free runs
  SchedulerOptions options;
};

struct CheckOptions {
  Common common;
  std::uint64_t runs = 0;  // 0: no bound
  bool is_scheduled = false;
  SearchBy search{default_search, {}};  // scheduled
  bool is_lockstep = false;             // compare each step with the model instead of judging
  unsigned snapshot_every = 16;         // lockstep: steps between two comparisons of every table; 0: never
  unsigned replays = 0;       // scheduled: how often each run is repeated by its own schedule, and its trace compared
  std::string save;           // a directory for regressions
  bool has_coverage = false;  // say at the end which features were made, and which met
  bool is_all = false;        // go on after a finding, and collect the distinct ones
  bool own_descriptors = false;  // threads touch only their own descriptors
  ReportFiles reports;
};
int check(const CheckOptions&);

// Returns the i-th scenario: families take turns by their weights, and every third scenario is mutated. If
// may_be(mutant) is false, returns the scenario that the mutant was made from. may_be empty: every mutant may be.
Scenario scenario_number(std::uint64_t seed, std::uint64_t i, GenerateOptions,
                         const std::function<bool(const Scenario&)>& may_be = {});

// Runs a scenario as check does: by a few free runs or schedules at most, until one violates. `used`: how many were
// made. If a scheduled run violates, the scenario gets its schedule.
Verdict run_as_check(Session&, Scenario&, const SearchBy&, std::uint64_t seed, unsigned& used,
                     const std::function<bool()>& is_over);

// lockstep.cpp: a disagreement counts as violated, and is printed with its call. check_in_lockstep() returns an exit
// status.
int check_in_lockstep(Session&, const CheckOptions&);
LockstepVerdict run_in_lockstep(Session&, const Scenario&, const std::string& file, unsigned snapshot_every);

struct SchedulesOptions {
  Common common;
  std::string file;
  std::string search = "exhaustive";  // or a word of impl/schedules/search/scheduler.h
  std::uint64_t runs = 0;             // 0: no bound; 10,000 if nothing else ends the search
  unsigned depth = 3;                 // pct
  unsigned preemptions = ~0u;
  bool unreduced = false;
  bool faults = false;  // instead of a search: one run for each fault at each call of a spawn
  std::string checkpoint, save;
};
int schedules(const SchedulesOptions&);

struct ShrinkOptions {
  Common common;
  std::string file;
  unsigned runs = 1;
  std::string save;
};
int shrink(const ShrinkOptions&);

struct ExploreToolOptions {
  std::vector<std::string> files;
  std::string way = "reference";  // or a way of model/explore/claims.h
  std::string kernel;             // empty: the running kernel, or one that has what the way needs
  bool claims = false;            // explore the files' expectations that name a way, and print a table
  std::string write;              // claims: a page, whose last table is replaced
  std::uint64_t states = 20'000'000, megabytes = 6144;
  unsigned workers = 0;  // 0: one for each processor
  unsigned seconds = 0;
  std::string save;  // a file for the scenario and schedule of a counterexample that this kernel shows
  bool unreduced = false, json = false;
  bool model_only = false;  // do not replay a counterexample on this kernel
};
int explore(const ExploreToolOptions&);

struct RefineOptions {
  unsigned word = 3;       // slots of a word of the table, in place of 64
  std::string kernel;      // empty: each that differs
  bool walks = false;      // instead: the two walks of close_range(2) while other threads act
  bool on_kernel = false;  // instead: run the tables and calls that a real kernel can have, by lockstep
  unsigned seconds = 0;
  bool json = false;
};
int refine(const RefineOptions&);

struct LitmusOptions {
  Common common;                       // seconds, seed, json
  std::vector<std::string> files;      // scenarios; empty: all generated tests
  std::string tests;                   // a pattern of their names; empty: all
  unsigned threads = 0;                // 2 or 3; 0: both
  std::uint64_t runs = 0;              // of each test at most
  std::string save;                    // a directory for the scenarios of outcomes outside the model
  bool unseen = false;                 // list every allowed outcome that was never seen
  bool list = false, allowed = false;  // instead of running: the tests' names, and the model's sets
};
int litmus(const LitmusOptions&);

int list(const std::string& what, bool json);
// Prints what a clause owes, from the tables of model/contract/rules.h. `clause` may be one of its rules.
int help(const std::string& clause);
// kernel.cpp: what the running kernel does, and how it was found out.
int kernel(bool json);

}  // namespace spawncheck::tool
