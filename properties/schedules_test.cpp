// SPDX-License-Identifier: MIT
//
// Scheduled runs: the schedule decides, the same schedule gives the same run, and a turn that no task can take is
// reported.
#include "impl/executor/executor.h"
#include "model/scenario/visible.h"
#include "properties/on_the_kernel.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

std::unique_ptr<Executor> executor(const std::string& implementation = "reference") {
  ExecutorOptions options;
  options.implementation = implementation;
  std::string error;
  auto started = Executor::start(options, error);
  EXPECT_NE(started, nullptr) << error;
  return started;
}

std::string task_text(const sc_trace& trace, int task) {
  const sc_task& t = trace.task[task];
  return std::to_string(t.thread) + (t.child >= 0 ? "." + std::to_string(t.child) : "");
}

// A step a line, without what differs between runs: pids and addresses.
std::string text_of(const sc_trace& trace) {
  std::string out;
  for (std::uint32_t i = 0; i < trace.step_count; ++i) {
    const sc_step& s = trace.step[i];
    out += task_text(trace, s.task) + " " + std::to_string(s.kind) + " " + sc_visible_calls[s.call].name + " " +
           std::to_string(s.outcome);
    const bool is_pid = s.call == SC_VISIBLE_clone || s.call == SC_VISIBLE_clone3 || s.call == SC_VISIBLE_wait4;
    if (s.outcome == SC_OUTCOME_RETURNED && !is_pid) out += " = " + std::to_string(s.result);
    out += " of " + std::to_string(s.enabled) + "\n";
  }
  return out;
}

sc_policy policy_of(std::uint8_t rule, std::uint64_t seed = 1) {
  sc_policy policy{};
  policy.rule = rule;
  policy.seed = seed;
  policy.results = 1;
  return policy;
}

constexpr const char* race =
    "fd 0 null\nfd 5 memfd cloexec\nthread\n  spawn only hold keep 5>3 -> $0\nthread\n  memfd -> $0\n  setfd $0 "
    "cloexec\n  close $0\n";

TEST(Schedules, TheTraceShowsTheSpawnCallByCall) {
  auto e = executor();
  const sc_policy policy = policy_of(SC_RULE_RUN_ON);
  const sc_history& h = e->run(scenario_of(race), {0, &policy});
  ASSERT_EQ(h.end, SC_RUN_COMPLETE) << h.broken_where << text_of(e->trace());
  const std::string text = text_of(e->trace());
  EXPECT_NE(text.find("0 0 clone3"), std::string::npos) << text;
  EXPECT_NE(text.find("0.0 0 execve 4"), std::string::npos) << text;
  EXPECT_NE(text.find("1 0 memfd_create 0 = 1"), std::string::npos) << text;
  EXPECT_EQ(h.op[0][0].error, 0);
  ASSERT_EQ(h.child_count, 1u);
  EXPECT_TRUE(h.child[0].observed && h.child[0].has_execed);
}

class EachImplementation : public ::testing::TestWithParam<const char*> {};

