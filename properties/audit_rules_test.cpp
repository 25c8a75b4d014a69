// SPDX-License-Identifier: MIT
//
// What an audit reports, over events that a test writes, and the parts of the tracer that need no tracing.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <limits>

#include "impl/audit/filter.h"
#include "impl/audit/memory.h"
#include "impl/audit/proc.h"
#include "impl/audit/witness.h"
#include "model/audit/rules.h"
#include "model/audit/suppressions.h"

namespace spawncheck::audit {
namespace {

constexpr std::uint32_t thread_flags = 0x400 | 0x100 | 0x10000;  // CLONE_FILES, CLONE_VM, CLONE_THREAD

// A run that a test writes: task 0 is the first program; a call begins every ten units of time and takes five.
class Told {
 public:
  Told() {
    add_task();
    follower.begin(0, {{0, ""}, {1, ""}, {2, ""}, {9, "passed"}});
  }

  TaskId add_task() {
    TaskFacts facts;
    facts.pid = facts.tid = 100;
    recording.tasks.push_back(facts);
    return static_cast<TaskId>(recording.tasks.size() - 1);
  }

  Event event(EventKind kind, TaskId task) {
    Event e;
    e.kind = kind;
    e.task = task;
    e.begin_ns = clock += 10;
    e.end_ns = clock + 5;
    recording.sites.push_back({nothing, {static_cast<std::uint32_t>(recording.sites.size()), 1}, {}});
    e.site = static_cast<std::uint32_t>(recording.sites.size() - 1);
    return e;
  }
  void apply(const Event& e) { follower.apply(e); }

  TaskId thread(TaskId parent) { return clone(parent, thread_flags); }
  TaskId fork(TaskId parent) { return clone(parent, 0); }
  TaskId clone(TaskId parent, std::uint32_t flags) {
    const TaskId child = add_task();
    Event e = event(EventKind::clone, parent);
    e.child = child;
    e.flags = flags;
    apply(e);
    return child;
  }
  void open(TaskId task, int number, bool cloexec = false) {
    Event e = event(EventKind::create, task);
    e.number = number;
    e.cloexec = cloexec;
    e.what = What::file;
    apply(e);
  }
  void mark(TaskId task, int number, bool cloexec = true) {
    Event e = event(EventKind::flag, task);
    e.number = number;
    e.cloexec = cloexec;
    apply(e);
  }
  void close(TaskId task, int number) {
    Event e = event(EventKind::close, task);
    e.number = number;
    apply(e);
  }
  void dup_to(TaskId task, int from, int to) {
    Event e = event(EventKind::duplicate, task);
    e.from = from;
    e.number = to;
    apply(e);
  }
  void close_from(TaskId task, int first, std::uint32_t flags = 0) {
    Event e = event(EventKind::close_range, task);
    e.number = first;
    e.last = 0xffffffff;
    e.flags = flags;
    apply(e);
  }
  void sync(TaskId from, TaskId to, ObjectKind kind) {
    Event e = event(EventKind::release, from);
    e.object = object(kind, 7);
    apply(e);
    e = event(EventKind::acquire, to);
    e.object = object(kind, 7);
    apply(e);
  }
  // The test gives the kernel's list after exec. That list is the fact; the table that the follower keeps is not.
  void exec(TaskId task, const std::vector<std::int32_t>& open, std::vector<std::int32_t> named = {}) {
    ExecFacts facts;
    facts.program = "program";
    for (const std::int32_t number : open) facts.open.push_back({number, "link"});
    facts.named = std::move(named);
    recording.execs.push_back(facts);
    Event e = event(EventKind::exec, task);
    e.facts = static_cast<std::uint32_t>(recording.execs.size() - 1);
    apply(e);
  }

  // "observed fd.inherited; predicted fd.inherited", without notes.
  std::string verdict() {
    std::string out;
    for (const Finding& f : judge(follower)) {
      if (f.certainty == Certainty::note) continue;
      out += (out.empty() ? "" : "; ") + std::string(name(f.certainty)) + " " + name(f.rule);
    }
    return out;
  }

