// SPDX-License-Identifier: MIT
//
// Schedulers choose the task that goes next. On toys without a process each draws as it promises; on the kernel each
// finds a racing bug, and its schedule shows the bug again.
#include <algorithm>
#include <functional>
#include <map>

#include "impl/schedules/sample.h"
#include "impl/schedules/search/constraints.h"
#include "impl/schedules/search/guided.h"
#include "impl/session/scheduled.h"
#include "model/scenario/visible.h"
#include "properties/on_the_kernel.h"
#include "properties/rounds.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

// ---- toys --------------------------------------------------------------------------------------

constexpr std::uint8_t create = 1, mark = 2, look = 3, other = 4;

Access at(Access::Mode mode, int low, int high, Access::Kind kind = Access::flags) {
  return {kind, mode, 0, low, high};
}
Event writes(int slot, std::uint8_t call = create) { return {0, {}, 0, call, {at(Access::write, slot, slot)}}; }
Event reads(int low, int high) { return {0, {}, 0, look, {at(Access::read, low, high)}}; }
Event alone() { return {0, {}, 0, other, {}}; }

using Toy = std::vector<std::vector<Event>>;  // the events of each task

Toy named(Toy toy) {
  for (std::size_t t = 0; t < toy.size(); ++t)
    for (std::size_t i = 0; i < toy[t].size(); ++i) {
      toy[t][i].task = static_cast<std::uint8_t>(t);
      toy[t][i].name = {static_cast<std::uint8_t>(t), -1};
      toy[t][i].operation = static_cast<std::uint8_t>(i);
    }
  return toy;
}

// Makes one run. Returns the tasks in the order in which they went, as letters.
std::string run(Scheduler& scheduler, const Toy& toy, std::uint64_t seed) {
  std::vector<std::size_t> next(toy.size(), 0);
  std::string order;
  scheduler.begin(seed);
  for (;;) {
    std::vector<Event> can;
    for (std::size_t t = 0; t < toy.size(); ++t)
      if (next[t] < toy[t].size()) can.push_back(toy[t][next[t]]);
    if (can.empty()) break;
    const Event event = can.size() == 1 ? can[0] : can[scheduler.choose(can)];
    ++next[event.task];
    order += static_cast<char>('a' + event.task);
    scheduler.did(event);
  }
  scheduler.end(false);
  return order;
}

// How often each order comes, as a share of all runs but the first, from which some schedulers learn.
std::map<std::string, double> shares(Scheduler& scheduler, const Toy& toy, unsigned runs = 20'000) {
  std::map<std::string, double> all;
  run(scheduler, toy, 0);
  for (unsigned i = 1; i <= runs; ++i) all[run(scheduler, toy, i)] += 1.0 / runs;
  return all;
}

constexpr double near = 0.02;

TEST(Schedulers, TheSameSeedChoosesTheSame) {
  const Toy toy = named({{writes(1), writes(2), writes(1)}, {writes(2), writes(1)}, {reads(0, 9), alone()}});
  for (const SchedulerRow& row : scheduler_rows()) {
    const auto one = make_scheduler(row.word), two = make_scheduler(row.word);
    for (std::uint64_t seed = 1; seed <= 50; ++seed) EXPECT_EQ(run(*one, toy, seed), run(*two, toy, seed)) << row.word;
  }
  EXPECT_EQ(make_scheduler("sideways"), nullptr);
}

// Depth 2: b's event between two events of a. With depth 1 no task is preempted, and there is no such order.
TEST(Schedulers, PctShowsABugOfItsDepthAsOftenAsItPromises) {
  constexpr unsigned steps = 10;
  const Toy toy = named({std::vector<Event>(steps, writes(1)), {writes(1)}});
  PctWalk one(1), two(2);
  const auto runs_on = shares(one, toy), changes = shares(two, toy);
  EXPECT_EQ(runs_on.size(), 2u);
  for (unsigned before = 1; before < steps; ++before) {
    const std::string order = std::string(before, 'a') + "b" + std::string(steps - before, 'a');
    ASSERT_TRUE(changes.contains(order)) << order;
    EXPECT_FALSE(runs_on.contains(order)) << order;
    EXPECT_GE(changes.at(order), pct_bound(2, steps + 1, 2) * 0.9) << order;
  }
}

// A priority stays until an event that races with its own has run: aabb of two independent tasks has the share 1/3, not
// the 1/4 of a coin for each step.
TEST(Schedulers, PosDrawsAgainAfterARaceAndOnlyThen) {
  PosWalk pos;
  for (const auto& [order, share] : shares(pos, named({{writes(1)}, {writes(1)}, {writes(1)}})))
    EXPECT_NEAR(share, 1.0 / 6, near) << order;
  EXPECT_NEAR(shares(pos, named({{writes(1), writes(1)}, {writes(1), writes(1)}}))["aabb"], 1.0 / 4, near);
  EXPECT_NEAR(shares(pos, named({{writes(1), writes(1)}, {writes(2), writes(2)}}))["aabb"], 1.0 / 3, near);
}

