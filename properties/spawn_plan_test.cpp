// SPDX-License-Identifier: MIT
//
// The planner is pure: its plans are run here on a table of letters, without a system call.
#include <spawncheck/spawn/request.h>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

constexpr spawn_abilities everything = {1, 1, 1, 1, 1, 1};

struct Planned {
  int error = 0;
  spawn_plan plan{};
  std::vector<spawn_step> steps;
};

char word[] = "program";
char* const argv[] = {word, nullptr};

spawn_request request_of(const std::vector<spawn_keep>& keep, uint32_t policy = SPAWN_FDS_ONLY) {
  spawn_request r{};
  r.policy = policy;
  r.path = "/program";
  r.argv = argv;
  r.keep = keep.data();
  r.keep_count = static_cast<uint32_t>(keep.size());
  return r;
}

Planned planned(const spawn_request& r, spawn_abilities abilities = everything) {
  Planned p;
  p.steps.resize(spawn_plan_steps_max(&r));
  p.plan.step = p.steps.data();
  p.plan.step_capacity = static_cast<uint32_t>(p.steps.size());
  p.error = spawn_plan_build(&r, &abilities, &p.plan);
  return p;
}

std::string text_of(const spawn_step& s) {
  std::string text = spawn_step_word(s.kind);
  switch (s.kind) {
    case SPAWN_STEP_CLOSE_RANGE: case SPAWN_STEP_CLOSE_EACH:
      return text + " " + std::to_string(s.first) + " " + (s.last == ~0u ? "max" : std::to_string(s.last)) + (s.flags == 2 ? " unshare" : "");
    case SPAWN_STEP_DUP: return text + " " + std::to_string(s.a) + " " + std::to_string(s.b);
    case SPAWN_STEP_CLOSE: case SPAWN_STEP_CLEAR_CLOEXEC: case SPAWN_STEP_SET_CLOEXEC: case SPAWN_STEP_DUP_TO_TEMPORARY: case SPAWN_STEP_SWEEP_CLOEXEC:
      return text + " " + std::to_string(s.a);
    default: return text;
  }
}

std::string text_of(const Planned& p) {
  std::string text;
  for (uint32_t i = 0; i < p.plan.step_count; ++i) text += text_of(p.plan.step[i]) + "\n";
  return text;
}

// A table: number -> (file, close-on-exec).
using Table = std::map<int, std::pair<int, bool>>;

int lowest_free(const Table& t, int from) {
  while (t.count(from) != 0) ++from;
  return from;
}

// Runs the descriptor steps; false: a step failed.
bool run(const spawn_plan& plan, Table& t) {
  int temporary = -1;
  auto number = [&](int n) { return n == SPAWN_TEMPORARY ? temporary : n; };
  for (uint32_t i = 0; i < plan.step_count; ++i) {
    const spawn_step& s = plan.step[i];
    switch (s.kind) {
      case SPAWN_STEP_CLOSE_RANGE: case SPAWN_STEP_CLOSE_EACH:
        if (s.first > s.last) return false;
        for (auto at = t.begin(); at != t.end();) at = static_cast<unsigned>(at->first) >= s.first && static_cast<unsigned>(at->first) <= s.last ? t.erase(at) : std::next(at);
        break;
      case SPAWN_STEP_DUP:
        if (t.count(number(s.a)) == 0 || number(s.a) == number(s.b)) return false;
        t[number(s.b)] = {t[number(s.a)].first, false};
        break;
      case SPAWN_STEP_DUP_TO_TEMPORARY:
        if (t.count(s.a) == 0) return false;
        temporary = lowest_free(t, s.b);
        t[temporary] = {t[s.a].first, true};
        break;
      case SPAWN_STEP_SET_CLOEXEC: case SPAWN_STEP_CLEAR_CLOEXEC:
        if (t.count(number(s.a)) == 0) return false;
        t[number(s.a)].second = s.kind == SPAWN_STEP_SET_CLOEXEC;
        break;
      case SPAWN_STEP_CLOSE: t.erase(number(s.a)); break;
      default: break;
    }
  }
  for (auto at = t.begin(); at != t.end();) at = at->second.second ? t.erase(at) : std::next(at);  // exec
  return true;
}

