// SPDX-License-Identifier: MIT
//
// The planner is pure: its plans run here on a std::map as the table, without a system call.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <spawncheck/spawn/request.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

constexpr spawn_abilities everything = {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0};
constexpr spawn_abilities before_7_4 = {1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0};

spawn_abilities with_window(uint64_t window, spawn_abilities abilities = before_7_4) {
  abilities.window = window;
  return abilities;
}

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

Planned planned(const spawn_request& r, spawn_abilities abilities = before_7_4) {
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
    case SPAWN_STEP_CLOSE_RANGE:
    case SPAWN_STEP_CLOSE_EACH:
      return text + " " + std::to_string(s.first) + " " + (s.last == ~0u ? "max" : std::to_string(s.last)) +
             (s.flags & SPAWN_CLOSE_RANGE_UNSHARE ? " unshare" : "") +
             (s.flags & SPAWN_CLOSE_RANGE_EXCEPT ? " except" : "") +
             (s.flags & SPAWN_CLOSE_RANGE_CLOEXEC_ONLY ? " cloexec-only" : "");
    case SPAWN_STEP_STAGE:
      return text + " " + std::to_string(s.a) + " " + std::to_string(s.first) + " " + std::to_string(s.b);
    case SPAWN_STEP_DUP:
    case SPAWN_STEP_FETCH:
      return text + " " + std::to_string(s.a) + " " + std::to_string(s.b);
    case SPAWN_STEP_CLOSE:
    case SPAWN_STEP_CLEAR_CLOEXEC:
    case SPAWN_STEP_SET_CLOEXEC:
    case SPAWN_STEP_DUP_TO_TEMPORARY:
    case SPAWN_STEP_SWEEP_CLOEXEC:
      return text + " " + std::to_string(s.a);
    default:
      return text;
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

bool is_dropped(const spawn_step& s, int number, bool cloexec) {
  const bool is_within = static_cast<unsigned>(number) >= s.first && static_cast<unsigned>(number) <= s.last;
  const bool is_cloexec_only = s.kind == SPAWN_STEP_CLOSE_RANGE && (s.flags & SPAWN_CLOSE_RANGE_CLOEXEC_ONLY) != 0;
  return is_within != (s.kind == SPAWN_STEP_CLOSE_RANGE && (s.flags & SPAWN_CLOSE_RANGE_EXCEPT) != 0) &&
         (!is_cloexec_only || cloexec);
}

// Runs the descriptor steps on the table of the caller, which becomes the child's; false: a step failed.
bool run(const spawn_plan& plan, Table& t) {
  constexpr int pidfd = 1;  // as a file
  const Table caller = t;
  int temporary = -1, program = -1;
  std::map<int, int> staged;  // slot -> witness
  auto number = [&](int n) { return n == SPAWN_TEMPORARY ? temporary : n == SPAWN_PROGRAM_TEMPORARY ? program : n; };
  for (uint32_t i = 0; i < plan.step_count; ++i) {
    const spawn_step& s = plan.step[i];
    switch (s.kind) {
      case SPAWN_STEP_CLOSE_RANGE:
      case SPAWN_STEP_CLOSE_EACH:
        if (s.first > s.last) return false;
        for (auto at = t.begin(); at != t.end();)
          at = is_dropped(s, at->first, at->second.second) ? t.erase(at) : std::next(at);
        break;
      case SPAWN_STEP_CHECK_STAGED:
        for (const auto& [slot, witness] : staged)
          if (t[slot] != t[witness]) return false;
        break;
      case SPAWN_STEP_DUP:
      case SPAWN_STEP_STAGE:
        if (t.count(number(s.a)) == 0 || number(s.a) == number(s.b)) return false;
        t[number(s.b)] = {t[number(s.a)].first, s.kind == SPAWN_STEP_STAGE};
        if (s.kind != SPAWN_STEP_STAGE) break;
        staged[s.b] = static_cast<int>(s.first);
        t[staged[s.b]] = t[s.b];
        break;
      case SPAWN_STEP_CALLER:
      case SPAWN_STEP_FETCH:
        if (s.kind == SPAWN_STEP_FETCH && caller.count(s.a) == 0) return false;
        if (lowest_free(t, 0) != (s.kind == SPAWN_STEP_FETCH ? s.b : s.a)) return false;
        t[lowest_free(t, 0)] = {s.kind == SPAWN_STEP_FETCH ? caller.at(s.a).first : pidfd, true};
        break;
      case SPAWN_STEP_DUP_TO_TEMPORARY:
        if (t.count(s.a) == 0) return false;
        (s.flags != 0 ? program : temporary) = lowest_free(t, s.b);
        t[lowest_free(t, s.b)] = {t[s.a].first, true};
        break;
      case SPAWN_STEP_SET_CLOEXEC:
      case SPAWN_STEP_CLEAR_CLOEXEC:
        if (t.count(number(s.a)) == 0) return false;
        t[number(s.a)].second = s.kind == SPAWN_STEP_SET_CLOEXEC;
        break;
      case SPAWN_STEP_CLOSE:
        t.erase(number(s.a));
        break;
      case SPAWN_STEP_EXEC_FD:
        if (t.count(number(s.a)) == 0) return false;
        t[-1] = {t[number(s.a)].first, false};  // what is run
        break;
      default:
        break;
    }
  }
  for (auto at = t.begin(); at != t.end();) at = at->second.second ? t.erase(at) : std::next(at);  // exec
  return true;
}

// Numbers on both sides of 64: those below are always copied.
rc::Gen<int> some_number() { return rc::gen::oneOf(rc::gen::inRange(0, 9), rc::gen::inRange(62, 69)); }

// A keep-list with distinct targets.
std::vector<spawn_keep> some_keep() {
  const auto targets = *rc::gen::unique<std::vector<int>>(some_number());
  std::vector<spawn_keep> keep;
  for (const int target : targets) keep.push_back({*some_number(), target});
  return keep;
}

RC_GTEST_PROP(Plan, IsTheSimultaneousAssignment, ()) {
  const auto keep = some_keep();
  constexpr uint64_t slots = 0x1fffull << 44;
  Table before;
  for (int n = 0; n < 72; ++n) {
    if (n < 64 && (slots >> n & 1) != 0)
      before[n] = {2, true};  // the placeholder
    else if ((n < 12 || n > 60) && *rc::gen::inRange(0, 4) != 0)
      before[n] = {100 + n, *rc::gen::arbitrary<bool>()};
  }
  const auto policy = static_cast<uint32_t>(*rc::gen::inRange(0, 3));
  spawn_request r = request_of(keep, policy);
  r.strategy = policy == SPAWN_FDS_ONLY
                   ? *rc::gen::inRange(uint32_t{SPAWN_STRATEGY_AUTOMATIC}, uint32_t{SPAWN_STRATEGY_COUNT})
                   : *rc::gen::element(uint32_t{SPAWN_STRATEGY_COPY}, uint32_t{SPAWN_STRATEGY_UNSHARE},
                                       uint32_t{SPAWN_STRATEGY_EXCEPT});
  spawn_abilities abilities = with_window(slots, everything);
  if (r.strategy == SPAWN_STRATEGY_COPY) abilities.close_range = *rc::gen::arbitrary<bool>();
  const bool has_program = *rc::gen::arbitrary<bool>();
  if (has_program) {
    r.set |= SPAWN_PROGRAM_FD;
    r.program_fd = *some_number();
  }
  const Planned p = planned(r, abilities);
  RC_ASSERT(p.error == 0);
  RC_ASSERT(p.plan.step_count <= spawn_plan_steps_max(&r));

  bool all_open = !has_program || before.count(r.program_fd) != 0;
  for (const spawn_keep& k : keep) all_open &= before.count(k.source) != 0;
  Table expected;
  if (policy != SPAWN_FDS_ONLY)
    for (const auto& [n, file] : before)
      if (!file.second) expected[n] = file;
  if (all_open)
    for (const spawn_keep& k : keep) expected[k.target] = {before[k.source].first, false};
  if (all_open && has_program) expected[-1] = {before[r.program_fd].first, false};
  // The plan makes the program's own number close-on-exec unless the keep-list names it.
  if (has_program && policy != SPAWN_FDS_ONLY &&
      std::none_of(keep.begin(), keep.end(), [&](const spawn_keep& k) { return k.target == r.program_fd; }))
    expected.erase(r.program_fd);
  Table after = before;
  const bool ran = run(p.plan, after);
  RC_ASSERT(ran == all_open);  // a closed source fails a step, and never passes another file on
  if (all_open) RC_ASSERT(after == expected);
}

// Sources next to each other, about 64 apart and far apart, in lists of up to 130; targets below them, at them and
// among them.
TEST(Plan, IsTheAssignmentOfLongListsToo) {
  for (const int step : {1, 2, 63, 64, 65, 1024, 4096})
    for (const int count : {2, 5, 63, 64, 65, 130})
      for (const int first_target : {0, 64, 64 + step * (count / 2)})
        for (const uint32_t strategy :
             {SPAWN_STRATEGY_COPY, SPAWN_STRATEGY_UNSHARE, SPAWN_STRATEGY_FETCHED, SPAWN_STRATEGY_EXCEPT}) {
          std::vector<spawn_keep> keep;
          Table before, expected;
          for (int i = 0; i < count; ++i) {
            const spawn_keep k = {64 + i * step, first_target + i * step};
            keep.push_back(k);
            for (const int n : {k.source - 1, k.source, k.source + 1}) before[n] = {1000 + n, n % 2 != 0};
            expected[k.target] = {1000 + k.source, false};
          }
          spawn_request r = request_of(keep);
          r.strategy = strategy;
          const Planned p = planned(r, everything);
          ASSERT_EQ(p.error, 0);
          Table after = before;
          EXPECT_TRUE(run(p.plan, after))
              << step << " " << count << " " << first_target << " " << spawn_strategy_word(strategy);
          const auto closes = std::count_if(p.steps.begin(), p.steps.begin() + p.plan.step_count,
                                            [](const spawn_step& at) { return at.kind == SPAWN_STEP_CLOSE; });
          EXPECT_LE(closes, count + 1);  // the sources, and the caller's pidfd
          EXPECT_TRUE(after == expected) << step << " " << count << " " << first_target << " "
                                         << spawn_strategy_word(strategy);
        }
}

RC_GTEST_PROP(Plan, FitsItsBound, ()) {
  std::vector<spawn_keep> keep;
  const int count = *rc::gen::inRange(0, 60);
  for (int i = 0; i < count; ++i) keep.push_back({*rc::gen::inRange(0, 300), i * 3});
  spawn_request r = request_of(keep);
  r.set = SPAWN_SET_MASK | SPAWN_SET_DEFAULT | SPAWN_SET_IGNORE | SPAWN_NEW_SESSION | SPAWN_SET_UMASK |
          SPAWN_WANT_PIDFD | SPAWN_PROGRAM_FD | SPAWN_SET_CWD_FD | SPAWN_SET_UID | SPAWN_SET_GID | SPAWN_SET_GROUPS |
          SPAWN_SET_NICE | SPAWN_SET_SCHEDULING | SPAWN_SET_AFFINITY | SPAWN_SET_TERMINAL | SPAWN_SET_FOREGROUND |
          SPAWN_SET_DEATH_SIGNAL | SPAWN_NO_NEW_PRIVS | SPAWN_SET_CGROUP | SPAWN_ALLOW_UNDUMPABLE;
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
  EXPECT_EQ(
      text_of(planned(request_of({{5, 3}, {9, 9}}))),
      "close-range 10 max unshare\nclose-range 0 4\nclose-range 6 8\nclear-cloexec 9\ndup 5 3\nclose 5\nmask\nexec\n");
}

// Groups before gid before uid, since each takes away the right to the one before; credentials after files, limits
// and scheduling, which need the caller's; the death signal after them, since they clear it.
TEST(Plan, CredentialsComeLastAndInOrder) {
  spawn_request r = request_of({});
  r.set = SPAWN_SET_UID | SPAWN_SET_GID | SPAWN_SET_GROUPS | SPAWN_SET_NICE | SPAWN_SET_DEATH_SIGNAL |
          SPAWN_NO_NEW_PRIVS | SPAWN_SEARCH;
  r.death_signal = 9;
  const spawn_open open{0, "/dev/null", 0, 0};
  const spawn_limit limit{1, 1, 7};
  r.open = &open;
  r.limit = &limit;
  r.open_count = r.limit_count = 1;
  const Planned p = planned(r);
  EXPECT_EQ(text_of(p),
            "close-range 0 max "
            "unshare\nopen\nnice\nlimit\ngroups\ngid\nuid\ndeath-signal\nno-new-privs\nmask\nexec-search\n");
  EXPECT_EQ(p.plan.start & SPAWN_START_VM, 0u) << "the caller's memory would become undumpable";
  r.set |= SPAWN_ALLOW_UNDUMPABLE;
  EXPECT_NE(planned(r).plan.start & SPAWN_START_VM, 0u);
  r.set = SPAWN_SET_GROUPS;
  EXPECT_NE(planned(r).plan.start & SPAWN_START_VM, 0u) << "groups alone change nothing of the memory";
}

TEST(Plan, AnEmptyKeepListIsOneRange) {
  EXPECT_EQ(text_of(planned(request_of({}))), "close-range 0 max unshare\nmask\nexec\n");
}

TEST(Plan, ASwapTakesOneTemporary) {
  EXPECT_EQ(text_of(planned(request_of({{0, 1}, {1, 0}}))),
            "close-range 2 max unshare\nset-cloexec 0\nset-cloexec 1\ndup-to-temporary 1\ndup 0 1\ndup -2 0\nclose "
            "-2\nmask\nexec\n");
}

TEST(Plan, ThePidfdIsClosedBeforeAnySourceIsRead) {
  spawn_request r = request_of({{2, 1}});
  std::vector<spawn_keep> keep{{2, 1}};
  r.keep = keep.data();
  r.set = SPAWN_WANT_PIDFD;
  EXPECT_EQ(text_of(planned(r)),
            "close-range 3 max unshare\nclose-pidfd\nclose-range 0 1\ndup 2 1\nclose 2\nmask\nexec\n");
}

TEST(Plan, StagedPutsHighSourcesIntoSlotsFirst) {
  const std::vector<spawn_keep> keep{{100, 0}, {5, 1}, {70, 2}, {100, 3}};
  spawn_request r = request_of(keep);
  r.set = SPAWN_WANT_PIDFD;
  const Planned p = planned(r, with_window(0b11111ull << 40));
  EXPECT_EQ(p.plan.strategy, uint32_t{SPAWN_STRATEGY_STAGED});
  EXPECT_EQ(text_of(p),
            "stage 70 40 42\nstage 100 41 43\nclose-range 44 max unshare\nclose-pidfd\ncheck-staged\nclose-range 0 "
            "4\nclose-range 6 41\n"
            "dup 43 0\ndup 5 1\ndup 42 2\ndup 43 3\nclose 5\nclose 42\nclose 43\nmask\nexec\n");
}

// A number that the request names is no slot; if another spawn uses it, the plan reads the placeholder instead.
TEST(Plan, NumbersOfTheWindowThatAreNamedAreTheCallers) {
  const std::vector<spawn_keep> keep{{41, 0}, {70, 1}, {44, 41}};
  const spawn_request r = request_of(keep);
  spawn_abilities abilities = with_window(0b1111ull << 40);
  EXPECT_EQ(text_of(planned(r, abilities)),
            "stage 70 40 42\nclose-range 45 max unshare\ncheck-staged\nclose-range 0 40\nclose-range 43 43\n"
            "dup 41 0\ndup 42 1\ndup 44 41\nclose 42\nclose 44\nmask\nexec\n");
  abilities.window_in_use = 1ull << 41;
  abilities.placeholder = 39;
  EXPECT_EQ(text_of(planned(r, abilities)),
            "stage 70 40 42\nclose-range 45 max unshare\ncheck-staged\nclose-range 0 38\nclose-range 40 "
            "41\nclose-range 43 43\n"
            "dup 39 0\ndup 42 1\ndup 44 41\nclose 39\nclose 42\nclose 44\nmask\nexec\n");
  abilities.window = 0b1111ull << 41 & ~(1ull << 44);
  EXPECT_EQ(planned(r, abilities).plan.strategy, uint32_t{SPAWN_STRATEGY_STAGED});
  abilities.window = 0b11ull << 41;
  EXPECT_EQ(planned(r, abilities).plan.strategy, uint32_t{SPAWN_STRATEGY_FETCHED});
}

// The pidfd is number 0 until an entry for 0, which comes last, replaces it.
TEST(Plan, FetchedKnowsEachNumberItGets) {
  EXPECT_EQ(text_of(planned(request_of({{100, 0}, {70, 1}, {100, 5}}))),
            "close-range 0 max unshare\ncaller\nfetch 70 1\nclear-cloexec 1\nfetch 100 2\ndup 2 5\nclose 2\ndup 5 "
            "0\nmask\nexec\n");
  EXPECT_EQ(text_of(planned(request_of({{70, 1}}))),
            "close-range 0 max unshare\ncaller\nfetch 70 1\nclear-cloexec 1\nclose 0\nmask\nexec\n");
}

TEST(Plan, ExceptLeavesTheWindowOfItsSourcesAndClosesItsGaps) {
  const std::vector<spawn_keep> keep{{70, 3}, {74, 74}};
  EXPECT_EQ(text_of(planned(request_of(keep), everything)),
            "close-range 70 74 unshare except\nclose-range 71 73\nclear-cloexec 74\ndup 70 3\nclose 70\nmask\nexec\n");
  EXPECT_EQ(text_of(planned(request_of(keep, SPAWN_FDS_DROP_CLOEXEC_EXCEPT), everything)),
            "close-range 70 74 unshare except cloexec-only\nclose-range 71 73 cloexec-only\nclear-cloexec 74\ndup 70 "
            "3\nmask\nexec\n");
  EXPECT_EQ(text_of(planned(request_of({}, SPAWN_FDS_INHERIT), everything)),
            "close-range 0 max unshare cloexec-only\nmask\nexec\n");
}

struct Chosen {
  const char* name;
  std::vector<spawn_keep> keep;
  uint32_t policy;
  spawn_abilities abilities;
  uint32_t strategy;
};

class Choice : public ::testing::TestWithParam<Chosen> {};

TEST_P(Choice, IsTheCheapestOfWhatThereIs) {
  const Planned p = planned(request_of(GetParam().keep, GetParam().policy), GetParam().abilities);
  EXPECT_EQ(p.error, 0);
  EXPECT_STREQ(spawn_strategy_word(p.plan.strategy), spawn_strategy_word(GetParam().strategy));
  EXPECT_NE(p.plan.reason, nullptr);
}

constexpr uint64_t two_slots = 0b1111ull << 40;  // and their witnesses

INSTANTIATE_TEST_SUITE_P(
    Plan, Choice,
    ::testing::Values(
        Chosen{"nothing_kept", {}, SPAWN_FDS_ONLY, with_window(two_slots, everything), SPAWN_STRATEGY_UNSHARE},
        Chosen{
            "all_low", {{63, 0}, {2, 2}}, SPAWN_FDS_ONLY, with_window(two_slots, everything), SPAWN_STRATEGY_UNSHARE},
        Chosen{"except_where_close",
               {{200, 0}, {263, 1}},
               SPAWN_FDS_ONLY,
               with_window(two_slots, everything),
               SPAWN_STRATEGY_EXCEPT},
        Chosen{"staged_where_far",
               {{2, 2}, {200, 0}},
               SPAWN_FDS_ONLY,
               with_window(two_slots, everything),
               SPAWN_STRATEGY_STAGED},
        Chosen{"one_slot_for_a_source_twice",
               {{200, 0}, {200, 1}, {64, 3}},
               SPAWN_FDS_ONLY,
               with_window(two_slots),
               SPAWN_STRATEGY_STAGED},
        Chosen{"too_few_slots",
               {{200, 0}, {201, 1}, {202, 3}},
               SPAWN_FDS_ONLY,
               with_window(two_slots),
               SPAWN_STRATEGY_FETCHED},
        Chosen{"no_window", {{200, 0}}, SPAWN_FDS_ONLY, before_7_4, SPAWN_STRATEGY_FETCHED},
        Chosen{"no_rights", {{200, 0}}, SPAWN_FDS_ONLY, {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0}, SPAWN_STRATEGY_UNSHARE},
        Chosen{"except_as_a_last_resort",
               {{2, 2}, {200, 0}},
               SPAWN_FDS_ONLY,
               {1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0},
               SPAWN_STRATEGY_EXCEPT},
        Chosen{"no_close_range",
               {{200, 0}},
               SPAWN_FDS_ONLY,
               {1, 1, 1, 1, 0, 1, 1, 0, 0, two_slots, 0, 0},
               SPAWN_STRATEGY_COPY},
        Chosen{"inherit", {{200, 0}}, SPAWN_FDS_INHERIT, with_window(two_slots), SPAWN_STRATEGY_COPY},
        Chosen{"inherit_7_4", {{200, 0}}, SPAWN_FDS_INHERIT, everything, SPAWN_STRATEGY_EXCEPT},
        Chosen{"drop_7_4", {{2, 0}}, SPAWN_FDS_DROP_CLOEXEC_EXCEPT, everything, SPAWN_STRATEGY_EXCEPT}),
    [](const auto& i) { return i.param.name; });

TEST(Plan, WithoutAbilitiesItCopiesAndClosesOneByOne) {
  const Planned p = planned(request_of({{4, 4}}), spawn_abilities{});
  EXPECT_EQ(p.plan.strategy, uint32_t{SPAWN_STRATEGY_COPY});
  EXPECT_EQ(p.plan.start, uint32_t{SPAWN_START_VM | SPAWN_START_VFORK});
  EXPECT_EQ(text_of(p), "reset-handlers\nclose-each 5 max\nclose-each 0 3\nclear-cloexec 4\nmask\nexec\n");
}

TEST(Plan, RefusesAForcedStrategyThatIsUnavailable) {
  spawn_request r = request_of({});
  r.strategy = SPAWN_STRATEGY_UNSHARE;
  EXPECT_EQ(planned(r, {1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}).error, ENOTSUP);
  const std::vector<spawn_keep> high{{64, 0}};
  spawn_request kept = request_of(high);
  for (const uint32_t strategy : {SPAWN_STRATEGY_STAGED, SPAWN_STRATEGY_FETCHED, SPAWN_STRATEGY_EXCEPT}) {
    kept.strategy = strategy;
    EXPECT_EQ(planned(kept, {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0}).error, ENOTSUP) << spawn_strategy_word(strategy);
    EXPECT_EQ(planned(kept, with_window(3ull << 40, everything)).error, 0) << spawn_strategy_word(strategy);
    if (strategy == SPAWN_STRATEGY_EXCEPT) continue;
    spawn_request inherits = request_of(high, SPAWN_FDS_INHERIT);
    inherits.strategy = strategy;
    EXPECT_EQ(planned(inherits, with_window(3ull << 40, everything)).error, ENOTSUP)
        << "what is inherited needs the whole table";
  }
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