TEST(Schedulers, SurwIsUniformOverTheOrdersOfWhatCounts) {
  SurwWalk surw;
  const auto all = shares(surw, named({{writes(1)}, {writes(1), writes(1), writes(1)}}));
  EXPECT_EQ(all.size(), 4u);
  for (const auto& [order, share] : all) EXPECT_NEAR(share, 1.0 / 4, near) << order;
  // Events on what no other task touches do not change when the racing event comes.
  SurwWalk selective;
  std::vector<Event> busy(20, alone());
  busy.push_back(writes(1));
  double first = 0;
  for (const auto& [order, share] : shares(selective, named({{writes(1)}, busy})))
    first += order.back() == 'b' ? share : 0;
  EXPECT_NEAR(first, 1.0 / 2, near);
  RandomWalk random;
  EXPECT_GT(shares(random, named({{writes(1)}, {writes(1), writes(1), writes(1)}}))["abbb"], 0.4);
}

AbstractEvent of(const Event& event, int slot = 1) {
  return {event.name.thread, event.name.child, event.operation, event.call, Access::flags, slot};
}
AbstractEvent at_first(int slot = 1) {
  AbstractEvent none;
  none.kind = Access::flags;
  none.slot = slot;
  return none;
}

bool has(const std::vector<ReadsFrom>& pairs, const ReadsFrom& pair) {
  return std::find(pairs.begin(), pairs.end(), pair) != pairs.end();
}

TEST(Schedulers, AReadSeesTheLastWriteOfItsVariable) {
  const Toy toy = named({{writes(1), writes(1), writes(2)}, {reads(0, 9), writes(1)}});
  const Event &w1 = toy[0][0], &w2 = toy[0][1], &w3 = toy[0][2], &r = toy[1][0];
  const RunPairs late = pairs_of({w1, w2, r, w3, toy[1][1]});
  EXPECT_TRUE(has(late.seen, {of(w2), of(r)}));
  EXPECT_FALSE(has(late.seen, {of(w1), of(r)}));
  EXPECT_TRUE(has(late.possible, {of(w1), of(r)}));
  EXPECT_TRUE(has(late.possible, {at_first(), of(r)}));
  EXPECT_TRUE(has(late.seen, {at_first(2), of(r, 2)})) << "written by another task, later";
  EXPECT_TRUE(has(pairs_of({r, w1, w2, w3}).seen, {at_first(), of(r)}));
  for (const ReadsFrom& pair : late.possible) EXPECT_NE(pair.write.thread, pair.read.thread) << "of one task: no race";
}

// A positive constraint brings each possible pair about; a negative one prevents it.
TEST(Schedulers, AConstraintBringsItsPairAbout) {
  const Toy toy = named({{writes(1), writes(1), writes(1)}, {alone(), reads(0, 9)}});
  std::vector<AbstractEvent> writers = {at_first()};
  for (const Event& event : toy[0]) writers.push_back(of(event));
  for (const AbstractEvent& write : writers) {
    const ReadsFrom pair{write, of(toy[1][1])};
    for (const bool is_positive : {true, false})
      for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        ConstraintSearch search;
        search.demand({{pair.write, pair.read, is_positive}});
        run(search, toy, seed);
        EXPECT_EQ(search.seen().contains(pair), is_positive) << write.operation << " seed " << seed;
      }
  }
}

TEST(Schedulers, ASetThatGaveANewPairIsKept) {
  const Toy toy = named({{writes(1), writes(1)}, {reads(0, 9)}});
  ConstraintSearch search;
  search.demand({{of(toy[0][0]), of(toy[1][0]), true}});
  run(search, toy, 1);
  EXPECT_EQ(search.kept().size(), 2u);
  search.demand({{of(toy[0][0]), of(toy[1][0]), true}});
  run(search, toy, 2);
  EXPECT_EQ(search.kept().size(), 2u) << "nothing new";
}

// is_reordered(): the last task looks after all n others have created and before any of them has marked.
Toy reorder(unsigned n) {
  Toy toy;
  for (unsigned i = 0; i < n; ++i) toy.push_back({writes(static_cast<int>(i)), writes(static_cast<int>(i), mark)});
  toy.push_back({reads(0, 99)});
  return named(std::move(toy));
}
bool is_reordered(const std::string& order, unsigned n) {
  const auto at = order.find(static_cast<char>('a' + n));
  const std::string before = order.substr(0, at);
  return at == n && std::all_of(before.begin(), before.end(),
                                [&](char c) { return std::count(before.begin(), before.end(), c) == 1; });
}

