// SPDX-License-Identifier: MIT
//
// The model's kernel is this kernel, call by call and table by table, whatever the implementation does; and a record
// that differs in one place is noticed.
#include <signal.h>

#include "impl/session/scheduled.h"
#include "model/scenario/visible.h"
#include "properties/on_the_kernel.h"
#include "properties/rounds.h"

namespace spawncheck {
namespace {

std::string told(const lockstep::Comparison& c, const sc_trace& trace, const Scenario& scenario) {
  if (!c.disagreement) return "agrees";
  return "step " + std::to_string(c.disagreement->step + 1) + ": the kernel: " + c.disagreement->kernel +
         "; the model: " + c.disagreement->model + "\n" + trace_text(trace) + print(scenario);
}

struct Totals {
  std::uint64_t runs = 0, steps = 0, checked = 0, snapshots = 0, early = 0;
};

// `implementation`: a name, or a name, a blank and a strategy.
Session& session_named(const std::string& implementation) {
  const std::size_t blank = std::min(implementation.find(' '), implementation.size());
  return session_with(implementation.substr(0, blank),
                      blank == implementation.size() ? "" : implementation.substr(blank + 1));
}

Totals follow(const std::string& implementation, unsigned scenarios, std::uint64_t seed) {
  Session& session = session_named(implementation);
  Totals total;
  for (unsigned i = 0; i < scenarios; ++i) {
    Random random(seed + i);
    GenerateOptions options = session.generate_options();
    options.families = 1u << static_cast<int>(family_in_turn(i));
    const Scenario scenario = generate(random, options);
    sc_policy policy = policy_of(Turns::lenient, SC_RULE_RANDOM, seed + i);
    policy.snapshot_every = 40;
    const lockstep::Comparison c = session.run_lockstep(scenario, policy);
    EXPECT_FALSE(c.disagreement) << told(c, session.trace(), scenario);
    ++total.runs;
    total.steps += c.steps;
    total.checked += c.checked;
    total.snapshots += c.snapshots;
    total.early += !c.unknown.empty();
  }
  std::printf("%s: %llu runs, %llu steps, %llu predicted, %llu snapshots, %llu ended early\n", implementation.c_str(),
              static_cast<unsigned long long>(total.runs), static_cast<unsigned long long>(total.steps),
              static_cast<unsigned long long>(total.checked), static_cast<unsigned long long>(total.snapshots),
              static_cast<unsigned long long>(total.early));
  return total;
}

class EachImplementation : public ::testing::TestWithParam<const char*> {};

TEST_P(EachImplementation, IsFollowed) {
  if (std::string(GetParam()).starts_with("musl:") && !has_musl()) GTEST_SKIP() << "built without musl-gcc";
  if (const std::string& why = session_named(GetParam()).why_unsupported(); !why.empty()) GTEST_SKIP() << why;
  const Totals total = follow(GetParam(), GetParam() == std::string("canary") ? 40 : rounds(400, 60), 77);
  EXPECT_GT(total.checked, total.steps * 7 / 10);
  EXPECT_GT(total.snapshots, total.runs);
  EXPECT_LT(total.early, total.runs / 10);
}
INSTANTIATE_TEST_SUITE_P(Peers, EachImplementation,
                         ::testing::Values("reference", "reference staged", "reference fetched", "posix_spawn",
                                           "fork_exec", "canary", "musl:posix_spawn"));

// ---- verify the verifier: one recorded run, wrong in one place -------------------------------------

class Record {
 public:
  explicit Record(const std::string& text, const std::string& implementation = "reference")
      : scenario_(std::get<Scenario>(parse(text))) {
    Session& session = session_with(implementation);
    sc_policy policy = policy_of(Turns::lenient);
    policy.snapshot_every = 1;
    first_ = session.run_lockstep(scenario_, policy);
    trace_ = std::make_unique<sc_trace>(session.trace());
    history_ = std::make_unique<sc_history>(session.history());
  }
  const lockstep::Comparison& first() const { return first_; }
  const Scenario& scenario() const { return scenario_; }
  sc_trace& trace() { return *trace_; }
  bool is_noticed() const { return lockstep::compare({}, scenario_, *trace_, *history_).disagreement.has_value(); }