  Recording recording;
  Follower follower{recording};
  std::uint64_t clock = 0;
};

TEST(AuditRules, ACopyWithinAnotherThreadsWindowThatExecKeepsIsObserved) {
  Told run;
  const TaskId opener = run.thread(0);
  run.open(opener, 5);
  const TaskId child = run.fork(0);
  run.mark(opener, 5);
  run.exec(child, {0, 1, 2, 5, 9});
  EXPECT_EQ(run.verdict(), "observed fd.inherited");
  EXPECT_EQ(exit_status(judge(run.follower)), 1);
}

TEST(AuditRules, TheSameThreadsOwnSloppinessIsNoRace) {
  Told run;
  run.thread(0);
  run.open(0, 5);
  const TaskId child = run.fork(0);
  run.exec(child, {0, 1, 2, 5, 9});
  EXPECT_EQ(run.verdict(), "");
}

TEST(AuditRules, WhatWasPassedThroughStandardOrNamedIsNotReported) {
  Told run;
  const TaskId opener = run.thread(0);
  run.open(opener, 1);
  run.open(opener, 5);
  const TaskId child = run.fork(0);
  run.exec(child, {0, 1, 2, 5, 9}, {5});
  EXPECT_EQ(run.verdict(), "");
}

TEST(AuditRules, WhatTheChildPlacesOrUnmarksIsAskedFor) {
  for (const bool by_dup : {true, false}) {
    Told run;
    const TaskId opener = run.thread(0);
    run.open(opener, 5, !by_dup);
    const TaskId child = run.fork(0);
    if (by_dup)
      run.dup_to(child, 9, 5);
    else
      run.mark(child, 5, false);
    run.exec(child, {0, 1, 2, 5, 9});
    EXPECT_EQ(run.verdict(), "") << by_dup;
  }
}

TEST(AuditRules, AWindowAndALaterCopyThatNothingOrdersIsPredicted) {
  Told run;
  const TaskId opener = run.thread(0);
  run.open(opener, 5);
  run.mark(opener, 5);
  const TaskId child = run.fork(0);
  run.exec(child, {0, 1, 2, 9});
  EXPECT_EQ(run.verdict(), "predicted fd.inherited");
  EXPECT_EQ(exit_status(judge(run.follower)), 3);
}

TEST(AuditRules, ACopyBeforeAWindowThatNothingOrdersIsPredictedToo) {
  Told run;
  const TaskId opener = run.thread(0);
  const TaskId child = run.fork(0);
  run.exec(child, {0, 1, 2, 9});
  run.open(opener, 5);
  run.close(opener, 5);
  EXPECT_EQ(run.verdict(), "predicted fd.inherited");
}

TEST(AuditRules, EachKindOfOrderExcludesAPrediction) {
  const std::pair<ObjectKind, const char*> kinds[] = {
      {ObjectKind::channel, ""},
      {ObjectKind::process, ""},
      {ObjectKind::signal, ""},
      {ObjectKind::futex, "possible fd.inherited"},  // the order may be of this run only: worth a trial
      {ObjectKind::lock, "possible fd.inherited"},
  };
  for (const auto& [kind, expected] : kinds) {
    Told run;
    const TaskId opener = run.thread(0);
    run.open(opener, 5);
    run.mark(opener, 5);
    run.sync(opener, 0, kind);
    const TaskId child = run.fork(0);
    run.exec(child, {0, 1, 2, 9});
    EXPECT_EQ(run.verdict(), expected) << static_cast<int>(kind);
  }
}

TEST(AuditRules, AThreadThatIsBornAfterTheWindowIsOrdered) {
  Told run;
  run.thread(0);  // the table is shared
  run.open(0, 5);
  run.mark(0, 5);
  const TaskId spawner = run.thread(0);
  const TaskId child = run.fork(spawner);
  run.exec(child, {0, 1, 2, 9});
  EXPECT_EQ(run.verdict(), "");
}

TEST(AuditRules, AChildThatClosesItHoweverExcludesAPrediction) {
  for (const int how : {0, 1, 2}) {
    Told run;
    const TaskId opener = run.thread(0);
    run.open(opener, 5);
    run.mark(opener, 5);
    const TaskId child = run.fork(0);
    if (how == 0) run.close_from(child, 3);
    if (how == 1)
      for (int number = 3; number < 20; ++number) run.close(child, number);
    if (how == 2) run.apply(run.event(EventKind::list, child));
    run.exec(child, {0, 1, 2});
    EXPECT_EQ(run.verdict(), "") << how;
  }
}

TEST(AuditRules, AnIntermediateProgramThatClosesItIsANote) {
  Told run;
  const TaskId opener = run.thread(0);
  run.open(opener, 5);
  const TaskId child = run.fork(0);
  run.mark(opener, 5);
  run.exec(child, {0, 1, 2, 5, 9});
  run.close_from(child, 3);
  run.exec(child, {0, 1, 2});
  EXPECT_EQ(run.verdict(), "");
  ASSERT_EQ(judge(run.follower).size(), 1u);
  EXPECT_EQ(judge(run.follower)[0].rule, Rule::held_by_helper);
}

TEST(AuditRules, ASharedTableIsCopiedAtTheUnsharingNotAtTheClone) {
  for (const bool is_marked_first : {true, false}) {
    Told run;
    run.open(0, 5);
    const TaskId child = run.clone(0, 0x400);  // CLONE_FILES
    const TaskId opener = run.thread(0);
    run.open(opener, 6);
    if (is_marked_first) {
      run.mark(0, 5);
      run.mark(opener, 6);
    }
    run.exec(child,
             is_marked_first ? std::vector<std::int32_t>{0, 1, 2, 9} : std::vector<std::int32_t>{0, 1, 2, 5, 6, 9});
    EXPECT_EQ(run.verdict().find("observed") == std::string::npos, is_marked_first);
  }
}

TEST(AuditRules, HandedOverOnPurposeIsNotReported) {
  Told run;
  const TaskId spawner = run.thread(0);
  run.open(0, 5);
  run.sync(0, spawner, ObjectKind::futex);
  const TaskId child = run.fork(spawner);
  run.exec(child, {0, 1, 2, 5, 9});
  EXPECT_EQ(run.verdict(), "");
}

TEST(AuditRules, ACopyThatTheKernelMadeWhileACallWasInFlightIsExplained) {
  // The close was seen first; the kernel copied the table before it.
  Told run;
  const TaskId opener = run.thread(0);
  run.open(opener, 5);
  const TaskId child = run.add_task();
  Event clone = run.event(EventKind::clone, 0);
  clone.child = child;
  run.close(opener, 5);
  clone.end_ns = run.clock + 20;
  run.apply(clone);
  run.exec(child, {0, 1, 2, 5, 9});
  EXPECT_EQ(run.verdict(), "observed fd.inherited");
}

TEST(AuditRules, ACloseThatIsEnteredIsOverWhenItsThreadMakesTheNextCall) {
  for (const bool is_over : {false, true}) {
    Told run;
    const TaskId opener = run.thread(0);
    run.open(opener, 5);
    run.close(opener, 5);
    if (is_over) run.open(opener, 6, true);
    const TaskId child = run.fork(0);
    run.exec(child, {0, 1, 2, 5, 9});
    EXPECT_EQ(run.verdict(), is_over ? "predicted fd.inherited" : "observed fd.inherited");
  }
}

TEST(AuditRules, ANumberThatNobodyWasSeenToOpenIsSaidToBeNotFollowed) {
  Told run;
  const TaskId child = run.fork(0);
  run.exec(child, {0, 1, 2, 9, 77});
  const std::vector<Finding> findings = judge(run.follower);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].rule, Rule::not_followed);
  EXPECT_EQ(findings[0].number, 77);
}

