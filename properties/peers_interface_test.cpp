// SPDX-License-Identifier: MIT
//
// Version 1 of the interface, on the kernel: the tool receives what a shared object declares of itself, and honours it.
// The object is properties/provoke/habits.c: the environment says what it does and what it declares.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include "impl/executor/program.h"
#include "impl/peers/implementation.h"
#include "impl/session/scheduled.h"
#include "impl/session/session.h"
#include "properties/command.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

std::unique_ptr<Session> started(const char* does, std::uint32_t says, std::string& error) {
  const Variable what("SPAWNCHECK_DOES", does), habits("SPAWNCHECK_SAYS", std::to_string(says));
  SessionOptions options;
  options.implementation = directory_of_binaries() + "/provoke/habits.so";
  return Session::start(options, error);
}

Verdict run(const char* does, std::uint32_t says, const char* text, bool is_scheduled = false) {
  std::string error;
  const std::unique_ptr<Session> session = started(does, says, error);
  if (session == nullptr) {
    ADD_FAILURE() << error;
    return {};
  }
  const Scenario scenario = scenario_of(text);
  return is_scheduled ? session->run_scheduled(scenario, policy_of(Turns::lenient)) : session->run(scenario, 0);
}

// Otherwise the tool would say "holds" of a history that it cannot read.
TEST(Interface, AnArenaOfAnotherBuildIsRefused) {
  const Scratch scratch;
  const std::string arena =
      scratch.file("spawncheck-arena", "#!/bin/sh\nhead -c " + std::to_string(sizeof(sc_answer)) + " /dev/zero >&3\n");
  const std::string scenario = scratch.file("a.scenario", "thread\n  spawn only hold -> $0\n");
  ASSERT_EQ(shell("chmod +x " + arena + " && cp " + directory_of_binaries() + "/spawncheck " + scratch.path).status, 0);
  const Output run = shell(scratch.path + "/spawncheck run " + scenario + " 2>&1");
  EXPECT_NE(run.status, 0);
  EXPECT_NE(run.text.find("the arena server is of another build"), std::string::npos) << run.text;
}

constexpr const char* plain = "fd 0 null\nfd 1 null cloexec\nthread\n  spawn inherit hold -> $0\n  memfd -> $1\n";
constexpr const char* keeps = "fd 4 memfd\nthread\n  spawn only hold keep 4>3 -> $0\n  memfd -> $1\n";

// A scenario that holds if the habit is declared and violates the clause if not.
struct OfHabit {
  const char* does;
  std::uint32_t habit;
  const char* text;
  Clause clause;
};

class EachHabit : public ::testing::TestWithParam<OfHabit> {};

TEST_P(EachHabit, IsHonouredWhereItIsSaidAndAccusedWhereItIsNot) {
  const OfHabit& h = GetParam();
  std::string error;
  const Scenario scenario = scenario_of(h.text);
  const std::unique_ptr<Session> said = started(h.does, h.habit, error), unsaid = started(h.does, 0, error);
  ASSERT_TRUE(said != nullptr && unsaid != nullptr) << error;
  unsigned used = 0;
  const Verdict holds = said->run_until_violated(scenario, 5, 1, used);
  EXPECT_EQ(holds.status, Status::holds) << holds.observed;
  const Verdict violated = unsaid->run_until_violated(scenario, 50, 1, used);  // a reaper may lose the race
  EXPECT_TRUE(violated.violates(h.clause)) << name(violated.status) << ": " << violated.observed;
}

INSTANTIATE_TEST_SUITE_P(
    Interface, EachHabit,
    ::testing::Values(
        OfHabit{"reaps", SPAWNCHECK_REAPS, "thread\n  spawn only exit -> $0\n  wait $0\n", Clause::proc_child},
        OfHabit{"resets-mask", SPAWNCHECK_RESETS_MASK, "mask USR1\nthread\n  spawn only hold -> $0\n",
                Clause::sig_mask},
        OfHabit{"resets-signals", SPAWNCHECK_RESETS_SIGNALS,
                "disposition USR1 ignore\nthread\n  spawn only hold -> $0\n", Clause::sig_disposition},
        OfHabit{"tells-no-errno", SPAWNCHECK_TELLS_NO_ERRNO, "thread\n  spawn only missing -> $0\n", Clause::err_exact},
        OfHabit{"runs-scripts", SPAWNCHECK_RUNS_SCRIPTS, "thread\n  spawn only no-format -> $0\n", Clause::err_exact},
        OfHabit{"holds-descriptors", SPAWNCHECK_HOLDS_DESCRIPTORS, plain, Clause::fd_untouched},
        OfHabit{"writes-errno", SPAWNCHECK_WRITES_ERRNO, plain, Clause::mm_unwritten}),
    [](const auto& parameter) {
      std::string word = parameter.param.does;
      for (char& c : word)
        if (c == '-') c = '_';
      return word;
    });

