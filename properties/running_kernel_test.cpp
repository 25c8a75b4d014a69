// SPDX-License-Identifier: MIT
//
// The kernel that runs is asked what it does: the answers are facts about it, asking costs milliseconds and leaves
// nothing, and the model of it agrees with it where the model of another does not.
#include "impl/session/running_kernel.h"

#include <seccomp.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <set>

#include "impl/session/kernel_probes.h"
#include "impl/session/scheduled.h"
#include "properties/on_the_kernel.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

std::vector<std::string> open_numbers() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) out.push_back(entry.path().filename());
  return out;
}

// Every probe anew, in turn.
std::vector<Probed> asked() {
  return {
#define SPAWNCHECK_ROW(id, word, judges, meaning, source, how) probes::id(),
      SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
  };
}

TEST(RunningKernel, SaysTheSameWhenItIsAskedAgain) {
  const std::vector<Probed> first = asked(), second = asked();
  for (int b = 0; b < behaviour_count; ++b) {
    const auto at = static_cast<std::size_t>(b);
    EXPECT_EQ(name(first[at].answer), name(second[at].answer))
        << row(static_cast<Behaviour>(b)).word << ": " << first[at].seen << ", then " << second[at].seen;
    EXPECT_FALSE(first[at].seen.empty());
    EXPECT_EQ(&probed(static_cast<Behaviour>(b)), &probed(static_cast<Behaviour>(b))) << "asked once a process";
  }
}

TEST(RunningKernel, IsAskedWithoutATrace) {
  const std::vector<std::string> before = open_numbers();
  asked();
  EXPECT_EQ(open_numbers(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a probe's process is left";
  EXPECT_EQ(errno, ECHILD);
}

// The dear one needs a few milliseconds of processor; the bound is for a machine with much else to do.
TEST(RunningKernel, IsAskedInMilliseconds) {
  const auto start = std::chrono::steady_clock::now();
  asked();
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 2.0);
}

TEST(RunningKernel, HasWordsOfItsOwnAndASourceForEachBehaviour) {
  std::set<std::string_view> words;
  for (int b = 0; b < behaviour_count; ++b) {
    const BehaviourRow& r = row(static_cast<Behaviour>(b));
    EXPECT_TRUE(words.insert(r.word).second) << r.word;
    EXPECT_FALSE(r.meaning.empty() || r.source.empty() || r.how.empty()) << r.word;
    EXPECT_EQ(r.judges, (" " + behaviours_text()).find(" " + std::string(r.word) + " ") != std::string::npos) << r.word;
  }
}

// What a sandbox refuses is not there.
TEST(RunningKernel, CountsWhatASandboxRefusesAsMissing) {
  const pid_t pid = fork();
  if (pid == 0) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool is_set = filter != nullptr;
    for (const int call : {SCMP_SYS(close_range), SCMP_SYS(clone3), SCMP_SYS(pidfd_getfd)})
      is_set &= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0) == 0;
    if (!is_set || seccomp_load(filter) != 0) _exit(99);
    for (const Probed& p :
         {probes::close_range(), probes::clone3(), probes::pidfd_getfd(), probes::close_range_except()})
      if (p.answer != Answer::no || p.seen != "ENOSYS") _exit(1);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// The oracle can fail: taken for a kernel that it is not, this one is caught.
TEST(RunningKernel, IsNotTakenForAnother) {
  Session& session = session_with("reference");
  const Scenario scenario = scenario_of("fd 3 memfd\nthread\n  close_range 3 3 flags=8\n");
  sc_policy policy = policy_of(Turns::lenient);
  policy.results = 1;
  policy.snapshot_every = 1;
  const lockstep::Comparison own = session.run_lockstep(scenario, policy);
  EXPECT_EQ(lockstep_verdict(own, session.history()).status, Status::holds) << own.unknown;
  model::Kernel other = running_kernel();
  other.has_except = !other.has_except;
  EXPECT_TRUE(lockstep::compare(other, scenario, session.trace(), session.history()).disagreement.has_value());
  JudgeOptions options;
  options.kernel = running_kernel();
  EXPECT_EQ(judge(scenario, session.history(), options).status, Status::holds);
  options.kernel = other;
  EXPECT_NE(judge(scenario, session.history(), options).status, Status::holds);
}

}  // namespace
}  // namespace spawncheck