TEST(AuditRules, AGrandchildGotItByTheCopyOfItsGrandparentsTable) {
  Told run;
  const TaskId opener = run.thread(0);
  run.open(opener, 5);
  const TaskId child = run.fork(0);
  run.mark(opener, 5);
  const TaskId grandchild = run.fork(child);
  run.exec(grandchild, {0, 1, 2, 5, 9});
  EXPECT_EQ(run.verdict(), "observed fd.inherited");
}

Described described() {
  Described d;
  d.finding.rule = Rule::inherited;
  d.finding.certainty = Certainty::observed;
  d.finding.path = "/tmp/cache-1";
  d.finding.program = "/bin/gzip";
  d.created = {"openat", "libc.so.6!open64+0x2e", "server!load(int*)+0x10"};
  d.cloned = {"vfork", "libc.so.6!vfork+0x8", "server!run+0x8"};
  return d;
}

TEST(AuditSuppressions, WhatIsSuggestedSuppressesTheFindingInAnotherBuild) {
  const auto parsed = parse_suppressions("# a comment\n" + suggest(described(), 1));
  const auto* list = std::get_if<std::vector<Suppression>>(&parsed);
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list->size(), 1u);
  Described other = described();
  EXPECT_TRUE(matches(list->front(), other));
  other.created.back() = "server!load(int*)+0x999";
  EXPECT_TRUE(matches(list->front(), other));
  other.created.back() = "server!save+0x10";
  EXPECT_FALSE(matches(list->front(), other));
  other = described();
  other.finding.rule = Rule::text_busy;
  EXPECT_FALSE(matches(list->front(), other));
}

