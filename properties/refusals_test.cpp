// SPDX-License-Identifier: MIT
//
// A system call that a scenario refuses fails in every run, and so does the fault that it injects: a file alone replays
// both.
#include <cerrno>

#include "impl/session/scheduled.h"
#include "properties/on_the_kernel.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

Session& mutant(const std::string& word) { return session_with(directory_of_binaries() + "/mutants/" + word + ".so"); }

// Expects `status`, and `error` of the first operation, from a free and from a scheduled run.
void expect_each(Session& session, const std::string& text, Status status, int error) {
  const Scenario s = scenario_of(text);
  for (const bool is_free : {true, false}) {
    const Verdict v = is_free ? session.run(s, 0) : session.run_scheduled(s, policy_of(Turns::lenient));
    EXPECT_EQ(v.status, status) << (is_free ? "free: " : "scheduled: ") << v.observed << "\n" << text;
    EXPECT_EQ(session.history().op[0][0].error, error) << (is_free ? "free" : "scheduled") << "\n" << text;
  }
}

TEST(Refusals, AreWhatTheSpawnReports) {
  const std::string rest = "fd 0 null\nfd 5 memfd\nthread\n  spawn only hold keep 5>3 pgroup 0 cwd a pidfd -> $0 $1\n";
  for (const auto& [line, error] : {std::pair{"refuse execve ENOMEM\n", ENOMEM},
                                    {"refuse setpgid EPERM\n", EPERM},
                                    {"refuse chdir EACCES\n", EACCES},
                                    {"refuse close_range ENOSYS\n", ENOSYS},
                                    {"refuse fcntl EMFILE\n", EMFILE},
                                    {"refuse clone EPERM\n", EPERM},
                                    {"refuse execveat ENOSYS\n", 0}})
    expect_each(mutant("control"), line + rest, Status::holds, error);
}

TEST(Refusals, LeaveTheReferenceItsFallbacks) {
  const std::string rest =
      "fd 0 null\nfd 70 memfd cloexec\nfd 71 memfd\nwindow 40 45\nthread\n  spawn only hold keep 70>3 pidfd -> $0 $1\n";
  std::string all;
  for (const char* call : {"clone3", "close_range", "pidfd_open", "pidfd_getfd", "unshare"})
    for (const char* error : {"ENOSYS", "EPERM"}) {
      const std::string line = std::string("refuse ") + call + " " + error + "\n";
      expect_each(session_with("reference"), line + rest, Status::holds, 0);
      if (error[1] == 'N') all += line;
    }
  expect_each(session_with("reference"), all + rest, Status::holds, 0);
}

TEST(Refusals, ShowWhoDoesNotLook) {
  expect_each(mutant("move-unchecked"),
              "refuse dup2 ENOMEM\nfd 0 null\nfd 5 memfd\nthread\n  spawn only hold keep 5>3\n", Status::violated, 0);
  expect_each(mutant("unshare-unchecked"),
              "refuse unshare EPERM\nfd 0 null\nfd 5 memfd cloexec\nthread\n  spawn drop hold keep 5>3\n",
              Status::violated, 0);
}

// Of fcntl(2) only what makes a descriptor is refused, nothing before the race begins, and nothing to the observer.
TEST(Refusals, LeaveTheRestAlone) {
  expect_holds(session_with("reference"),
               "refuse fcntl EMFILE\nrefuse memfd_create EPERM\nrefuse dup3 EPERM\nfd 3 memfd\nmemfds 70 90\nthread\n  "
               "getfd 3\n  setfd 3 cloexec\n  spawn only exit -> $0\n  wait $0\n");
}

TEST(Refusals, AreNoConcernOfTheModelsKernel) {
  const Scenario s = scenario_of("refuse close_range ENOSYS\nthread\n  spawn only hold\n");
  Session& session = session_with("reference");
  const lockstep::Comparison c = session.run_lockstep(s, policy_of(Turns::lenient));
  const LockstepVerdict v = lockstep_verdict(c, session.history());
  EXPECT_EQ(v.status, Status::unsupported);
  EXPECT_TRUE(v.is_empty);
}

TEST(FaultLines, AreInjectedInEveryRun) {
  const std::string text = "fd 0 null\nfd 5 memfd\nthread\n  spawn only missing keep 5>3 -> $0\n";
  Session& session = mutant("control");
  session.run_scheduled(scenario_of(text), policy_of(Turns::lenient));
  std::uint16_t clone = 0;
  for (std::uint32_t i = 0; i < session.trace().step_count && session.trace().step[i].outcome != SC_OUTCOME_SUSPENDED;
       ++i)
    ++clone;
  ASSERT_LT(clone, session.trace().step_count);
  expect_each(session, text + "fault EAGAIN@0.0." + std::to_string(clone) + "\n", Status::holds, EAGAIN);
  EXPECT_EQ(session.history().fault.kind, SC_FAULT_ERROR);
  expect_each(mutant("clone-mask-left"), text + "fault EAGAIN@0.0." + std::to_string(clone) + "\n", Status::violated,
              EAGAIN);
}

TEST(FaultLines, OfWhatNoCallCanGiveAccuseNobody) {
  const Scenario s = scenario_of("fd 0 null\nthread\n  spawn only missing -> $0\nfault ENOSYS@0.0.1\n");
  Session& session = mutant("control");
  bool is_refused = false;
  for (std::uint16_t at = 0; at < 150; ++at) {
    Scenario each = s;
    each.fault.at = at;
    const Verdict v = session.run(each, 0);
    EXPECT_NE(v.status, Status::violated) << print(each) << v.observed;
    is_refused |= v.status == Status::unsupported;
  }
  EXPECT_TRUE(is_refused) << "rt_sigprocmask(2) among others";
}

TEST(FaultLines, ComeBackFromAFinding) {
  const Scenario s =
      scenario_of("fd 0 null\nfd 5 memfd\nthread\n  memfd\n  spawn only hold keep 5>3\nfault EAGAIN@0.1.3\n");
  Session& session = mutant("clone-mask-left");
  Scenario shown = s;
  Verdict v;
  for (std::uint16_t at = 0; at < 20 && v.status != Status::violated; ++at) {
    shown.fault.at = at;
    v = session.run(shown, 0);
  }
  ASSERT_EQ(v.status, Status::violated);
  const Finding f = make_finding(session, shown, v, 1, {});
  EXPECT_EQ(f.violations, f.tries);
  EXPECT_EQ(f.scenario.fault.kind, SC_FAULT_ERROR);
  EXPECT_EQ(session.run(scenario_of(print(f.scenario)), 0).status, Status::violated);
}

}  // namespace
}  // namespace spawncheck
