// SPDX-License-Identifier: MIT
//
// The executor: the world is exact, each way in which a run ends is reported as such, nothing is left behind.
#include "impl/executor/executor.h"

#include <sys/prctl.h>

#include <filesystem>
#include <set>

#include "impl/session/scheduled.h"
#include "impl/session/slowness.h"
#include "properties/on_the_kernel.h"
#include "properties/spawned.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

std::unique_ptr<Executor> executor(const std::string& implementation = "reference",
                                   std::uint32_t timeout_ms = 5000 * slowness_of_machine()) {
  ExecutorOptions options;
  options.implementation = implementation;
  options.timeout_ms = timeout_ms;
  std::string error;
  auto started = Executor::start(options, error);
  EXPECT_NE(started, nullptr) << error;
  return started;
}

std::set<pid_t> children_of(pid_t pid) {
  std::set<pid_t> all;
  std::ifstream list("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  for (pid_t child; list >> child;) all.insert(child);
  return all;
}

// Each stop and each look at a table is short; only together do they take longer than the run may. Looking at four
// million numbers does, on any machine.
TEST(Executor, AScheduledRunEndsAtItsTimeAlsoWhenNothingWaits) {
  if (const std::string why = why_no_number(2000); !why.empty()) GTEST_SKIP() << why;
  auto e = executor("reference", 1000);
  sc_policy policy = policy_of(Turns::lenient);
  policy.snapshot_every = 1;
  RunOptions options;
  options.policy = &policy;
  const sc_history& h = e->run(scenario_of("fd 0 null\nfill 10 2000\nthread\n  spawn inherit hold -> $0\n"), options);
  EXPECT_EQ(h.end, SC_RUN_TIMEOUT);
  EXPECT_LT(e->trace().step_count, 2000u);
}

TEST(Executor, TheWorldIsExact) {
  auto e = executor();
  const sc_history& h = e->run(scenario_of(
      "limit 100\nmask USR1\ndisposition TERM ignore\ndisposition HUP handler\nfd 1 memfd\nfd 7 eventfd cloexec\n"
      "fds 20 4 pipe\nalias 30 7\nfill 40 60 cloexec\nthread\n  load 0\n"));
  ASSERT_EQ(h.end, SC_RUN_COMPLETE);
  std::set<std::int32_t> numbers;
  for (std::uint32_t i = 0; i < h.parent.entry_count; ++i)
    for (std::int32_t n = h.parent.entry[i].number; n <= h.parent.entry[i].last; ++n) numbers.insert(n);
  std::set<std::int32_t> expected{1, 4, 7, 20, 30};
  for (std::int32_t n = 40; n <= 60; ++n) expected.insert(n);
  EXPECT_EQ(numbers, expected);
  EXPECT_EQ(h.thread_mask[0], 1ull << 9);
  EXPECT_EQ(h.parent.ignored, 1ull << 14);
  EXPECT_EQ(h.parent.caught & 1, 1u);
}

TEST(Executor, StampsFollowTheOrderOfTheThread) {
  auto e = executor();
  const sc_history& h = e->run(scenario_of("thread\n  memfd -> $0\n  close $0\n  close $0\n"));
  EXPECT_LT(h.op[0][0].begin, h.op[0][0].end);
  EXPECT_LT(h.op[0][0].end, h.op[0][1].begin);
  EXPECT_EQ(h.op[0][0].value[0], 0);
  EXPECT_EQ(h.op[0][1].error, 0);
  EXPECT_EQ(h.op[0][2].error, EBADF);
}

TEST(Executor, TellsHowARunEnded) {
  auto e = executor();
  EXPECT_EQ(e->run(scenario_of("thread\n  fifo a read\n")).end, SC_RUN_BLOCKED);
  EXPECT_EQ(e->run(scenario_of("fd 0 null\nthread\n  spawn only hold -> $0\n  wait $0\n")).end, SC_RUN_BLOCKED);
  const sc_history& killed = e->run(scenario_of("thread\n  kill TERM\n"));
  EXPECT_EQ(killed.end, SC_RUN_KILLED);
  EXPECT_EQ(killed.end_signal, SIGTERM);
  EXPECT_EQ(e->run(scenario_of("thread\n  tgkill 0 STOP\n  memfd\n")).end, SC_RUN_STOPPED);
  EXPECT_EQ(e->run(scenario_of("thread\n  load 0\n")).end, SC_RUN_COMPLETE);
}

TEST(Executor, LeavesNoProcessAndNoDescriptorBehind) {
  const auto before = descriptors_of(getpid());
  const auto children_before = children_of(getpid());
  {
    auto e = executor();
    const Scenario s = scenario_of(
        "fd 0 null\nthread\n  spawn only hold\n  spawn inherit missing\n  file a\nthread\n  spawn only exit\n  fifo b "
        "write\n");
    for (int i = 0; i < 100; ++i) e->run(s, {static_cast<std::uint64_t>(i)});
    const auto servers = children_of(getpid());
    ASSERT_EQ(servers.size(), children_before.size() + 1);
    for (const pid_t server : servers)
      if (children_before.count(server) == 0) {
        EXPECT_LE(children_of(server).size(), 1u) << "besides the arena that waits for the next run";
      }
  }
  EXPECT_EQ(descriptors_of(getpid()), before);
  EXPECT_EQ(children_of(getpid()), children_before);
}

// Where the server has no mount namespace of its own its files are in a directory named after it.
bool has_directory(pid_t server) {
  std::error_code error;
  const std::string name = "spawncheck-" + std::to_string(server) + "-";
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path(), error))
    if (entry.path().filename().string().rfind(name, 0) == 0) return true;
  return false;
}

