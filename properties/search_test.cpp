// SPDX-License-Identifier: MIT
//
// The search of schedules: each schedule that it leaves out ends like one that it ran, it finds a bug that only some
// order shows, and an interrupted search can be continued.
#include <fcntl.h>
#include <linux/close_range.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <memory>
#include <set>

#include "impl/schedules/independence.h"
#include "impl/schedules/sample.h"
#include "impl/session/scheduled.h"
#include "model/scenario/visible.h"
#include "properties/on_the_kernel.h"
#include "properties/rounds.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

std::string table_text(const sc_process& p) {
  std::string out;
  for (std::uint32_t i = 0; i < p.entry_count; ++i) {
    const bool is_named = p.entry[i].key.kind != SC_FILE_PIPE_READ && p.entry[i].key.kind != SC_FILE_PIPE_WRITE &&
                          p.entry[i].key.kind != SC_FILE_SOCKET;
    out += std::to_string(p.entry[i].number) + ":" + std::to_string(p.entry[i].key.kind) + "." +
           (is_named ? std::to_string(p.entry[i].key.id) : "") + (p.entry[i].cloexec ? "c " : " ");
  }
  return out;
}

// How a run ended, by all that can be observed afterwards: results, tables, handlers. Without pids and inodes.
std::string outcome(const Scenario& s, const sc_history& h) {
  std::string out = std::to_string(h.end) + "|";
  for (std::size_t t = 0; t < s.threads.size(); ++t)
    for (std::size_t o = 0; o < s.threads[t].operations.size(); ++o) {
      const sc_op_record& r = h.op[t][o];
      const bool is_spawn = s.threads[t].operations[o].kind == SC_OP_SPAWN;
      out += std::to_string(r.error) + "," + (is_spawn ? "" : std::to_string(r.value[0])) + "," +
             std::to_string(r.value[1]) + " ";
      if (is_spawn && r.child >= 0) out += "{" + table_text(h.child[r.child]) + "} ";
    }
  return out + "|" + table_text(h.parent) + "|" + std::to_string(h.handled_count);
}

std::set<std::string> outcomes(Session& session, const Scenario& scenario, bool reduce, std::uint64_t& schedules) {
  std::set<std::string> all;
  SearchLimits limits;
  limits.reduce = reduce;
  limits.runs = 4000;
  limits.after_run = [&](const Scenario& s, const Session& in, const Verdict&) {
    all.insert(outcome(s, in.history()));
  };
  ExhaustiveSearch search(session, scenario, limits);
  const SearchResult r = search.run();
  EXPECT_TRUE(r.is_complete) << print(scenario);
  EXPECT_EQ(r.diverged, 0u) << print(scenario);
  schedules = r.schedules;
  return all;
}

const char* const small[] = {
    "fd 0 null\nfd 5 memfd cloexec\nthread\n  spawn only hold keep 5>3 -> $0\nthread\n  memfd -> $0\n  close $0\n",
    "fd 0 null\nfd 5 memfd\nthread\n  spawn only hold keep 5>3 -> $0\nthread\n  close 5\n",
    "fd 0 null\nfd 5 memfd\nthread\n  spawn drop hold -> $0\nthread\n  setfd 5 cloexec\n  dup2 0 5\n",
    "fd 0 null\nthread\n  pipe -> $0 $1\n  dup 0\nthread\n  memfd\n  close 0\n",
    "fd 3 memfd\nfd 4 eventfd\nthread\n  dup2 3 4\n  getfd 4\nthread\n  close 4\n  dup2 4 3\n",
    ("disposition USR1 handler\nthread\n  kill USR1\n  mask block USR1\nthread\n  mask block USR1\n"
     "  mask unblock USR1\n"),
    "thread\n  fifo a read\nthread\n  fifo a write\n  memfd\n",
    "limit 8\nfd 5 memfd\nthread\n  limit 6\n  dupfd 5 5\nthread\n  dupfd 5 5\n"};

struct Call {
  sc_visible call;
  std::int64_t arg[3];
};