TEST_P(EachImplementation, TheSameSeedIsTheSameTrace) {
  if (std::string(GetParam()).starts_with("musl:") && !has_musl()) GTEST_SKIP() << "built without musl-gcc";
  auto e = executor(GetParam());
  const Scenario s = scenario_of(
      "fd 0 null\nfd 5 memfd cloexec\nthread\n  spawn inherit hold keep 5>3 -> $0\n  kill_child $0 KILL\n  wait "
      "$0\nthread\n  memfd -> $0\n  close $0\n");
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const sc_policy policy = policy_of(SC_RULE_RANDOM, seed);
    std::string first;
    for (int again = 0; again < 5; ++again) {
      const sc_history& h = e->run(s, {0, &policy});
      ASSERT_EQ(h.end, SC_RUN_COMPLETE) << text_of(e->trace());
      const std::string text = text_of(e->trace());
      if (again == 0) first = text;
      EXPECT_EQ(text, first) << "seed " << seed;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Peers, EachImplementation,
                         ::testing::Values("reference", "posix_spawn", "fork_exec", "musl:posix_spawn"));

// The turns of a run are a schedule, and that schedule is that run.
TEST(Schedules, ARunIsReplayedByItsTurns) {
  auto e = executor();
  Scenario s = scenario_of(race);
  sc_policy policy = policy_of(SC_RULE_RANDOM, 7);
  e->run(s, {0, &policy});
  const std::string first = text_of(e->trace());
  for (std::uint32_t i = 0; i < e->trace().step_count; ++i)
    if (const sc_step& step = e->trace().step[i]; step.kind != SC_STEP_WAKES)
      s.schedule.push_back({e->trace().task[step.task].thread, e->trace().task[step.task].child});
  policy = policy_of(SC_RULE_RUN_ON);
  policy.is_strict = 1;
  const sc_history& h = e->run(s, {0, &policy});
  EXPECT_EQ(h.end, SC_RUN_COMPLETE);
  EXPECT_EQ(text_of(e->trace()), first);
}

TEST(Schedules, ATurnThatIsNotEnabledIsFoundOut) {
  auto e = executor();
  Scenario s = scenario_of(race);
  sc_policy policy = policy_of(SC_RULE_RUN_ON);
  policy.is_strict = 1;
  s.schedule = {{1, -1}, {1, -1}, {1, -1}, {1, -1}};  // it has three calls
  EXPECT_EQ(e->run(s, {0, &policy}).end, SC_RUN_MISLED);
  EXPECT_EQ(e->trace().bad_turn, 3);
  s.schedule = {{0, 4}};
  EXPECT_EQ(e->run(s, {0, &policy}).end, SC_RUN_MISLED);
  EXPECT_EQ(e->trace().bad_turn, 0);
}

// For the judge an operation begins at its first turn, not when its thread came to rest before its call. A spawn begins
// when its thread came to rest: its calls may be invisible, so it may have acted since then.
TEST(Schedules, AnOperationBeginsWhenItsTurnComes) {
  auto e = executor();
  Scenario s =
      scenario_of("thread\n  memfd -> $0\nthread\n  memfd -> $0\n  listen a -> $1\nthread\n  spawn only exit -> $0\n");
  s.schedule = {{1, -1}, {1, -1}, {0, -1}, {1, -1}};
  sc_policy policy = policy_of(SC_RULE_RUN_ON);
  const sc_history& h = e->run(s, {0, &policy});
  ASSERT_EQ(h.end, SC_RUN_COMPLETE) << text_of(e->trace());
  EXPECT_LT(h.op[1][0].end, h.op[0][0].begin);
  EXPECT_LT(h.op[0][0].begin, h.op[1][1].end) << "listen had made its first call of three";
  EXPECT_LT(h.op[1][1].begin, h.op[0][0].begin);
  EXPECT_LT(h.op[2][0].begin, h.op[1][0].begin) << "a spawn";
}

TEST(Schedules, ADeadlockIsToldWithWhoWaitsWhere) {
  auto e = executor();
  const sc_policy policy = policy_of(SC_RULE_RUN_ON);
  EXPECT_EQ(e->run(scenario_of("thread\n  fifo a read\nthread\n  fifo b write\n"), {0, &policy}).end, SC_RUN_BLOCKED);
  EXPECT_EQ(e->trace().task[0].state, SC_TASK_ASLEEP);
  EXPECT_EQ(e->trace().task[0].call, SC_VISIBLE_openat);
  EXPECT_EQ(e->run(scenario_of("thread\n  fifo a read -> $0\nthread\n  fifo a write\n"), {0, &policy}).end,
            SC_RUN_COMPLETE);
}

TEST(Schedules, ASignalIsTakenWhereTheScheduleSays) {
  auto e = executor();
  const sc_policy policy = policy_of(SC_RULE_RUN_ON);
  const sc_history& h =
      e->run(scenario_of("disposition USR1 handler\nthread\n  tgkill 1 USR1\nthread\n  memfd\n"), {0, &policy});
  ASSERT_EQ(h.end, SC_RUN_COMPLETE) << text_of(e->trace());
  ASSERT_EQ(h.handled_count, 1u);
  EXPECT_EQ(h.handled[0].thread, 1);
  EXPECT_NE(text_of(e->trace()).find("1 1 "), std::string::npos) << text_of(e->trace());
}

}  // namespace
}  // namespace spawncheck