TEST(Interface, AHabitExcusesNoFailureWithoutReason) {
  EXPECT_TRUE(run("fails-always", SPAWNCHECK_TELLS_NO_ERRNO, plain).violates(Clause::err_exact));
}

TEST(Interface, ThreadsOfTheImplementationAreNoStrayProcesses) {
  for (const bool is_scheduled : {false, true}) {
    const Verdict v = run("starts-threads", SPAWNCHECK_STARTS_THREADS, plain, is_scheduled);
    EXPECT_EQ(v.status, Status::holds) << (is_scheduled ? "scheduled: " : "") << v.observed;
  }
}

TEST(Interface, AThreadIsNoReasonNotToWaitForABlockedRun) {
  const Verdict v = run("starts-threads", SPAWNCHECK_STARTS_THREADS, "thread\n  fifo a read -> $0\n");
  EXPECT_EQ(v.status, Status::holds) << v.observed;
}

TEST(Interface, ADeclinedRequestIsCountedAsSuch) {
  const Verdict v = run("declines", 0, keeps);
  EXPECT_TRUE(is_declined(v)) << name(v.status) << ": " << v.observed;
  EXPECT_EQ(run("declines", 0, plain).status, Status::holds);
}

TEST(Interface, ADeclineThatChangesSomethingIsViolated) {
  EXPECT_TRUE(run("declines-and-opens", 0, keeps).violates(Clause::fd_untouched));
  EXPECT_TRUE(run("declines-and-forks", 0, keeps).violates(Clause::proc_unzombied));
}

TEST(Interface, TheDescriptionArrives) {
  std::string error;
  const Variable limit("SPAWNCHECK_LIMITS", "mm.unwritten|errno");
  const std::unique_ptr<Session> session = started("writes-errno", SPAWNCHECK_RESETS_MASK, error);
  ASSERT_NE(session, nullptr) << error;
  const ImplementationInfo& info = session->implementation();
  EXPECT_EQ(info.version, "1.2.3");
  EXPECT_EQ(info.habits, static_cast<std::uint32_t>(SPAWNCHECK_RESETS_MASK));
  ASSERT_EQ(info.limits.size(), 1u);
  EXPECT_EQ(info.limits[0].clause, "mm.unwritten");
  EXPECT_EQ(info.limits[0].source, "habits(7)");
  const Verdict v = session->run(scenario_of(plain), 0);
  EXPECT_EQ(v.status, Status::unsupported);
  EXPECT_EQ(v.observed, "a documented limit, mm.unwritten: it may (habits(7))");
  EXPECT_TRUE(v.is_limited());
  ASSERT_EQ(v.limits.size(), 1u);
  EXPECT_TRUE(v.is_within_limit(Clause::mm_unwritten) && !v.is_within_limit(Clause::fd_kept));
  EXPECT_EQ(v.limits[0].source, "habits(7)");
}

TEST(Interface, ALimitExceptsOnlyWhatItSays) {
  const Variable limit("SPAWNCHECK_LIMITS", "mm.unwritten|environ");
  EXPECT_TRUE(run("writes-errno", 0, plain).violates(Clause::mm_unwritten));
}