TEST(AuditSuppressions, AMalformedFileIsRefusedWithItsLine) {
  const std::pair<const char*, unsigned> files[] = {{"x\n", 1},
                                                    {"{\n}\n", 2},
                                                    {"{\nname\nno.rule\n}\n", 3},
                                                    {"{\nname\nfd.inherited\nfile:x\n}\n", 4},
                                                    {"{\nname\n", 2}};
  for (const auto& [text, line] : files) {
    const auto parsed = parse_suppressions(text);
    const auto* error = std::get_if<SuppressionError>(&parsed);
    ASSERT_NE(error, nullptr) << text;
    EXPECT_EQ(error->line, line) << text;
  }
}

TEST(AuditSuppressions, PatternsMatchAsAShellsDo) {
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_TRUE(matches_pattern("a*b?d", "axxbcd"));
  EXPECT_TRUE(matches_pattern("*ab", "aab"));
  EXPECT_FALSE(matches_pattern("a", "ab"));
  EXPECT_FALSE(matches_pattern("?", ""));
}

TEST(AuditFilter, ItFitsTheKernelsBoundAndItsJumpsStayWithin) {
  for (const bool for_threads : {false, true}) {
    const std::vector<sock_filter> code = make_filter(for_threads);
    ASSERT_LE(code.size(), static_cast<std::size_t>(BPF_MAXINSNS));
    for (std::size_t i = 0; i < code.size(); ++i) {
      if (BPF_CLASS(code[i].code) != BPF_JMP) continue;
      const std::size_t far = BPF_OP(code[i].code) == BPF_JA ? code[i].k : std::max(code[i].jt, code[i].jf);
      EXPECT_LT(i + 1 + far, code.size()) << i;
    }
  }
}

// The caller is read from a stack that may hold stale words: a trial that sees another one is of the same clone.
TEST(AuditTrial, ACloneThatSeemsToHaveAnotherCallerConfirms) {
  constexpr int number = 50;
  ASSERT_EQ(dup2(STDERR_FILENO, number), number);
  if (syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, number, number) != 0) GTEST_SKIP() << "unsupported: kcmp(2)";
  Told run;
  const TaskId opener = run.thread(0);
  run.open(opener, number);
  const TaskId child = run.fork(0);
  run.exec(child, {0, 1, 2, 9, number});
  for (Site& site : run.recording.sites) {
    site.call = 0;
    run.recording.texts.push_back("file");
  }
  const auto site_of = [&](std::uint32_t event) { return run.recording.events[event].site; };
  const std::uint32_t create = run.follower.windows()[0].create_event, clone = run.follower.copies()[0].event;
  const std::string seen = key_of(run.recording, site_of(clone));
  Trial trial({{key_of(run.recording, site_of(create)), seen.substr(0, seen.rfind('\t')) + "\tother+0x1"}},
              {"program"});
  ASSERT_TRUE(trial.wants(run.follower, run.recording.events[create], 0));
  trial.exec(run.follower, run.follower.execs().back(), getpid(), [](TaskId) { return getpid(); });
  EXPECT_TRUE(trial.outcomes().begin()->second.witness.has_value());
  close(number);
}

