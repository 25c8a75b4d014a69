// SPDX-License-Identifier: MIT
//
// The executor states a fact of a run, or nothing: how a run ended that stopped or ended itself, which child has ended
// and how, whether a child runs on its caller's memory.
#include <csignal>

#include "impl/executor/executor.h"
#include "impl/session/running_kernel.h"
#include "properties/on_the_kernel.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

// The run's bound is far beyond the test's own: a test that waits for it fails.
std::unique_ptr<Executor> executor(const std::string& implementation = "reference",
                                   std::uint32_t timeout_ms = 600'000) {
  ExecutorOptions options;
  options.implementation = implementation;
  options.timeout_ms = timeout_ms;
  std::string error;
  auto started = Executor::start(options, error);
  EXPECT_NE(started, nullptr) << error;
  return started;
}

std::string mutant(const std::string& word) { return directory_of_binaries() + "/mutants/" + word + ".so"; }

enum class Mode { free, scheduled };

// Makes the n-th run of a scenario: a free run provokes races, a scheduled run draws its turns.
const sc_history& run(Executor& e, const std::string& text, Mode mode, unsigned n) {
  sc_policy policy{};
  policy.is_scheduled = 1;
  policy.rule = SC_RULE_RANDOM;
  policy.seed = n;
  return mode == Mode::free ? e.run(scenario_of(text), {n}) : e.run(scenario_of(text), {0, &policy});
}

class EachMode : public ::testing::TestWithParam<Mode> {};
INSTANTIATE_TEST_SUITE_P(Modes, EachMode, ::testing::Values(Mode::free, Mode::scheduled),
                         [](const auto& i) { return i.param == Mode::free ? "free" : "scheduled"; });

TEST_P(EachMode, AProcessThatStopsItselfEndsTheRunStopped) {
  auto e = executor();
  for (const char* signal : {"STOP", "TSTP", "TTIN", "TTOU"})
    for (const char* how : {"kill ", "kill_group ", "tgkill 0 ", "tgkill 1 "})
      for (unsigned n = 0; n < 5; ++n) {
        // The second thread waits for a writer that never comes, so not all operations can have returned.
        const std::string text = std::string("fd 0 memfd\nthread\n  ") + how + signal +
                                 "\n  memfd -> $0\n  close $0\nthread\n  fifo a read\n";
        const sc_history& h = run(*e, text, GetParam(), n);
        EXPECT_EQ(h.end, SC_RUN_STOPPED) << text;
        EXPECT_TRUE(h.parent.observed) << text;
        EXPECT_NE(h.end_signal, 0) << text;
      }
}

TEST_P(EachMode, AStopThatIsHandledOrIgnoredStopsNothing) {
  auto e = executor();
  for (const char* disposition : {"handler", "ignore"})
    for (unsigned n = 0; n < 5; ++n)
      EXPECT_EQ(run(*e,
                    std::string("disposition TSTP ") + disposition +
                        "\nthread\n  kill TSTP\n  memfd\nthread\n  tgkill 0 TSTP\n",
                    GetParam(), n)
                    .end,
                SC_RUN_COMPLETE);
}

// TSTP to the group may stop the child before its program runs. The run then ends stopped, else complete.
TEST_P(EachMode, AChildThatIsStoppedBeforeItsProgramIsTheScenariosOwnDoing) {
  auto e = executor("fork_exec");
  unsigned stopped = 0;
  for (unsigned n = 0; n < 40; ++n) {
    const sc_history& h =
        run(*e, "disposition TSTP handler\nfd 0 null\nthread\n  spawn only hold -> $0\nthread\n  kill_group TSTP\n",
            GetParam(), n);
    EXPECT_TRUE(h.end == SC_RUN_COMPLETE || h.end == SC_RUN_STOPPED) << int{h.end};
    stopped += h.end == SC_RUN_STOPPED;
  }
  if (GetParam() == Mode::scheduled) {
    EXPECT_GT(stopped, 0u);
  }
}

TEST_P(EachMode, ASignalThatEndsTheProcessEndsTheRunAndNothingIsSaidOfItsChildren) {
  auto e = executor();
  for (const char* signal : {"TERM", "KILL", "USR2", "48", "ILL", "XFSZ", "QUIT", "SEGV"})
    for (const char* how : {"kill ", "tgkill 0 ", "tgkill 1 "})
      for (unsigned n = 0; n < 5; ++n) {
        const std::string text = std::string("fd 0 null\nthread\n  spawn only hold pgroup 0 -> $0\n  ") + how + signal +
                                 "\nthread\n  memfd\n";
        const sc_history& h = run(*e, text, GetParam(), n);
        ASSERT_EQ(h.end, SC_RUN_KILLED) << text;
        EXPECT_NE(h.end_signal, 0);
        EXPECT_FALSE(h.parent.observed) << text;
        for (std::uint32_t i = 0; i < h.child_count; ++i)
          EXPECT_FALSE(h.child[i].observed || h.child[i].is_dead) << text;
      }
}