// Two steps of two threads, as a trace has them.
bool steps_commute(const Call& first, const Call& second) {
  const auto trace = std::make_unique<sc_trace>();
  trace->task_count = trace->step_count = 2;
  for (unsigned i = 0; i < 2; ++i) {
    trace->task[i].thread = trace->step[i].task = static_cast<std::uint8_t>(i);
    trace->task[i].child = trace->task[i].parent = -1;
    const Call& call = i == 0 ? first : second;
    trace->step[i].call = static_cast<std::uint8_t>(call.call);
    std::copy(std::begin(call.arg), std::end(call.arg), trace->step[i].arg);
  }
  const std::vector<Transition> both = transitions_of(scenario_of("thread\n  memfd\nthread\n  memfd\n"), *trace);
  return both.size() == 2 && commute(both[0], both[1]);
}

bool steps_commute(sc_visible first, std::int64_t first_argument, sc_visible second, std::int64_t second_argument) {
  return steps_commute({first, {first_argument, 0, 0}}, {second, {second_argument, 0, 0}});
}

// Calls on attributes that threads share (CLONE_FS) do not commute, nor does fchdir(2) with a close of its descriptor.
TEST(Search, AttributesThatAreSharedDoNotCommute) {
  EXPECT_FALSE(steps_commute(SC_VISIBLE_fchdir, 5, SC_VISIBLE_close, 5));
  EXPECT_TRUE(steps_commute(SC_VISIBLE_fchdir, 5, SC_VISIBLE_close, 6));
  EXPECT_FALSE(steps_commute(SC_VISIBLE_umask, 022, SC_VISIBLE_umask, 077));
  EXPECT_FALSE(steps_commute(SC_VISIBLE_chdir, 0, SC_VISIBLE_fchdir, 5));
  EXPECT_FALSE(steps_commute(SC_VISIBLE_chdir, 0, SC_VISIBLE_execve, 0));
  EXPECT_FALSE(steps_commute(SC_VISIBLE_setsid, 0, SC_VISIBLE_setpgid, 0)) << "of one process";
  EXPECT_TRUE(steps_commute(SC_VISIBLE_umask, 022, SC_VISIBLE_close, 5));
  EXPECT_TRUE(steps_commute(SC_VISIBLE_sigaltstack, 0, SC_VISIBLE_umask, 0));
}

TEST(Search, ACloseRangeWithAnUnknownFlagMayCloseAnyNumber) {
  constexpr std::int64_t except = 1 << 3;
  const auto commutes = [](std::int64_t flags) {
    return steps_commute({SC_VISIBLE_close_range, {10, 20, flags}}, {SC_VISIBLE_fcntl, {5, F_GETFD, 0}});
  };
  EXPECT_TRUE(commutes(0));
  EXPECT_TRUE(commutes(CLOSE_RANGE_CLOEXEC));
  EXPECT_FALSE(commutes(except));
  EXPECT_FALSE(commutes(except | CLOSE_RANGE_CLOEXEC));
}

TEST(Search, WhatIsLeftOutEndsLikeWhatWasRun) {
  std::uint64_t every = 0, run = 0;
  for (const char* text : small) {
    const Scenario scenario = scenario_of(text);
    std::uint64_t all = 0, reduced = 0;
    EXPECT_EQ(outcomes(session_with("reference"), scenario, true, reduced),
              outcomes(session_with("reference"), scenario, false, all))
        << text;
    EXPECT_LE(reduced, all);
    every += all;
    run += reduced;
  }
  std::printf("%llu schedules, %llu with reduction\n", static_cast<unsigned long long>(every),
              static_cast<unsigned long long>(run));
  EXPECT_LT(run * 3, every);
}

// Generated scenarios of two threads, cut to at most two operations each.
TEST(Search, TheSameForGeneratedScenarios) {
  const unsigned wanted = rounds(25, 3);
  unsigned tried = 0;
  for (std::uint64_t seed = 1; tried < wanted && seed < 2000; ++seed) {
    Random random(seed);
    GenerateOptions options = session_with("reference").generate_options();
    options.threads_max = 2;
    Scenario scenario = generate(random, options);
    if (scenario.threads.size() != 2) continue;
    unsigned spawns = 0;
    for (Thread& thread : scenario.threads) {
      if (thread.operations.size() > 2) thread.operations.resize(2);
      for (const sc_operation& op : thread.operations)
        spawns += op.kind == SC_OP_SPAWN || op.kind == SC_OP_LISTEN || op.kind == SC_OP_WAIT;
    }
    if (spawns != 0 || !is_valid(scenario)) continue;  // a spawn has too many schedules; the test above has some
    scenario.schedule.clear();
    std::uint64_t all = 0, reduced = 0;
    EXPECT_EQ(outcomes(session_with("reference"), scenario, true, reduced),
              outcomes(session_with("reference"), scenario, false, all))
        << print(scenario);
    ++tried;
  }
  EXPECT_EQ(tried, wanted);
}