TEST(AuditMappings, ThatTheyAreNotReadAgainLeavesWhatIsKnown) {
  Mappings mappings;
  const auto here = reinterpret_cast<std::uint64_t>(&make_filter);
  const auto intern = [](const std::string&) { return 0u; };
  for (int reads = 0; reads < 5001; ++reads) {  // one more than Mappings reads
    mappings.forget();
    ASSERT_NE(mappings.find(getpid(), here, intern), nullptr) << reads;
  }
}

// A child that waits for a word that this process owns: FUTEX_LOCK_PI(2const), whose timeout is an absolute time.
TEST(AuditProc, AWaitWithATimeoutIsNotForEver) {
  void* const page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  *static_cast<std::uint32_t*>(page) = static_cast<std::uint32_t>(getpid());
  for (const bool has_timeout : {false, true}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const timespec far{std::numeric_limits<std::int32_t>::max(), 0};
      syscall(SYS_futex, page, FUTEX_LOCK_PI, 0, has_timeout ? &far : nullptr, nullptr, 0);
      _exit(1);
    }
    Waiting waiting;
    for (int look = 0; look < 100'000 && !waiting.is_asleep; ++look) {
      sched_yield();
      waiting = read_waiting(child);
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_TRUE(waiting.is_asleep) << "the child did not wait";
    EXPECT_EQ(waiting.call, SYS_futex);
    EXPECT_EQ(waiting.is_for_ever, !has_timeout);
  }
  munmap(page, 4096);
}

// What the kernel does with a call, by the instructions that make_filter() uses (seccomp(2)).
std::uint32_t verdict_of(const std::vector<sock_filter>& code, const seccomp_data& call) {
  std::uint32_t accumulator = 0;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const sock_filter& c = code[i];
    switch (c.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + c.k, sizeof accumulator);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= c.k;
        break;
      case BPF_JMP | BPF_JA:
        i += c.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        i += accumulator == c.k ? c.jt : c.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        i += (accumulator & c.k) != 0 ? c.jt : c.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        i += accumulator >= c.k ? c.jt : c.jf;
        break;
      case BPF_RET | BPF_K:
        return c.k;
      default:
        ADD_FAILURE() << "instruction " << c.code;
        return 0;
    }
  }
  ADD_FAILURE() << "the filter has no end";
  return 0;
}

TEST(AuditFilter, OnlyACommandThatMakesADescriptorStops) {
  struct {
    long number;
    std::uint64_t command;
    bool stops;
  } const calls[] = {{SYS_bpf, BPF_MAP_CREATE, true},       {SYS_bpf, BPF_ITER_CREATE, true},
                     {SYS_bpf, BPF_MAP_LOOKUP_ELEM, false}, {SYS_bpf, BPF_PROG_ATTACH, false},
                     {SYS_signalfd4, 0xffffffff, true},     {SYS_signalfd4, 5, false}};
  for (const auto& call : calls) {
    seccomp_data data{};
#if defined(__x86_64__)
    data.arch = AUDIT_ARCH_X86_64;
#else
    data.arch = AUDIT_ARCH_AARCH64;
#endif
    data.nr = static_cast<int>(call.number);
    data.args[0] = call.command;
    EXPECT_EQ(verdict_of(make_filter(false), data) != SECCOMP_RET_ALLOW, call.stops)
        << call.number << " " << call.command;
  }
}

}  // namespace
}  // namespace spawncheck::audit
