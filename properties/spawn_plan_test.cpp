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
  r.set = SPAWN_SET_MASK | SPAWN_SET_DEFAULT | SPAWN_SET_IGNORE | SPAWN_SET_PGROUP | SPAWN_SET_UMASK | SPAWN_WANT_PIDFD | SPAWN_PROGRAM_FD | SPAWN_SET_CWD_FD;
  r.dflt = 1;
  r.ignore = 2;
  r.program_fd = *rc::gen::inRange(0, 300);
  const Planned p = planned(r);
  RC_ASSERT(p.error == 0);
  RC_ASSERT(p.plan.step_count <= spawn_plan_steps_max(&r));
}

TEST(Plan, TheFirstRangeUnsharesAndIsTheHighest) {
  EXPECT_EQ(text_of(planned(request_of({{5, 3}, {9, 9}}))),
            "close-range 10 max unshare\nclose-range 0 4\nclose-range 6 8\nclear-cloexec 9\ndup 5 3\nclose 5\nmask\nexec\n");
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

struct Bad {
  const char* name;
  int error;
  void (*spoil)(spawn_request&);
};

class BadRequest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadRequest, IsRefusedNamingItsField) {
  static const spawn_keep twice[] = {{1, 3}, {2, 3}}, negative[] = {{-1, 3}};
  spawn_request r = request_of({});
  r.keep = GetParam().name == std::string("target_twice") ? twice : negative;
  GetParam().spoil(r);
  const char* field = nullptr;
  EXPECT_EQ(spawn_request_check(&r, &field), GetParam().error);
  EXPECT_NE(field, nullptr);
}

INSTANTIATE_TEST_SUITE_P(
    Plan, BadRequest,
    ::testing::Values(Bad{"policy", EINVAL, [](spawn_request& r) { r.policy = 3; }}, Bad{"strategy", EINVAL, [](spawn_request& r) { r.strategy = 99; }},
                      Bad{"unknown_bit", EINVAL, [](spawn_request& r) { r.set = 1u << 30; }}, Bad{"null_path", EINVAL, [](spawn_request& r) { r.path = nullptr; }},
                      Bad{"null_argv", EINVAL, [](spawn_request& r) { r.argv = nullptr; }},
                      Bad{"session_and_group", EINVAL, [](spawn_request& r) { r.set = SPAWN_SET_PGROUP | SPAWN_NEW_SESSION; }},
                      Bad{"negative_group", EINVAL, [](spawn_request& r) { r.set = SPAWN_SET_PGROUP; r.pgroup = -1; }},
                      Bad{"null_cwd", EINVAL, [](spawn_request& r) { r.set = SPAWN_SET_CWD; }},
                      Bad{"two_cwds", EINVAL, [](spawn_request& r) { r.set = SPAWN_SET_CWD | SPAWN_SET_CWD_FD; }},
                      Bad{"negative_cwd_fd", EBADF, [](spawn_request& r) { r.set = SPAWN_SET_CWD_FD; r.cwd_fd = -1; }},
                      Bad{"umask", EINVAL, [](spawn_request& r) { r.set = SPAWN_SET_UMASK; r.umask = 01000; }},
                      Bad{"ignore_kill", EINVAL, [](spawn_request& r) { r.set = SPAWN_SET_IGNORE; r.ignore = 1u << 8; }},
                      Bad{"ignore_and_default", EINVAL, [](spawn_request& r) { r.set = SPAWN_SET_IGNORE | SPAWN_SET_DEFAULT; r.ignore = r.dflt = 1; }},
                      Bad{"negative_program", EBADF, [](spawn_request& r) { r.set = SPAWN_PROGRAM_FD; r.program_fd = -1; }},
                      Bad{"negative_source", EBADF, [](spawn_request& r) { r.keep_count = 1; }}, Bad{"target_twice", EINVAL, [](spawn_request& r) { r.keep_count = 2; }},
                      Bad{"too_many", EINVAL, [](spawn_request& r) { r.keep_count = SPAWN_KEEP_MAX + 1; }},
                      Bad{"null_keep", EINVAL, [](spawn_request& r) { r.keep_count = 1; r.keep = nullptr; }}),
    [](const auto& i) { return i.param.name; });

}  // namespace