TEST_P(EachMode, ASignalWhoseDefaultIsToBeIgnoredDoesNothing) {
  auto e = executor();
  for (const char* signal : {"CHLD", "CONT", "URG", "WINCH"})
    for (const char* how : {"kill ", "kill_group ", "tgkill 0 ", "tgkill 1 "})
      for (unsigned n = 0; n < 5; ++n) {
        const std::string text = std::string("fd 0 null\nthread\n  spawn only hold -> $0\n  ") + how + signal +
                                 "\n  memfd -> $0\nthread\n  memfd\n";
        const sc_history& h = run(*e, text, GetParam(), n);
        ASSERT_EQ(h.end, SC_RUN_COMPLETE) << text;
        EXPECT_TRUE(h.parent.observed && h.child[0].observed) << text;
      }
}

TEST_P(EachMode, AChildThatHasEndedIsAFactWithItsStatus) {
  auto e = executor();
  for (unsigned n = 0; n < 20; ++n) {
    const sc_history& h =
        run(*e, "fd 0 null\nthread\n  spawn only exit -> $0\n  wait $0\n  spawn only exit -> $0\n", GetParam(), n);
    ASSERT_EQ(h.end, SC_RUN_COMPLETE);
    ASSERT_EQ(h.child_count, 2u);
    for (std::uint32_t i = 0; i < h.child_count; ++i) {
      const sc_process& child = h.child[i];
      EXPECT_NE(child.observed, child.is_dead) << "one of them, where it was waited for";
      if (!child.is_dead) continue;
      EXPECT_TRUE(child.knows_end_status);
      EXPECT_EQ(child.end_status, 7);
    }
  }
}

TEST_P(EachMode, WhoWaitsForNobodyIsBlocked) {
  auto e = executor();
  EXPECT_EQ(run(*e, "thread\n  fifo a read\nthread\n  fifo b write\n", GetParam(), 1).end, SC_RUN_BLOCKED);
  EXPECT_EQ(run(*e, "fd 0 null\nthread\n  spawn only hold -> $0\n  wait $0\n", GetParam(), 1).end, SC_RUN_BLOCKED);
  for (unsigned n = 0; n < 20; ++n)
    EXPECT_EQ(
        run(*e,
            "fd 0 null\nthread\n  spawn only exit -> $0\n  wait $0\nthread\n  fifo a read\nthread\n  fifo a write\n",
            GetParam(), n)
            .end,
        SC_RUN_COMPLETE);
}

// The executor sees at once that a spawn waits for ever.
TEST_P(EachMode, ASpawnThatNeverReturnsIsBlocked) {
  auto e = executor(mutant("never-returns"));
  EXPECT_EQ(run(*e, "thread\n  spawn only missing\n", GetParam(), 1).end, SC_RUN_BLOCKED);
}

// The executor once waited for the caller of such a child without letting the caller go on.
TEST_P(EachMode, AChildThatEndsBeforeItDoesAnythingWakesItsCaller) {
  auto e = executor(mutant("stillborn"));
  for (unsigned n = 0; n < 5; ++n) {
    const sc_history& h = run(*e, "fd 0 null\nthread\n  spawn only hold -> $0\nthread\n  memfd\n", GetParam(), n);
    ASSERT_EQ(h.end, SC_RUN_COMPLETE);
    ASSERT_EQ(h.child_count, 1u);
    EXPECT_TRUE(h.child[0].is_dead && h.child[0].knows_end_status);
    EXPECT_EQ(h.child[0].end_status, -SIGKILL);
  }
}

// If the tracer or its clock interrupted a blocked open(2), the call would take the lowest number anew.
TEST(Tracer, InterruptsNobodyWhoSleeps) {
  auto e = executor();
  std::string text = "fd 0 memfd\nthread\n  fifo a read -> $0\nthread\n  close 0\n";
  for (int i = 0; i < 8; ++i) text += "  memfd -> $0\n  close $0\n";
  text += "  fifo a write\n";
  Scenario s = scenario_of(text);
  s.schedule = {{0, -1}};
  sc_policy policy{};
  policy.is_scheduled = 1;
  policy.rule = SC_RULE_RUN_ON;
  policy.snapshot_every = 1;
  for (int n = 0; n < 50; ++n) {
    const sc_history& h = e->run(s, {0, &policy});
    ASSERT_EQ(h.end, SC_RUN_COMPLETE);
    EXPECT_EQ(h.op[0][0].value[0], 1) << "0 was free meanwhile";
  }
}