TEST(Schedulers, AWideConstraintPutsTwentyTasksInTheirWindowAtOnce) {
  constexpr unsigned n = 20, runs = 200;
  const Toy toy = reorder(n);
  for (std::uint64_t seed = 1; seed <= rounds(20, 5); ++seed) {
    ConstraintSearch search;
    PosWalk pos;
    bool is_found = false, is_found_by_pos = false;
    for (unsigned i = 0; i < runs; ++i) {
      is_found |= is_reordered(run(search, toy, seed * 1000 + i), n);
      is_found_by_pos |= is_reordered(run(pos, toy, seed * 1000 + i), n);
    }
    EXPECT_TRUE(is_found) << seed;
    EXPECT_FALSE(is_found_by_pos) << seed;
  }
}

// ---- on the kernel -----------------------------------------------------------------------------

// Chooses at random, and checks of each step that it was foreseen.
class Foresight : public RandomWalk {
 public:
  void did(const Event& event) override {
    const auto foreseen = std::find_if(can_.begin(), can_.end(), [&](const Event& e) { return e.task == event.task; });
    if (foreseen != can_.end() && foreseen->call < SC_VISIBLE_COUNT && event.call < SC_VISIBLE_COUNT) {
      ++steps;
      EXPECT_EQ(foreseen->call, event.call);
      EXPECT_EQ(foreseen->operation, event.operation);
      for (const Access& a : event.accesses) EXPECT_TRUE(is_foreseen(a, *foreseen)) << int{event.call} << " " << a.kind;
    }
    can_.clear();
  }
  std::size_t choose(const std::vector<Event>& can) override {
    can_ = can;
    return RandomWalk::choose(can);
  }
  unsigned steps = 0;

 private:
  static bool is_foreseen(const Access& a, const Event& event) {
    return std::any_of(event.accesses.begin(), event.accesses.end(), [&](const Access& b) {
      if (b.kind == Access::everything) return true;
      return a.kind == b.kind && a.id == b.id && b.low <= a.low && a.high <= b.high &&
             (a.mode == b.mode || b.mode == Access::write);
    });
  }
  std::vector<Event> can_;
};

TEST(Schedulers, WhatATaskIsAboutToDoIsWhatItDoes) {
  Foresight foresight;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    const Scenario scenario = generate(random, session_with("reference").generate_options());
    run_guided(session_with("reference"), scenario, foresight, {seed});
  }
  EXPECT_GT(foresight.steps, 200u);
}

// The scheduler is asked at each step, also at the one for which the trace has no room.
TEST(Schedulers, ARunThatIsTooLongForATraceIsInconclusive) {
  if (const std::string why = why_no_number(4999); !why.empty()) GTEST_SKIP() << why;
  struct Lowest : Scheduler {
    void begin(std::uint64_t) override {}
    std::size_t choose(const std::vector<Event>&) override { return 0; }
  } lowest;
  const Scenario scenario = scenario_of(
      "limit 5000\nfd 1 null\nfill 2 4098\nthread\n  spawn inherit hold keep 2..2049>2050,2050..4097>2 -> $0\n"
      "thread\n  memfd -> $0\n");
  const Verdict verdict = run_guided(session_with("reference", "unshare"), scenario, lowest, {});
  EXPECT_EQ(verdict.status, Status::inconclusive) << verdict.observed;
}

TEST(Schedulers, EachFindsARacingBugAndItsScheduleShowsItAgain) {
  const struct {
    const char *word, *text;
  } bugs[] = {
      {"listed-before", "fd 5 memfd\nthread\n  spawn only hold keep 5>3 -> $0\nthread\n  memfd -> $0\n"},
      {"visible-temporary", "fd 0 null\nthread\n  spawn only hold -> $0\nthread\n  memfd -> $0\n"},
  };
  for (const auto& bug : bugs)
    for (const SchedulerRow& row : scheduler_rows()) {
      Session& session = session_with(directory_of_binaries() + "/mutants/" + bug.word + ".so");
      Scenario scenario = scenario_of(bug.text);
      SearchLimits limits;
      limits.runs = 2000;
      const SearchResult found = sample_schedules(session, scenario, {row.word, {}, 1}, limits);
      ASSERT_TRUE(found.violation) << bug.word << " by " << row.word;
      scenario.schedule = found.schedule;
      const Scenario again = scenario_of(print(scenario));  // by its `schedule` line
      const Verdict verdict = session.run_scheduled(again, policy_of(Turns::strict));
      EXPECT_EQ(verdict.status, Status::violated) << row.word << "\n" << print(again);
      EXPECT_EQ(verdict.clause, found.violation->clause) << row.word << "\n" << print(again);
    }
}

}  // namespace
}  // namespace spawncheck