TEST(Interface, LimitsAreBoundedAndMustNameClauses) {
  std::string error;
  {
    const Variable limit("SPAWNCHECK_LIMITS", "fd.kept|"), count("SPAWNCHECK_LIMIT_COUNT", "65");
    EXPECT_EQ(started("", 0, error), nullptr);
    EXPECT_EQ(error, "implementation habits: it has 65 documented limits, of which 64 are taken");
  }
  {
    const Variable limit("SPAWNCHECK_LIMITS", "fd.kept|"), count("SPAWNCHECK_LIMIT_COUNT", "64");
    const auto session = started("", 0, error);
    ASSERT_NE(session, nullptr) << error;
    EXPECT_EQ(session->implementation().limits.size(), 64u);
  }
  const Variable limit("SPAWNCHECK_LIMITS", "fd.kip|");
  EXPECT_EQ(started("", 0, error), nullptr);
  EXPECT_EQ(error, "implementation habits: a documented limit names fd.kip, which is no clause");
}

TEST(Interface, AnOlderDescriptionCountsAsFarAsItGoes) {
  std::string error;
  const Variable limit("SPAWNCHECK_LIMITS", "mm.unwritten|");
  const std::unique_ptr<Session> session = started("is-old", SPAWNCHECK_WRITES_ERRNO, error);
  ASSERT_NE(session, nullptr) << error;
  EXPECT_EQ(session->implementation().habits, static_cast<std::uint32_t>(SPAWNCHECK_WRITES_ERRNO));
  EXPECT_TRUE(session->implementation().version.empty());
  EXPECT_TRUE(session->implementation().limits.empty());
}

// canary.so exports nothing but spawncheck_implementation_v1().
TEST(Interface, AnObjectWithoutADescriptionLoads) {
  SessionOptions options;
  options.implementation = directory_of_binaries() + "/canary.so";
  std::string error;
  const std::unique_ptr<Session> session = Session::start(options, error);
  ASSERT_NE(session, nullptr) << error;
  EXPECT_EQ(session->implementation().habits, 0u);
  EXPECT_EQ(session->run(scenario_of(plain), 0).status, Status::holds);
}

TEST(Interface, AnErrorOfPrepareMakesTheRunBroken) {
  const Verdict v = run("cannot-prepare", 0, plain);
  EXPECT_EQ(v.status, Status::broken);
  EXPECT_NE(v.observed.find("prepare() of the implementation, errno 71"), std::string::npos) << v.observed;
  EXPECT_EQ(run("cannot-prepare", 0, plain, true).status, Status::broken);
}

// ---- the template and the guide -----------------------------------------------------------------

Output check(const std::string& object) {
  return shell(directory_of_binaries() + "/spawncheck check --runs 300 --implementation " + object + " 2>&1");
}

TEST(Template, KeepsWhatItOffers) {
  const Output out = check(directory_of_binaries() + "/template.so");
  EXPECT_EQ(out.status, 0) << out.text;
  EXPECT_NE(out.text.find("requests taken: "), std::string::npos) << out.text;
}

struct Language {
  const char *fence, *name, *command;  // the command line, before -o OBJECT SOURCE
};

class Howto : public ::testing::TestWithParam<Language> {
 protected:
  const Scratch scratch;
};

std::string block_of(const std::string& fence) {
  std::stringstream text;
  text << std::ifstream(std::string(SPAWNCHECK_SOURCE_DIRECTORY) + "/impl/peers/howto.md").rdbuf();
  const std::string all = text.str(), head = "```" + fence + "\n";
  const std::size_t from = all.find(head);
  if (from == std::string::npos) return {};
  return all.substr(from + head.size(), all.find("\n```", from + 1) + 1 - from - head.size());
}

TEST_P(Howto, TheBlockIsAnImplementationThatIsNotAccused) {
  const Language& l = GetParam();
  const std::string compiler = std::string(l.command).substr(0, std::string(l.command).find(' '));
  if (std::system((compiler + " --version >/dev/null 2>&1").c_str()) != 0) {
    std::printf("spawncheck: no %s: the block of howto.md is not compiled\n", compiler.c_str());
    GTEST_SKIP() << "no " << compiler;
  }
  const std::string source = scratch.file(l.name, block_of(l.fence)), object = scratch.path + "/mine.so";
  std::string command = l.command;
  if (const std::size_t at = command.find("SPAWNCHECK"); at != std::string::npos)
    command.replace(at, std::string("SPAWNCHECK").size(), SPAWNCHECK_SOURCE_DIRECTORY);
  ASSERT_EQ(std::system((command + " -o " + object + " " + source).c_str()), 0);
  const Output out = check(object);
  EXPECT_EQ(out.status, 0) << out.text;
}

