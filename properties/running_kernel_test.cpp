// SPDX-License-Identifier: MIT
//
// The running kernel is probed for what it does: the answers are facts about it, the probes are cheap and leave nothing
// behind, and the model of this kernel agrees with it where the model of another one does not.
#include "impl/session/running_kernel.h"

#include <seccomp.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <functional>
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

struct Asked {
  Behaviour behaviour;
  Probed probed;
};

// Runs every probe again, in the order of the table.
std::vector<Asked> asked() {
  std::vector<Asked> all;
#define ADD_PROBED(id) all.push_back({Behaviour::id, probes::id()});
#define ADD_ASSUMED(id)
#define SPAWNCHECK_ROW(id, word, judges, meaning, source, since, until, asked, how, with) ADD_##asked(id)
  SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
#undef ADD_PROBED
#undef ADD_ASSUMED
  return all;
}

TEST(RunningKernel, SaysTheSameWhenItIsAskedAgain) {
  const std::vector<Asked> first = asked(), second = asked();
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    const Probed &one = first[i].probed, &other = second[i].probed;
    EXPECT_EQ(name(one.answer), name(other.answer))
        << model::row(first[i].behaviour).word << ": " << one.seen << ", then " << other.seen;
    EXPECT_FALSE(one.seen.empty());
    EXPECT_EQ(&probed(first[i].behaviour), &probed(first[i].behaviour)) << "asked once a process";
  }
}

// A behaviour with a probe is probed, and the model's kernel does what the probe found; the others say why they are
// assumed.
TEST(RunningKernel, ProbesEveryBehaviourThatHasAProbe) {
  std::set<Behaviour> has_probe;
  for (const Asked& a : asked()) has_probe.insert(a.behaviour);
  EXPECT_GE(has_probe.size(), 12u);
  const model::Kernel kernel = running_kernel();
  for (int i = 0; i < model::behaviour_count; ++i) {
    const auto b = static_cast<Behaviour>(i);
    const model::BehaviourRow& r = model::row(b);
    const Known k = known(b);
    EXPECT_EQ(has_probe.count(b) != 0, r.is_probed) << r.word;
    EXPECT_EQ(k.is_probed, r.is_probed) << r.word << ": " << k.why;
    EXPECT_EQ(kernel.has(b), k.does) << r.word;
    EXPECT_FALSE(k.why.empty()) << r.word;
    EXPECT_EQ(r.is_probed && k.does, probed(b).answer == Answer::yes) << r.word;
    EXPECT_TRUE(r.is_probed || k.why.find(r.how) != std::string::npos) << r.word << ": " << k.why;
  }
}

// Also prints where the probes differ from the table's columns for the running release: a changed kernel, or a wrong
// column. That is no failure.
TEST(RunningKernel, ItsReleaseIsReadFromItsName) {
  for (int i = 0; i < model::behaviour_count; ++i) {
    const auto b = static_cast<Behaviour>(i);
    if (known(b).does != model::behaviours_of(running_release()).has(b))
      std::printf("spawncheck: %s: this kernel differs from its release\n", std::string(model::row(b).word).c_str());
  }
  EXPECT_EQ(release_of("6.18.44-fc-v782", "#1 SMP"), (model::Release{6, 18, 44}));
  EXPECT_EQ(release_of("6.1.0-56-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"),
            (model::Release{6, 1, 192}));
  EXPECT_EQ(release_of("6.12.117+deb12-amd64", "#1 SMP Debian 6.12.117-1~deb12u1"), (model::Release{6, 12, 117}));
  EXPECT_EQ(release_of("custom", "#1"), model::Release{});
}

TEST(RunningKernel, IsAskedWithoutATrace) {
  const std::vector<std::string> before = open_numbers();
  asked();
  EXPECT_EQ(open_numbers(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a probe's process is left";
  EXPECT_EQ(errno, ECHILD);
}

// Processor time of this process and of the children that it has waited for: other work on the machine does not count.
double processor_seconds() {
  double sum = 0;
  for (const int whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    getrusage(whose, &used);
    for (const timeval& t : {used.ru_utime, used.ru_stime})
      sum += static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  }
  return sum;
}

double cost_of(const std::function<void()>& work) {
  const double start = processor_seconds();
  work();
  return processor_seconds() - start;
}

// Every command probes the kernel, so the probes must be cheap. The cost is measured in forks, of which they consist.
TEST(RunningKernel, IsAskedForThePriceOfSomeForks) {
  constexpr int forks = 2000;
  const auto fork_and_wait = [] {
    for (int i = 0; i < forks / 2; ++i) {
      const pid_t pid = fork();
      if (pid == 0) _exit(0);
      ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
    }
  };
  const double before = cost_of(fork_and_wait), asking = cost_of([] { asked(); }), after = cost_of(fork_and_wait);
  std::printf("asking costs %.0f forks\n", asking / ((before + after) / forks));
  EXPECT_LT(asking, before + after);
}

TEST(RunningKernel, ReportsWhatJudges) {
  for (int i = 0; i < model::behaviour_count; ++i) {
    const model::BehaviourRow& r = model::row(static_cast<Behaviour>(i));
    EXPECT_EQ(r.judges, (" " + behaviours_text()).find(" " + std::string(r.word) + " ") != std::string::npos) << r.word;
  }
  EXPECT_EQ(difference_text(model::kernel_named("6.18").does, model::kernel_named("6.18,exec-closes-before-wake").does),
            "exec-closes-before-wake");
  EXPECT_EQ(difference_text(running_kernel().does, running_kernel().does), "");
}

// A call that a sandbox refuses counts as missing.
TEST(RunningKernel, CountsWhatASandboxRefusesAsMissing) {
  const pid_t pid = fork();
  if (pid == 0) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool is_set = filter != nullptr;
    for (const int call : {SCMP_SYS(close_range), SCMP_SYS(clone3), SCMP_SYS(pidfd_getfd)})
      is_set &= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0) == 0;
    if (!is_set || seccomp_load(filter) != 0) _exit(99);
    for (const Probed& p : {probes::close_range(), probes::clone3(), probes::clear_sighand(), probes::pidfd_getfd(),
                            probes::close_range_except()})
      if (p.answer != Answer::no || p.seen != "ENOSYS") _exit(1);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// The oracle can fail: the model of a kernel that differs in one behaviour disagrees with this one.
TEST(RunningKernel, IsNotTakenForAnother) {
  Session& session = session_with("reference");
  const Scenario scenario = scenario_of("fd 3 memfd\nthread\n  close_range 3 3 flags=8\n");
  sc_policy policy = policy_of(Turns::lenient);
  policy.results = 1;
  policy.snapshot_every = 1;
  const lockstep::Comparison own = session.run_lockstep(scenario, policy);
  EXPECT_EQ(lockstep_verdict(own, session.history()).status, Status::holds) << own.unknown;
  model::Kernel other = running_kernel();
  other.does.set(Behaviour::close_range_except, !other.has(Behaviour::close_range_except));
  EXPECT_TRUE(lockstep::compare(other, scenario, session.trace(), session.history()).disagreement.has_value());
  JudgeOptions options;
  options.kernel = running_kernel();
  EXPECT_EQ(judge(scenario, session.history(), options).status, Status::holds);
  options.kernel = other;
  EXPECT_NE(judge(scenario, session.history(), options).status, Status::holds);
}

}  // namespace
}  // namespace spawncheck