// A keep-list over small numbers with distinct targets.
std::vector<spawn_keep> some_keep() {
  const auto targets = *rc::gen::unique<std::vector<int>>(rc::gen::inRange(0, 9));
  std::vector<spawn_keep> keep;
  for (const int target : targets) keep.push_back({*rc::gen::inRange(0, 9), target});
  return keep;
}

RC_GTEST_PROP(Plan, IsTheSimultaneousAssignment, ()) {
  const auto keep = some_keep();
  Table before;
  for (int n = 0; n < 12; ++n)
    if (*rc::gen::inRange(0, 4) != 0) before[n] = {100 + n, *rc::gen::arbitrary<bool>()};
  const auto policy = static_cast<uint32_t>(*rc::gen::inRange(0, 3));
  spawn_request r = request_of(keep, policy);
  r.strategy = *rc::gen::element(uint32_t{SPAWN_STRATEGY_COPY}, uint32_t{SPAWN_STRATEGY_UNSHARE});
  spawn_abilities abilities = everything;
  if (r.strategy == SPAWN_STRATEGY_COPY) abilities.close_range = *rc::gen::arbitrary<bool>();
  const Planned p = planned(r, abilities);
  RC_ASSERT(p.error == 0);

  bool all_open = true;
  for (const spawn_keep& k : keep) all_open &= before.count(k.source) != 0;
  Table expected;
  if (policy != SPAWN_FDS_ONLY)
    for (const auto& [n, file] : before)
      if (!file.second) expected[n] = file;
  if (all_open)
    for (const spawn_keep& k : keep) expected[k.target] = {before[k.source].first, false};
  Table after = before;
  const bool ran = run(p.plan, after);
  RC_ASSERT(ran == all_open);  // a closed source fails a step, and never passes another file on
  if (all_open) RC_ASSERT(after == expected);
}

RC_GTEST_PROP(Plan, FitsItsBound, ()) {
  std::vector<spawn_keep> keep;
  const int count = *rc::gen::inRange(0, 60);
  for (int i = 0; i < count; ++i) keep.push_back({*rc::gen::inRange(0, 300), i * 3});
  spawn_request r = request_of(keep);
  r.set = SPAWN_SET_MASK | SPAWN_SET_DEFAULT | SPAWN_SET_IGNORE | SPAWN_NEW_SESSION | SPAWN_SET_UMASK | SPAWN_WANT_PIDFD | SPAWN_PROGRAM_FD | SPAWN_SET_CWD_FD |
          SPAWN_SET_UID | SPAWN_SET_GID | SPAWN_SET_GROUPS | SPAWN_SET_NICE | SPAWN_SET_SCHEDULING | SPAWN_SET_AFFINITY | SPAWN_SET_TERMINAL |
          SPAWN_SET_FOREGROUND | SPAWN_SET_DEATH_SIGNAL | SPAWN_NO_NEW_PRIVS | SPAWN_SET_CGROUP | SPAWN_ALLOW_UNDUMPABLE;
  r.dflt = 1;
  r.ignore = 2;
  r.program_fd = *rc::gen::inRange(0, 300);
  r.death_signal = 15;
  const uint64_t cpu = 1;
  r.cpus = &cpu;
  r.cpu_words = 1;
  std::vector<spawn_open> open;
  for (int i = 0; i < *rc::gen::inRange(0, 20); ++i) open.push_back({1000 + i, "/dev/null", 0, 0});
  open.push_back({999, "/dev/tty", 2, 0});
  r.open = open.data();
  r.open_count = static_cast<uint32_t>(open.size());
  r.terminal = r.foreground = 999;
  std::vector<spawn_limit> limits;
  for (uint32_t i = 0; i < 16; ++i) limits.push_back({0, 0, i});
  r.limit = limits.data();
  r.limit_count = 16;
  const Planned p = planned(r);
  RC_ASSERT(p.error == 0);
  RC_ASSERT(p.plan.step_count <= spawn_plan_steps_max(&r));
}