 private:
  Scenario scenario_;
  lockstep::Comparison first_;
  std::unique_ptr<sc_trace> trace_;
  std::unique_ptr<sc_history> history_;
};

constexpr const char* text =
    "disposition USR1 handler\nfd 0 null\nfd 5 memfd cloexec\nthread\n  spawn only hold keep 5>3 pidfd -> $0 $1\n  "
    "kill USR1\n  kill_child $0 KILL\n  wait $0\n"
    "thread\n  pipe -> $0 $1\n  dup2 5 9\n  setfd 9 cloexec\n  getfd 9\n  close $0\n  close_range 9 12\n  mask block "
    "TERM\n";

TEST(Lockstep, AgreesAtEveryStep) {
  Record record(text);
  EXPECT_FALSE(record.first().disagreement) << told(record.first(), record.trace(), record.scenario());
  EXPECT_EQ(record.first().unknown, "");
  EXPECT_EQ(record.first().steps, record.trace().step_count);
}

TEST(Lockstep, NoticesEachWrongResult) {
  Record record(text);
  unsigned changed = 0;
  for (unsigned i = 0; i < record.trace().step_count; ++i) {
    sc_step& step = record.trace().step[i];
    if (step.kind != SC_STEP_CALL || step.outcome != SC_OUTCOME_RETURNED || step.call == SC_VISIBLE_prlimit64) continue;
    const std::int64_t result = step.result;
    step.result = result < 0 ? 0 : -EXDEV;
    EXPECT_TRUE(record.is_noticed()) << i + 1 << "\n" << trace_text(record.trace());
    step.result = result;
    ++changed;
  }
  EXPECT_GT(changed, 15u);
  EXPECT_FALSE(record.is_noticed());
}

TEST(Lockstep, NoticesEachWrongSnapshot) {
  Record record(text);
  sc_trace& trace = record.trace();
  ASSERT_GT(trace.snapshot_count, 30u);
  for (unsigned i = 0; i < trace.snapshot_count; ++i) {
    sc_snapshot& s = trace.snapshot[i];
    for (std::uint64_t* field : {&s.mask, &s.ignored, &s.caught}) {
      *field ^= 1ull << 20;
      EXPECT_TRUE(record.is_noticed()) << i;
      *field ^= 1ull << 20;
    }
    for (std::uint8_t* shares : {&s.shares_table, &s.shares_dispositions, &s.shares_memory}) {
      const std::uint8_t before = *shares;
      *shares = before == s.task && s.task > 0 ? std::uint8_t{0} : s.task;
      EXPECT_EQ(record.is_noticed(), *shares != before) << i;
      *shares = before;
    }
  }
  ASSERT_FALSE(record.is_noticed()) << "something was not put back";
  for (unsigned i = 0; i < trace.entry_count; ++i) {
    sc_entry& e = trace.entry[i];
    e.cloexec ^= 1;
    EXPECT_TRUE(record.is_noticed()) << i;
    e.cloexec ^= 1;
    const auto kind = e.key.kind;
    e.key.kind = kind == SC_FILE_EVENTFD ? SC_FILE_MEMFD : SC_FILE_EVENTFD;
    EXPECT_TRUE(record.is_noticed()) << i;
    e.key.kind = kind;
  }
}

TEST(Lockstep, NoticesAnotherSignalAndAnotherOrder) {
  Record record(text);
  unsigned signals = 0;
  for (unsigned i = 0; i < record.trace().step_count; ++i) {
    sc_step& step = record.trace().step[i];
    if (step.kind != SC_STEP_SIGNAL) continue;
    ++signals;
    step.arg[0] = 12;
    EXPECT_TRUE(record.is_noticed());
    step.arg[0] = 10;
  }
  EXPECT_GT(signals, 0u);
}

// A child's SIGCHLD is taken after three other signals, before the handler of any of them has returned. The trace has
// the kernel's mask of that moment; a wrong mask is noticed.
TEST(Lockstep, FollowsAChildsSigchldAmongHandlersThatHaveNotReturned) {
  Record record(
      "disposition CHLD handler\ndisposition TSTP handler\ndisposition VTALRM handler\ndisposition 40 handler\n"
      "thread\n  spawn drop missing -> $0 $1\n  mask block HUP\nthread\n  tgkill 0 TSTP\n  tgkill 0 VTALRM\n"
      "  tgkill 0 40\n",
      "posix_spawn");
  EXPECT_FALSE(record.first().disagreement) << told(record.first(), record.trace(), record.scenario());
  unsigned children = 0;
  for (unsigned i = 0; i < record.trace().step_count; ++i) {
    sc_step& step = record.trace().step[i];
    if (step.kind != SC_STEP_SIGNAL || step.arg[0] != SIGCHLD) continue;
    ++children;
    EXPECT_NE(step.arg[1], 0);
    for (const std::int64_t wrong : {std::int64_t{0}, step.arg[1] & (step.arg[1] - 1)}) {
      const std::int64_t right = step.arg[1];
      step.arg[1] = wrong;
      EXPECT_TRUE(record.is_noticed()) << wrong;
      step.arg[1] = right;
    }
  }
  EXPECT_EQ(children, 1u);
}

// The pid is a 32-bit -1, any child, whatever the upper half of the register holds.
TEST(Lockstep, GivesUpAtAWaitForAnyChild) {
  Record record("fd 0 null\nthread\n  spawn only missing -> $0\n",
                directory_of_binaries() + "/mutants/waited-for-any.so");
  EXPECT_FALSE(record.first().disagreement) << told(record.first(), record.trace(), record.scenario());
  EXPECT_EQ(record.first().unknown, "a wait for any child");
}

// Lockstep follows a stop, its effect on the other threads, and a signal that ends all of them, without giving up.
TEST(Lockstep, FollowsStopsAndTheEndOfTheScenariosOwnProcess) {
  for (const char* own : {"thread\n  kill STOP\n  memfd\nthread\n  memfd\n  memfd\n",
                          "thread\n  memfd\nthread\n  tgkill 0 TSTP\n  memfd\n",
                          "fd 0 null\nthread\n  spawn only hold -> $0\n  kill_group TTIN\n",
                          "thread\n  memfd\n  kill TERM\nthread\n  memfd\n",
                          "fd 0 null\nthread\n  spawn only hold -> $0\n  memfd\nthread\n  kill KILL\n"}) {
    Record record(own);
    EXPECT_FALSE(record.first().disagreement) << told(record.first(), record.trace(), record.scenario());
    EXPECT_EQ(record.first().unknown, "") << own;
    EXPECT_EQ(record.first().steps, record.trace().step_count) << own;
    EXPECT_GT(record.first().checked, 0u) << own;
  }
}

}  // namespace
}  // namespace spawncheck