// Bugs that one order in many shows: the search of one scenario finds each.
TEST(Search, ABugOfOneOrderIsFound) {
  const struct {
    const char *word, *text, *clauses;
  } bugs[] = {
      {"listed-before", "fd 5 memfd\nthread\n  spawn only hold keep 5>3 -> $0\nthread\n  memfd -> $0\n", "fd.exact"},
      {"captured-twice",
       "fd 5 memfd\nfd 6 eventfd\nfd 7 memfd\nthread\n  spawn only hold keep 5>3,6>4 -> $0\nthread\n  dup2 7 5\n  dup2 "
       "7 6\n",
       "fd.snapshot fd.kept fd.exact fd.untouched"},
      {"visible-temporary", "fd 0 null\nthread\n  spawn only hold -> $0\nthread\n  memfd -> $0\n", "fd.untouched"},
      {"never-blocked", "disposition WINCH handler\nthread\n  spawn only hold -> $0\nthread\n  kill_group WINCH\n",
       "sig.no_handler_in_child"},
      {"unblock-early", "disposition WINCH handler\nthread\n  spawn only hold -> $0\nthread\n  kill_group WINCH\n",
       "sig.no_handler_in_child"},
  };
  for (const auto& bug : bugs) {
    Session& session = session_with(directory_of_binaries() + "/mutants/" + bug.word + ".so");
    const Scenario scenario = scenario_of(bug.text);
    ExhaustiveSearch search(session, scenario, {});
    const SearchResult found = search.run();
    ASSERT_TRUE(found.violation && found.violation->status == Status::violated)
        << bug.word << " after " << found.schedules;
    EXPECT_NE(std::string(bug.clauses).find(name(*found.violation->clause)), std::string::npos)
        << bug.word << ": " << name(*found.violation->clause);
    SearchLimits limits;
    if (slowness_of_machine() > 1) limits.runs = found.schedules + 20;  // all of them would take minutes
    ExhaustiveSearch control(session_with(directory_of_binaries() + "/mutants/control.so"), scenario, limits);
    const SearchResult none = control.run();
    EXPECT_TRUE(none.is_complete || limits.runs != 0);
    EXPECT_FALSE(none.violation) << print(scenario);
    // The schedule found gives that run again.
    Scenario again = scenario;
    again.schedule = found.schedule;
    EXPECT_EQ(session.run_scheduled(again, policy_of(Turns::strict)).clause, found.violation->clause);
  }
}

TEST(Search, ABrokenOffSearchGoesOn) {
  Session& session = session_with("reference");
  const Scenario scenario = scenario_of(small[1]);
  SearchLimits limits;
  limits.reduce = false;
  const SearchResult whole = ExhaustiveSearch(session, scenario, limits).run();
  ASSERT_TRUE(whole.is_complete);
  ASSERT_GT(whole.schedules, 5u);
  limits.runs = whole.schedules / 2;
  ExhaustiveSearch first(session, scenario, limits);
  EXPECT_FALSE(first.run().is_complete);
  limits.runs = 0;
  ExhaustiveSearch second(session, scenario, limits);
  ASSERT_EQ(second.load(first.checkpoint()), "");
  const SearchResult rest = second.run();
  EXPECT_TRUE(rest.is_complete);
  EXPECT_EQ(rest.schedules, whole.schedules);
  EXPECT_NE(second.load("nonsense"), "");
}

TEST(Search, EverySchedulerFindsItToo) {
  Session& session = session_with(directory_of_binaries() + "/mutants/never-blocked.so");
  const Scenario scenario =
      scenario_of("disposition WINCH handler\nthread\n  spawn only hold -> $0\nthread\n  kill_group WINCH\n");
  SearchLimits limits;
  limits.runs = 3000;
  for (const SchedulerRow& row : scheduler_rows())
    EXPECT_TRUE(sample_schedules(session, scenario, {row.word, {}, 1}, limits).violation) << row.word;
}

}  // namespace
}  // namespace spawncheck
