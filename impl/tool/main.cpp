// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "impl/schedules/search/scheduler.h"
#include "impl/tool/audit.h"
#include "impl/tool/manual.h"
#include "impl/tool/matrix.h"
#include "impl/tool/reproduce.h"
#include "impl/tool/tool.h"

namespace spawncheck::tool {

std::atomic<bool> interrupted{false};

namespace {

void interrupt(int) { interrupted = true; }

void handle_interrupts() {
  struct sigaction action {};
  action.sa_handler = interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

std::vector<std::string> scheduler_words() {
  std::vector<std::string> words;
  for (const spawncheck::SchedulerRow& row : spawncheck::scheduler_rows()) words.push_back(row.word);
  return words;
}

std::string schedulers_text() {
  std::string text;
  for (const spawncheck::SchedulerRow& row : spawncheck::scheduler_rows())
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", row.word, row.what);
  return text;
}

}  // namespace

void add_common(CLI::App& command, Common& common) {
  command.add_option("--implementation", common.implementation,
                     "a name of `spawncheck list implementations`, or a shared object FILE.so");
  command.add_option("--strategy", common.strategy, "force a strategy of the reference");
  command.add_option("--seconds", common.seconds, "bound of the whole call");
  command.add_option("--seed", common.seed, "drives everything that is random");
  command.add_flag("--json", common.json, "one JSON object a line on standard output, nothing else there");
}

}  // namespace spawncheck::tool

int main(int argc, char** argv) {
  using namespace spawncheck::tool;
  CLI::App app("spawncheck: is a way of starting processes correct while other threads open descriptors?",
               "spawncheck");
  app.require_subcommand(1);
  app.set_version_flag("--version", "spawncheck " SPAWNCHECK_VERSION);
  app.footer(
      "Exit status: 0 holds, 1 violated, 2 bad usage or a malformed scenario, 3 inconclusive (nothing was decided, or "
      "a violation was seen once and did not come back), "
      "4 unsupported (nothing could run), 5 broken.");

  RunOptions run_options;
  CLI::App* run_command = app.add_subcommand("run", "run scenarios and judge them");
  run_command->add_option("FILE", run_options.files, "scenario files; - is standard input")->required();
  run_command->add_option("--runs", run_options.runs, "how often each, until one violates");
  run_command->add_flag("--trace", run_options.trace,
                        "run by the scenario's schedule, else let each task run on, and print every call");
  run_command->add_flag(
      "--lockstep", run_options.lockstep,
      "run by the schedule as far as it goes, then let each run on, and compare each step with the model");
  run_command->add_option("--snapshots", run_options.snapshot_every,
                          "lockstep: compare every task's table and attributes after each so many steps; 0: never");
  run_command->add_flag("--watch", run_options.watch,
                        "run by the schedule, look between any two calls, and say of fd.untouched, fd.untransient and "
                        "mm.unwritten what was seen");
  run_command->add_option(
      "--fault", run_options.fault,
      "run by the schedule, and let something go wrong: EMFILE@0.2.5 at call 5 of thread 0's operation 2, "
      "or signal:USR1@, child:TERM@, kill-child@, stop-child@, kill-parent@");
  add_report_files(*run_command, run_options.reports);
  add_common(*run_command, run_options.common);

  CheckOptions check_options;
  std::string mode = "free";
  CLI::App* check_command = app.add_subcommand("check", "generate scenarios and run them until one violates");
  check_command->add_option("--runs", check_options.runs, "how many runs at most");
  check_command
      ->add_option("--mode", mode,
                   "free: real threads, no tracing; scheduled: traced, with a random schedule that is part of a "
                   "finding; lockstep: likewise, and each call is compared with the model")
      ->check(CLI::IsMember({"free", "scheduled", "lockstep"}));
  check_command
      ->add_option("--search", check_options.search.word,
                   "scheduled: how the next task is chosen; " + schedulers_text())
      ->check(CLI::IsMember(scheduler_words()));
  check_command->add_option("--depth", check_options.search.options.depth, "pct: as for schedules")
      ->check(CLI::Range(1u, spawncheck::pct_depth_max));
  check_command->add_option("--snapshots", check_options.snapshot_every,
                            "lockstep: compare every task's table and attributes after each so many steps; 0: never");
  check_command->add_option("--replays", check_options.replays,
                            "scheduled: repeat every run so often by its own schedule, and compare the traces");
  check_command->add_option("--save", check_options.save, "store a violation's scenario in this directory");
  check_command->add_flag(
      "--all", check_options.is_all,
      "go on after a finding until --seconds or --runs are over, and tell each distinct one once: its "
      "clause, how often it came, its file, its replay");
  check_command->add_flag("--own-descriptors", check_options.own_descriptors,
                          "threads close, replace and duplicate only numbers that they have opened, or that the world "
                          "has: for libraries that hold descriptors of their own");
  check_command->add_flag("--coverage", check_options.has_coverage,
                          "at the end: which features the scenarios had, and which of them met in one");
  add_report_files(*check_command, check_options.reports);
  add_common(*check_command, check_options.common);

  std::vector<std::string> searches = scheduler_words();
  searches.push_back("exhaustive");
  SchedulesOptions schedules_options;
  CLI::App* schedules_command = app.add_subcommand("schedules", "run one scenario under many schedules");
  schedules_command->add_option("FILE", schedules_options.file, "a scenario; its schedule is ignored")->required();
  schedules_command
      ->add_option("--search", schedules_options.search,
                   "exhaustive: all that differ in more than commuting steps; " + schedulers_text())
      ->check(CLI::IsMember(searches));
  schedules_command->add_option("--depth", schedules_options.depth, "pct: how many ordering constraints a bug needs")
      ->check(CLI::Range(1u, spawncheck::pct_depth_max));
  schedules_command->add_option("--runs", schedules_options.runs, "how many schedules at most");
  schedules_command->add_option("--preemptions", schedules_options.preemptions,
                                "leave out schedules with more preemptions");
  schedules_command->add_flag("--unreduced", schedules_options.unreduced,
                              "exhaustive: every order of commuting steps too");
  schedules_command->add_flag("--faults", schedules_options.faults,
                              "instead: one run for each thing that can go wrong at each call of a spawn");
  schedules_command->add_option("--checkpoint", schedules_options.checkpoint,
                                "exhaustive: go on from this file if it is there, and leave there where it ended");
  schedules_command->add_option("--save", schedules_options.save, "store a violation's scenario in this directory");
  add_common(*schedules_command, schedules_options.common);

  ExploreToolOptions explore_options;
  CLI::App* explore_command = app.add_subcommand(
      "explore",
      "every interleaving of a scenario on the model, at the kernel's own steps; the shortest way to a violation");
  explore_command->add_option("FILE", explore_options.files, "a scenario file; - is standard input")->required();
  explore_command->add_option(
      "--way", explore_options.way,
      "how its spawns are made: reference, reference:STRATEGY, or a way of model/explore/claims.h");
  explore_command->add_option("--kernel", explore_options.kernel,
                              "a release (6.1.192), behaviours of `spawncheck kernel`, or a release with changes "
                              "(6.18,exec-closes-before-wake,-pidfd-thread); default: what the running one does, or "
                              "what the way needs");
  explore_command->add_flag("--claims", explore_options.claims,
                            "explore what the files expect of ways by name, and print a table");
  explore_command->add_option("--write", explore_options.write,
                              "of --claims: put the table in the place of the one that this page ends with");
  explore_command->add_option("--states", explore_options.states, "how many states at most");
  explore_command->add_option("--megabytes", explore_options.megabytes, "how much memory for states at most")
      ->check(CLI::Range(64, 1 << 20));
  explore_command->add_option("--workers", explore_options.workers, "threads; default: one for each processor")
      ->check(CLI::Range(0, 64));
  explore_command->add_option("--seconds", explore_options.seconds, "how long at most");
  explore_command->add_flag("--unreduced", explore_options.unreduced,
                            "also explore every order of steps that no other task can see");
  explore_command->add_flag("--model-only", explore_options.model_only,
                            "do not replay a counterexample on this kernel");
  explore_command->add_option(
      "--save", explore_options.save,
      "write the scenario with the schedule that shows a counterexample on this kernel to a file");
  explore_command->add_flag("--json", explore_options.json, "one object");

  RefineOptions refine_options;
  CLI::App* refine_command = app.add_subcommand(
      "refine", "close_range(2) as each kernel's code computes it, against what its flags mean, on every small table");
  refine_command->add_option("--word", refine_options.word, "slots of a word: 2, 3 or 4")->check(CLI::Range(2, 4));
  refine_command->add_option("--kernel", refine_options.kernel, "as for explore; default: each that differs");
  refine_command->add_flag("--walks", refine_options.walks,
                           "instead: its closing and its copying walk, among threads that open, install, close, set "
                           "flags and let the table grow");
  refine_command->add_flag("--on-kernel", refine_options.on_kernel,
                           "instead: every table and call that exists there put to this kernel, by lockstep");
  refine_command->add_option("--seconds", refine_options.seconds, "of --on-kernel: how long at most");
  refine_command->add_flag("--json", refine_options.json, "one object a line");

  LitmusOptions litmus_options;
  CLI::App* litmus_command = app.add_subcommand("litmus",
                                                "run every pair of operations over small worlds, without a spawn, as "
                                                "often as time allows: the outcomes seen against the model's set");
  litmus_command->add_option("FILE", litmus_options.files,
                             "scenarios instead of the generated tests; - is standard input");
  litmus_command->add_option("--tests", litmus_options.tests,
                             "those whose name contains this, or is like it where it has a * or ?");
  litmus_command->add_option("--threads", litmus_options.threads, "those of so many threads")->check(CLI::Range(2, 3));
  litmus_command->add_option("--runs", litmus_options.runs, "how often each test at most");
  litmus_command->add_option("--save", litmus_options.save,
                             "store the scenario of each outcome outside the model in this directory");
  litmus_command->add_flag("--unseen", litmus_options.unseen, "list every allowed outcome that was never seen");
  litmus_command->add_flag("--list", litmus_options.list, "instead: the tests, by name");
  litmus_command->add_flag("--allowed", litmus_options.allowed,
                           "instead: the tests, and the outcomes that the model allows");
  litmus_command->add_option("--seconds", litmus_options.common.seconds,
                             "bound of the whole call, shared out evenly; default: 60, unless --runs is given");
  litmus_command->add_option("--seed", litmus_options.common.seed, "drives the order of the tests and the delays");
  litmus_command->add_flag("--json", litmus_options.common.json,
                           "one JSON object a line on standard output, nothing else there");

  AuditOptions audit_options;
  CLI::App* audit_command = app.add_subcommand(
      "audit",
      "follow any program: what each of its execs inherited, and what another order would have let it inherit");
  add_audit(*audit_command, audit_options);
  audit_options.is_interrupted = [] { return interrupted.load(); };

  ShrinkOptions shrink_options;
  CLI::App* shrink_command = app.add_subcommand("shrink", "the smallest scenario that still violates, printed");
  shrink_command->add_option("FILE", shrink_options.file, "a scenario that violates")->required();
  shrink_command->add_option("--runs", shrink_options.runs, "runs in which a candidate must violate once");
  shrink_command->add_option("--save", shrink_options.save, "store the result in this directory");
  add_common(*shrink_command, shrink_options.common);

  ReproduceOptions reproduce_options;
  CLI::App* reproduce_command = app.add_subcommand(
      "reproduce", "a stand-alone C program that shows what a scenario shows: cc -o x x.c -pthread && ./x");
  reproduce_command->add_option("FILE", reproduce_options.file, "a scenario file; - is standard input")->required();
  reproduce_command->add_option("-o,--output", reproduce_options.output, "where to; default: standard output");
  reproduce_command->add_option("--orders", reproduce_options.orders,
                                "several threads, and no schedule: so many orders are tried for a violation");
  reproduce_command->add_flag("--calls", reproduce_options.calls,
                              "write out the system calls that were made, also where a library could be called");
  add_common(*reproduce_command, reproduce_options.common);

  ScoreboardOptions matrix_options;
  matrix_options.common.seconds = 20;
  CLI::App* matrix_command = app.add_subcommand("matrix", "implementations by clauses by policy, as a scoreboard");
  matrix_command->add_option("--implementation", matrix_options.implementations,
                             "which, once for each; default: the built-in ones, and every object in bin/peers");
  matrix_command->add_option("--strategy", matrix_options.common.strategy, "force a strategy of the reference");
  matrix_command->add_option("--seconds", matrix_options.common.seconds, "bound of the whole, shared out evenly");
  matrix_command->add_option("--seed", matrix_options.common.seed, "drives everything that is random");
  matrix_command->add_option("--format", matrix_options.format, "text, markdown, json, or html: one page")
      ->check(CLI::IsMember({"text", "markdown", "json", "html"}));
  matrix_command->add_flag("--json", matrix_options.common.json, "the same as --format json");
  matrix_command->add_option("--save", matrix_options.save,
                             "store each violation's scenario in this directory, and the scoreboard in every format");

  std::string what;
  bool list_json = false;
  CLI::App* list_command = app.add_subcommand("list", "list operations, clauses, implementations and mutants");
  list_command->add_option("WHAT", what, "ops, clauses, implementations or mutants; default: all")
      ->check(CLI::IsMember({"ops", "clauses", "implementations", "mutants"}));
  list_command->add_flag("--json", list_json, "one JSON object a line");

  std::string clause;
  bool has_manual = false;
  CLI::App* help_command =
      app.add_subcommand("help", "what a clause of the contract asks, rule by rule, with the sources");
  help_command->add_option("CLAUSE", clause, "a clause, as in fd.kept, or a rule of a report, as in fd.kept/1");
  help_command->add_flag("--manual", has_manual, "instead: the manual page, for man(1)");

  bool kernel_json = false;
  CLI::App* kernel_command =
      app.add_subcommand("kernel", "what the running kernel does where kernels differ, and how it was found out");
  kernel_command->add_flag("--json", kernel_json, "one JSON object a line");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : exit_usage;
  }
  handle_interrupts();
  check_options.is_scheduled = mode == "scheduled";
  check_options.is_lockstep = mode == "lockstep";
  if (check_options.is_lockstep && check_options.is_all) {
    fmt::print(stderr, "spawncheck: check: --all goes with --mode free and scheduled, not with lockstep\n");
    return exit_usage;
  }
  if (check_options.is_lockstep && check_options.reports.is_wanted()) {
    fmt::print(stderr,
               "spawncheck: check: --junit and --sarif tell of clauses, which --mode lockstep does not judge\n");
    return exit_usage;
  }
  if ((run_options.lockstep || run_options.watch) && run_options.reports.is_wanted()) {
    fmt::print(stderr,
               "spawncheck: run: --junit and --sarif tell of verdicts, which --lockstep and --watch do not give\n");
    return exit_usage;
  }
  if ((run_options.lockstep || run_options.watch) && run_options.common.json) {
    fmt::print(stderr, "spawncheck: run: --lockstep and --watch print text; they have no --json\n");
    return exit_usage;
  }
  for (const std::string* directory :
       {&check_options.save, &schedules_options.save, &litmus_options.save, &shrink_options.save})
    if (!can_save_in(*directory)) return exit_usage;
  if (run_command->parsed()) return run(run_options);
  if (check_command->parsed()) return check(check_options);
  if (schedules_command->parsed()) return schedules(schedules_options);
  if (shrink_command->parsed()) return shrink(shrink_options);
  if (reproduce_command->parsed()) return reproduce(reproduce_options);
  if (matrix_command->parsed()) return scoreboard(matrix_options);
  if (explore_command->parsed()) return explore(explore_options);
  if (audit_command->parsed()) return audit(audit_options);
  if (litmus_command->parsed()) return litmus(litmus_options);
  if (refine_command->parsed()) return refine(refine_options);
  if (help_command->parsed() && has_manual) return fmt::print("{}", manual(app)), 0;
  if (help_command->parsed() && clause.empty()) return fmt::print("{}", app.help()), 0;
  if (help_command->parsed()) return help(clause);
  if (kernel_command->parsed()) return kernel(kernel_json);
  return list(what, list_json);
}