TEST(Plan, TheFirstRangeUnsharesAndIsTheHighest) {
  EXPECT_EQ(text_of(planned(request_of({{5, 3}, {9, 9}}))),
            "close-range 10 max unshare\nclose-range 0 4\nclose-range 6 8\nclear-cloexec 9\ndup 5 3\nclose 5\nmask\nexec\n");
}

// Groups before gid before uid, since each takes away the right to the one before; credentials after files, limits
// and scheduling, which need the caller's; the death signal after them, since they clear it.
TEST(Plan, CredentialsComeLastAndInOrder) {
  spawn_request r = request_of({});
  r.set = SPAWN_SET_UID | SPAWN_SET_GID | SPAWN_SET_GROUPS | SPAWN_SET_NICE | SPAWN_SET_DEATH_SIGNAL | SPAWN_NO_NEW_PRIVS | SPAWN_SEARCH;
  r.death_signal = 9;
  const spawn_open open{0, "/dev/null", 0, 0};
  const spawn_limit limit{1, 1, 7};
  r.open = &open;
  r.limit = &limit;
  r.open_count = r.limit_count = 1;
  const Planned p = planned(r);
  EXPECT_EQ(text_of(p), "close-range 0 max unshare\nopen\nnice\nlimit\ngroups\ngid\nuid\ndeath-signal\nno-new-privs\nmask\nexec-search\n");
  EXPECT_EQ(p.plan.start & SPAWN_START_VM, 0u) << "the caller's memory would become undumpable";
  r.set |= SPAWN_ALLOW_UNDUMPABLE;
  EXPECT_NE(planned(r).plan.start & SPAWN_START_VM, 0u);
  r.set = SPAWN_SET_GROUPS;
  EXPECT_NE(planned(r).plan.start & SPAWN_START_VM, 0u) << "groups alone change nothing of the memory";
}

TEST(Plan, AnEmptyKeepListIsOneRange) { EXPECT_EQ(text_of(planned(request_of({}))), "close-range 0 max unshare\nmask\nexec\n"); }

TEST(Plan, ASwapTakesOneTemporary) {
  EXPECT_EQ(text_of(planned(request_of({{0, 1}, {1, 0}}))),
            "close-range 2 max unshare\nset-cloexec 0\nset-cloexec 1\ndup-to-temporary 1\ndup 0 1\ndup -2 0\nclose -2\nmask\nexec\n");
}

TEST(Plan, ThePidfdIsClosedBeforeAnySourceIsRead) {
  spawn_request r = request_of({{2, 1}});
  std::vector<spawn_keep> keep{{2, 1}};
  r.keep = keep.data();
  r.set = SPAWN_WANT_PIDFD;
  EXPECT_EQ(text_of(planned(r)), "close-range 3 max unshare\nclose-pidfd\nclose-range 0 1\ndup 2 1\nclose 2\nmask\nexec\n");
}

TEST(Plan, WithoutAbilitiesItCopiesAndClosesOneByOne) {
  const Planned p = planned(request_of({{4, 4}}), {0, 0, 0, 0, 0, 0});
  EXPECT_EQ(p.plan.strategy, uint32_t{SPAWN_STRATEGY_COPY});
  EXPECT_EQ(p.plan.start, uint32_t{SPAWN_START_VM | SPAWN_START_VFORK});
  EXPECT_EQ(text_of(p), "reset-handlers\nclose-each 5 max\nclose-each 0 3\nclear-cloexec 4\nmask\nexec\n");
}

TEST(Plan, RefusesAForcedStrategyThatIsNotToBeHad) {
  spawn_request r = request_of({});
  r.strategy = SPAWN_STRATEGY_UNSHARE;
  EXPECT_EQ(planned(r, {1, 1, 1, 1, 0, 0}).error, ENOTSUP);
  r.strategy = SPAWN_STRATEGY_STAGED;
  EXPECT_EQ(planned(r).error, ENOTSUP);
}

TEST(Plan, RefusesTooSmallACapacity) {
  const spawn_request r = request_of({});
  spawn_step steps[2];
  spawn_plan plan{};
  plan.step = steps;
  plan.step_capacity = 2;
  EXPECT_EQ(spawn_plan_build(&r, &everything, &plan), ENOSPC);
}

}  // namespace