std::size_t descriptors_of(pid_t pid) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
    ++count;
  return count;
}

// A server once kept a descriptor of each task that it looked at while the task slept.
TEST(Executor, ServesManyScheduledRunsWithTheSameDescriptors) {
  const std::set<pid_t> others = children_of(getpid());
  auto e = executor();
  sc_policy policy{};
  policy.is_scheduled = 1;
  pid_t server = -1;
  for (const pid_t child : children_of(getpid()))
    if (!others.contains(child)) server = child;
  ASSERT_GT(server, 0);
  const Scenario sleepers = scenario_of("thread\n  spawn only hold -> $0\n  wait $0\nthread\n  fifo a read\n");
  std::size_t before = 0;
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(e->run(sleepers, {0, &policy}).end, SC_RUN_BLOCKED);
    if (i == 3) before = descriptors_of(server);
  }
  EXPECT_EQ(descriptors_of(server), before);
}

// SIGKILL ends the host in the middle of a run with children: everything goes.
TEST(Executor, NothingOutlivesAHostThatIsKilled) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // a process that is left becomes our child, and is seen
  const pid_t host = fork();
  if (host == 0) {
    auto e = executor("reference", 60'000);
    for (;;) e->run(scenario_of("fd 0 null\nthread\n  spawn only hold -> $0\n  tgkill 0 STOP\n  memfd\n"));
  }
  bool started = false;
  std::set<pid_t> seen;
  for (unsigned i = 0; i < 20'000 * slowness_of_machine() && !started; ++i) {
    for (const pid_t server : seen = children_of(host))
      for (const pid_t arena : children_of(server)) started |= status_field(arena, "State").rfind("T", 0) == 0;
    usleep(500);
  }
  EXPECT_TRUE(started);
  kill(host, SIGKILL);
  // The server notices by the end of file, cleans up and ends; then nobody is left to wait for.
  int reaped = 0;
  for (unsigned i = 0; i < 20'000 * slowness_of_machine(); ++i) {
    const pid_t pid = waitpid(-1, nullptr, WNOHANG | __WALL);
    if (pid < 0) break;
    if (pid > 0)
      ++reaped;
    else
      usleep(500);
  }
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1) << "a process is left";
  EXPECT_GE(reaped, 2);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  EXPECT_FALSE(seen.empty());
  for (const pid_t server : seen) EXPECT_FALSE(has_directory(server));
}

TEST(Executor, SurvivesAServerThatIsKilled) {
  auto e = executor();
  const Scenario s = scenario_of("fd 0 null\nthread\n  spawn only hold\n");
  EXPECT_EQ(e->run(s).end, SC_RUN_COMPLETE);
  for (const pid_t server : children_of(getpid())) kill(server, SIGKILL);
  EXPECT_EQ(e->run(s).end, SC_RUN_COMPLETE);
}

struct Refused {
  const char *name, *implementation, *strategy, *message;
};

class BadImplementation : public ::testing::TestWithParam<Refused> {};

TEST_P(BadImplementation, IsRefusedInOneLine) {
  ExecutorOptions options;
  options.implementation = GetParam().implementation;
  options.strategy = GetParam().strategy;
  std::string error;
  EXPECT_EQ(Executor::start(options, error), nullptr);
  EXPECT_NE(error.find(GetParam().message), std::string::npos) << error;
  EXPECT_EQ(error.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Executor, BadImplementation,
                         ::testing::Values(Refused{"unknown_name", "sausage", "", "is none of"},
                                           Refused{"no_file", "/no/such/object.so", "", "cannot open"},
                                           Refused{"no_object", "/etc/passwd", "", "implementation /etc/passwd"},
                                           Refused{"no_symbol", "libm.so.6/../libm.so.6", "", "implementation"},
                                           Refused{"unknown_strategy", "reference", "magic", "no such strategy"},
                                           Refused{"strategy_of_a_peer", "fork_exec", "copy", "has no strategies"}),
                         [](const auto& i) { return i.param.name; });

}  // namespace
}  // namespace spawncheck