// SIGCONT traps every thread of a seized process (ptrace(2)), and the kernel sends a traced task the signals that it
// ignores: neither may show.
TEST(Tracer, NoSignalThatDoesNothingInterruptsASleeper) {
  auto e = executor();
  for (const char* send : {"tgkill 1 CONT", "tgkill 0 CONT", "kill CONT", "kill_group CONT", "tgkill 0 WINCH",
                           "tgkill 0 URG", "tgkill 0 CHLD"}) {
    Scenario s = scenario_of(std::string("fd 0 memfd\nthread\n  fifo a read -> $0\nthread\n  close 0\n  ") + send +
                             "\n  fifo a write\n");
    s.schedule = {{0, -1}};
    sc_policy policy{};
    policy.is_scheduled = 1;
    policy.rule = SC_RULE_RUN_ON;
    const sc_history& h = e->run(s, {0, &policy});
    ASSERT_EQ(h.end, SC_RUN_COMPLETE) << send;
    EXPECT_EQ(h.op[0][0].value[0], 1) << send;
  }
}

// ---- memory -------------------------------------------------------------------------------------

constexpr const char* spawns =
    "fd 0 null\nthread\n  spawn only hold -> $0\n  spawn only hold -> $0\n  spawn only hold -> $0\n";

// Counts the spawns whose child shared the caller's memory, in at most `runs` runs of three. `enough` of them end the
// count, since how often they show depends on the machine's load.
unsigned sharers(const std::string& implementation, unsigned runs, unsigned enough = ~0u) {
  auto e = executor(implementation);
  unsigned count = 0;
  for (unsigned n = 0; n < runs && count < enough; ++n) {
    const sc_history& h = e->run(scenario_of(spawns), {n});
    for (int o = 0; o < 3; ++o) {
      EXPECT_TRUE(h.op[0][o].looked & SC_LOOKED_AT_MEMORY);
      count += (h.op[0][o].disturbed & SC_DISTURBED_VM_SHARED) != 0;
    }
  }
  return count;
}

TEST(Memory, OfACallerThatIsNotSuspendedIsSharedForAFact) {
  EXPECT_GE(sharers(mutant("no-vfork"), 400, 10), 10u) << "of 1200 spawns";
}
TEST(Memory, IsSharedForAFactAlsoWhereTheTableIsNot) {
  EXPECT_GT(sharers(mutant("no-vfork-copied"), 400, 1), 0u) << "of 1200 spawns";
}
TEST(Memory, OfACallerThatIsSuspendedIsNeverShared) {
  EXPECT_EQ(sharers("reference", 60), 0u);
  EXPECT_EQ(sharers(mutant("control"), 60), 0u);
}

// A look waits for the child's exec. If a later operation could meet what the child still holds, most runs do not look.
TEST(Memory, IsNotLookedAtWhereThatWouldHideWhatAChildHolds) {
  auto e = executor();
  unsigned looked = 0;
  for (unsigned n = 0; n < 100; ++n) {
    const sc_history& h = e->run(
        scenario_of("fd 0 null\nthread\n  spawn only hold\n  file a -> $0\n  flock $0\n  spawn only hold\n"), {n});
    looked += h.op[0][0].looked & SC_LOOKED_AT_MEMORY;
    EXPECT_TRUE(h.op[0][3].looked & SC_LOOKED_AT_MEMORY);
  }
  EXPECT_GT(looked, 5u);
  EXPECT_LT(looked, 60u);
}

// One thread is enough to meet a lock, or a port, that a child still holds when spawn has returned. If exec closes what
// is close-on-exec before it wakes the caller, there is nothing to meet, and an implementation may leave it to exec.
TEST(Released, ALockThatIsBusyAfterSpawnIsMetByOneThread) {
  for (const char* taken :
       {"file a cloexec -> $0\n  flock $0\n  spawn only hold\n  close $0\n  file a cloexec -> $1\n  flock $1\n",
        "listen a cloexec -> $0\n  spawn only hold\n  close $0\n  listen a cloexec -> $1\n"}) {
    const Scenario s = scenario_of("fd 0 null\nfill 10 60 cloexec\nthread\n  " + std::string(taken));
    unsigned used = 0;
    const Verdict late = session_with(mutant("dropped-late")).run_until_violated(s, 100, 1, used);
    if (probed(Behaviour::exec_closes_before_wake).answer == Answer::yes) {
      EXPECT_EQ(late.status, Status::holds) << late.observed;
    } else {
      EXPECT_EQ(late.status, Status::violated) << taken;
      EXPECT_TRUE(late.clause == Clause::fd_released) << late.observed;
    }
    const Verdict reference = session_with("reference").run_until_violated(s, 100, 1, used);
    EXPECT_EQ(reference.status, Status::holds) << reference.observed;
  }
}