INSTANTIATE_TEST_SUITE_P(Interface, Howto,
                         ::testing::Values(Language{"c", "mine.c", "cc -shared -fPIC -I SPAWNCHECK"},
                                           Language{"cpp", "mine.cpp", "c++ -std=c++17 -shared -fPIC -I SPAWNCHECK"},
                                           Language{"rust", "mine.rs", "rustc --edition 2021 --crate-type cdylib -O"}),
                         [](const auto& parameter) { return std::string(parameter.param.fence); });

// ---- descriptors that the implementation holds --------------------------------------------------

TEST(Interface, WhatIsHeldAndNamedByAThreadIsNoFinding) {
  const Verdict v = run("holds-descriptors", SPAWNCHECK_HOLDS_DESCRIPTORS, "thread\n  close_range 5 max\n");
  EXPECT_EQ(v.status, Status::unsupported);
  EXPECT_NE(v.observed.find("holds-descriptors"), std::string::npos) << v.observed;
}

TEST(Interface, WhatIsHeldCrossesOnlyWhereThePolicySaysSo) {
  for (const char* policy : {"inherit", "drop", "only"}) {
    const Verdict v = run("holds-descriptors", SPAWNCHECK_HOLDS_DESCRIPTORS,
                          ("thread\n  spawn " + std::string(policy) + " hold -> $0\n").c_str());
    EXPECT_EQ(v.status, Status::holds) << policy << ": " << v.observed;
  }
}

// The model knows only the scenario's descriptors and those that calls open: a lockstep run with held descriptors is
// inconclusive, and says why.
TEST(Interface, WhatIsHeldIsNotComparedInLockstep) {
  std::string error;
  const std::unique_ptr<Session> session = started("holds-descriptors", SPAWNCHECK_HOLDS_DESCRIPTORS, error);
  ASSERT_NE(session, nullptr) << error;
  sc_policy policy = policy_of(Turns::lenient);
  policy.snapshot_every = 1;
  const lockstep::Comparison c =
      session->run_lockstep(scenario_of("thread\n  spawn inherit hold -> $0\n  memfd\n"), policy);
  EXPECT_FALSE(c.disagreement) << c.disagreement->kernel << "; the model: " << c.disagreement->model;
  EXPECT_NE(c.unknown.find("holds descriptors"), std::string::npos) << c.unknown;
  EXPECT_EQ(lockstep_verdict(c, session->history()).status, Status::inconclusive);
}

lockstep::Comparison followed(const char* does) {
  std::string error;
  const std::unique_ptr<Session> session = started(does, 0, error);
  if (session == nullptr) {
    ADD_FAILURE() << error;
    return {};
  }
  sc_policy policy = policy_of(Turns::lenient);
  policy.snapshot_every = 1;
  return session->run_lockstep(scenario_of("fd 0 null\nthread\n  spawn only hold keep 0>3 -> $0\n"), policy);
}

TEST(Interface, EachKindOfDescriptorThatIsOpenedIsKnownInLockstep) {
  const lockstep::Comparison c = followed("opens");
  EXPECT_FALSE(c.disagreement) << c.disagreement->kernel << "; the model: " << c.disagreement->model;
  EXPECT_EQ(c.unknown, "");
  EXPECT_GT(c.steps, 50u);
}

// The tracer does not stop at ioctl(2) FIOCLEX: only a snapshot shows the mark.
TEST(Interface, WhatIsMarkedUnseenIsNoticedInLockstep) {
  const lockstep::Comparison c = followed("marks");
  ASSERT_TRUE(c.disagreement);
  EXPECT_EQ(c.disagreement->kernel, "task 0's 32 is /dev/null, close-on-exec");
  EXPECT_EQ(c.disagreement->model, "/dev/null");
}

TEST(Interface, WhatIsHeldIsKnownHoweverHighItIs) {
  const Verdict v =
      run("holds-high-descriptors", SPAWNCHECK_HOLDS_DESCRIPTORS, "limit 10000\nthread\n  spawn drop hold -> $0\n");
  EXPECT_EQ(v.status, Status::holds) << v.observed;
}

}  // namespace
}  // namespace spawncheck