// ---- what the caller and its programs have ------------------------------------------------------

TEST_P(EachMode, WhatAProgramHasOfItsCallerIsReadOfBoth) {
  auto e = executor();
  const sc_history& h = run(*e, "thread\n  spawn only hold arguments 3 -> $0\nthread\n  memfd\n", GetParam(), 0);
  ASSERT_EQ(h.end, SC_RUN_COMPLETE);
  ASSERT_TRUE(h.child[0].observed);
  const sc_attributes &made = h.made[0], &left = h.left[0], &child = h.child[0].attributes;
  for (const sc_attribute a :
       {SC_ATTRIBUTE_UMASK, SC_ATTRIBUTE_NICE, SC_ATTRIBUTE_PROCESSORS, SC_ATTRIBUTE_CAP_EFFECTIVE,
        SC_ATTRIBUTE_SOFT_CORE, SC_ATTRIBUTE_HARD_RTTIME, SC_ATTRIBUTE_OOM_SCORE, SC_ATTRIBUTE_NAMESPACES}) {
    EXPECT_TRUE(made.known >> a & 1) << a;
    EXPECT_TRUE(left.known >> a & 1) << a;
    EXPECT_TRUE(child.known >> a & 1) << a;
    EXPECT_EQ(made.value[a], left.value[a]) << a;
    EXPECT_EQ(made.value[a], child.value[a]) << a;
  }
  EXPECT_TRUE(h.inherited >> SC_ATTRIBUTE_UMASK & 1);
  EXPECT_FALSE(h.inherited >> SC_ATTRIBUTE_NAME & 1) << "exec gives another";
  EXPECT_EQ(h.left[1].known, 0u) << "it spawns nothing";
}

TEST_P(EachMode, ArgumentsAndEnvironmentAreComparedAsText) {
  auto e = executor();
  for (const char* arguments : {"", " arguments 1", " arguments 2", " arguments 4096"}) {
    const sc_history& h = run(*e, std::string("thread\n  spawn inherit hold") + arguments + " -> $0\n", GetParam(), 0);
    ASSERT_TRUE(h.child[0].observed) << arguments;
    EXPECT_TRUE(h.child[0].argument.is_known && !h.child[0].argument.is_different)
        << arguments << ": " << h.child[0].argument.index;
    EXPECT_TRUE(h.child[0].environment.is_known && !h.child[0].environment.is_different) << arguments;
  }
}

TEST_P(EachMode, ARequestThatIsWrittenToIsSeen) {
  auto e = executor(mutant("environment-written"));
  EXPECT_TRUE(run(*e, "thread\n  spawn inherit hold -> $0\n", GetParam(), 0).op[0][0].disturbed & SC_DISTURBED_REQUEST);
}

TEST_P(EachMode, WhatIsPendingForTheCallerIsAskedBeforeAndAfter) {
  auto e = executor();
  const sc_op_record r =
      run(*e, "mask USR1\nthread\n  kill USR1\n  spawn inherit hold -> $0\n", GetParam(), 0).op[0][1];
  EXPECT_EQ(r.pending_before, 1ull << (SIGUSR1 - 1));
  EXPECT_EQ(r.pending_after, 1ull << (SIGUSR1 - 1));
  EXPECT_TRUE(r.looked & SC_LOOKED_AT_CALLER);
  EXPECT_EQ(r.actions, 0u);
}

TEST_P(EachMode, DescriptionsOfEachKindAreMadeWithoutStatusFlagsAtPositionZero) {
  auto e = executor();
  const sc_history& h = run(*e,
                            "fd 0 memfd\nfd 1 null\nfd 2 eventfd\nfd 3 mqueue a\nfd 4 file a\nfds 5 6 pipe\nfds 7 8 "
                            "socketpair\nthread\n  program a\n  listen a\n  memfd\n  null\n  pipe\n"
                            "  socketpair\n  eventfd\n  mqueue b\n  file b\n  fifo a read\n  spawn inherit hold -> "
                            "$0\nthread\n  fifo a write\n",
                            GetParam(), 0);
  ASSERT_TRUE(h.parent.observed && h.child[0].observed);
  for (const sc_process* p : {&h.parent, &h.child[0]})
    for (std::uint32_t i = 0; i < p->entry_count; ++i)
      EXPECT_TRUE(p->entry[i].status_flags == 0 && p->entry[i].position == 0)
          << p->entry[i].number << " " << p->entry[i].status_flags;
}

}  // namespace
}  // namespace spawncheck
