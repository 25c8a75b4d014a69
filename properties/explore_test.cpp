// SPDX-License-Identifier: MIT
//
// The explorer: each claim gets the verdict that is written down, the reduction changes no result, and a plan with one
// mistake is refuted.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "impl/session/claims.h"
#include "impl/session/reference_planner.h"
#include "impl/session/running_kernel.h"
#include "model/explore/livelock.h"
#include "model/explore/seen.h"
#include "properties/arbitrary.h"
#include "properties/rounds.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

namespace files = std::filesystem;

std::string text_of(const files::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<ClaimResult> all_claims() {
  std::vector<files::path> paths;
  for (const auto& entry : files::directory_iterator(files::path(SPAWNCHECK_SOURCE_DIRECTORY) / "corpus/seeds/claims"))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<ClaimResult> all;
  for (const files::path& path : paths)
    for (ClaimResult& r : check_claims(path.stem(), scenario_of(text_of(path)), {})) all.push_back(std::move(r));
  return all;
}

TEST(Explore, TheClaimsAreAsWritten) {
  const std::vector<ClaimResult> all = all_claims();
  EXPECT_GT(all.size(), 20u);
  for (const ClaimResult& r : all)
    EXPECT_TRUE(r.is_as_expected) << r.claim << " by " << r.way << ": " << r.exploration.verdict.observed;
  const files::path page_file = files::path(SPAWNCHECK_SOURCE_DIRECTORY) / "model/claims.md";
  if (!files::exists(page_file)) GTEST_SKIP() << "model/claims.md is not on this machine: what it says is not compared";
  // Apart from the times, model/claims.md ends with this table, and no line of it is stale. `spawncheck explore
  // --claims --write model/claims.md corpus/seeds/claims/*.scenario` writes it anew.
  const std::regex time("[0-9]+\\.[0-9]+ s");
  const std::string page = std::regex_replace(text_of(page_file), time, "-");
  const std::string table = std::regex_replace(markdown(all), time, "-");
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);)
    EXPECT_NE(page.find(line + "\n"), std::string::npos) << "model/claims.md lacks: " << line;
  EXPECT_TRUE(page.ends_with("\n\n" + table)) << "model/claims.md has lines that are no claim's any more";
}

// Scenarios of few operations and one spawn at most, whose state space is small enough for every order.
TEST(Explore, TheReductionChangesNothing) {
  const unsigned wanted = rounds(4000, 400);
  unsigned tried = 0;
  std::uint64_t states = 0, reduced = 0;
  for (std::uint64_t seed = 1; tried < wanted && seed < 400'000; ++seed) {
    Random random(seed);
    GenerateOptions generate_options;
    generate_options.threads_max = 2;
    Scenario scenario = generate(random, generate_options);
    bool is_small = true;
    unsigned spawns = 0;
    for (Thread& thread : scenario.threads) {
      if (thread.operations.size() > 3) thread.operations.resize(3);
      for (const sc_operation& op : thread.operations) spawns += op.kind == SC_OP_SPAWN;
    }
    for (std::uint32_t i = 0; i < scenario.world.line_count; ++i)
      is_small &= scenario.world.line[i].number < 60 && scenario.world.line[i].second < 60;
    if (!is_small || spawns > 1 || scenario.threads.size() != 2 || !is_valid(scenario)) continue;
    const char* const some_ways[] = {"reference:unshare", "fork",        "shared-gaps",      "shared-clear-first",
                                     "no-vfork",          "shared-exec", "reference:fetched"};
    const explore::Planner planner = planner_named(some_ways[seed % 7]);
    explore::ExploreOptions options;
    options.kernel = model::kernel_named(model::named_releases[seed / 7 % std::size(model::named_releases)]);
    options.collect_ends = true;
    options.states_max = 20'000;
    const explore::Exploration with = explore::explore(scenario, planner, options);
    options.reduce = false;
    const explore::Exploration without = explore::explore(scenario, planner, options);
    if (without.verdict.status == Status::inconclusive) continue;
    ++tried;
    states += without.states;
    reduced += with.states;
    ASSERT_EQ(with.verdict.status, without.verdict.status)
        << print(scenario) << some_ways[seed % 7] << ": " << with.verdict.observed << without.verdict.observed;
    if (with.verdict.status == Status::holds) {
      ASSERT_EQ(with.end_hashes, without.end_hashes) << print(scenario) << some_ways[seed % 7];
      for (const explore::ObservedRow& row : explore::observed_rows)
        ASSERT_EQ((with.*row.what).is_broken, (without.*row.what).is_broken)
            << row.word << " on " << options.kernel.name << "\n"
            << print(scenario) << some_ways[seed % 7];
    }
  }
  std::printf("%u scenarios: %llu states, %llu with reduction\n", tried, static_cast<unsigned long long>(states),
              static_cast<unsigned long long>(reduced));
  EXPECT_EQ(tried, wanted);
  EXPECT_LT(reduced, states);
}

// Two orders within one exec, by kernel: the reduction hides neither, even if the caller makes more calls before it
// returns (staged).
TEST(Explore, TheOrderWithinExecIsThatOfEachKernel) {
  const Scenario pipe = scenario_of("fds 5 6 pipe cloexec\nthread\n  spawn inherit hold -> $0\nthread\n  close 6\n");
  const Scenario staged =
      scenario_of("fd 0 null\nfd 70 memfd cloexec\nwindow 61 63\nthread\n  spawn only hold keep 70>3 -> $0\n");
  for (const std::string_view release : model::named_releases) {
    explore::ExploreOptions options;
    options.kernel = model::kernel_named(release);
    for (const bool reduce : {true, false}) {
      options.reduce = reduce;
      for (const char* way : {"fork", "vfork"}) {
        const explore::Exploration e = explore::explore(pipe, planner_named(way), options);
        EXPECT_EQ(e.verdict.status, Status::holds) << way << " on " << release << ": " << e.verdict.observed;
        EXPECT_EQ(e.program_at_eof.is_broken, options.kernel.has(Behaviour::exec_closes_before_wake))
            << way << " on " << release;
        EXPECT_EQ(e.own_memory_at_return.is_broken, way == std::string("vfork")) << way << " on " << release;
      }
      const explore::Exploration e = explore::explore(staged, planner_named("reference:staged"), options);
      EXPECT_EQ(e.verdict.status, Status::holds) << release << ": " << e.verdict.observed;
      EXPECT_TRUE(e.own_memory_at_return.is_broken) << release;
      EXPECT_FALSE(e.program_at_eof.is_asked);
    }
  }
}

using Spoil = std::function<void(std::vector<spawn_step>&, spawn_plan&)>;

// The reference's plans, changed by `spoil`.
explore::Planner spoilt(spawn_strategy strategy, Spoil spoil) {
  return [planner = ReferencePlanner(strategy), spoil = std::move(spoil), steps = std::vector<spawn_step>()](
             const explore::PlanRequest& r, spawn_plan& plan) mutable {
    const int error = planner(r, plan);
    steps.assign(plan.step, plan.step + plan.step_count);
    spoil(steps, plan);
    plan.step = steps.data();
    plan.step_count = static_cast<std::uint32_t>(steps.size());
    return error;
  };
}

void drop(std::vector<spawn_step>& steps, std::uint16_t kind) {
  std::erase_if(steps, [&](const spawn_step& s) { return s.kind == kind; });
}

// The reference's plan with one mistake.
TEST(Explore, APlanWithAMistakeIsRefuted) {
  struct Mistake {
    const char* what;
    void (*make)(std::vector<spawn_step>&, spawn_plan&);
    Clause clause;
  };
  const Mistake mistakes[] = {
      {"close_range without UNSHARE",
       [](auto& steps, auto&) {
         for (spawn_step& s : steps)
           if (s.kind == SPAWN_STEP_CLOSE_RANGE) s.flags = 0;
       },
       Clause::fd_untouched},
      {"no close_range",
       [](auto& steps, auto& plan) {
         drop(steps, SPAWN_STEP_CLOSE_RANGE);
         plan.start &= ~static_cast<std::uint32_t>(SPAWN_START_FILES);
       },
       Clause::fd_exact},
      {"not moved", [](auto& steps, auto&) { drop(steps, SPAWN_STEP_DUP); }, Clause::fd_kept},
      {"a signal is not ignored", [](auto& steps, auto&) { drop(steps, SPAWN_STEP_IGNORE); }, Clause::sig_disposition},
      {"the mask stays full", [](auto& steps, auto&) { drop(steps, SPAWN_STEP_MASK); }, Clause::sig_mask},
      {"no pidfd", [](auto&, auto& plan) { plan.start &= ~static_cast<std::uint32_t>(SPAWN_START_PIDFD); },
       Clause::proc_child},
      {"no CLONE_VFORK", [](auto&, auto& plan) { plan.start &= ~static_cast<std::uint32_t>(SPAWN_START_VFORK); },
       Clause::mm_released},
  };
  const Scenario scenario = scenario_of(
      "fd 0 null\nfd 5 memfd cloexec\nfd 7 memfd\nthread\n  spawn only hold keep 5>3 ignore USR1 pidfd -> $0 "
      "$1\nthread\n  memfd -> $0\n  close $0\n");
  EXPECT_EQ(explore::explore(scenario, ReferencePlanner(SPAWN_STRATEGY_UNSHARE), {}).verdict.status, Status::holds);
  for (const Mistake& mistake : mistakes) {
    const explore::Exploration e = explore::explore(scenario, spoilt(SPAWN_STRATEGY_UNSHARE, mistake.make), {});
    ASSERT_EQ(e.verdict.status, Status::violated) << mistake.what;
    EXPECT_EQ(*e.verdict.clause, mistake.clause) << mistake.what << ": " << e.verdict.observed;
    EXPECT_FALSE(e.trace.empty());
    EXPECT_EQ(e.trace.size(), e.depth) << "breadth first";
  }
}

const char* const three_threads =
    "fd 0 null\nfd 5 memfd cloexec\nfd 6 eventfd cloexec\nthread\n  spawn only hold keep 5>3 -> $0\n  memfd -> $1\n  "
    "dup2 $1 9\n"
    "thread\n  spawn only hold keep 6>3 -> $0\n  close 6\nthread\n  memfd -> $0\n  close $0\n  pipe -> $1 $2\n  close "
    "$1\n";

// However many threads explore: the same states, ends and traces.
TEST(Explore, TheNumberOfWorkersChangesNothing) {
  for (const char* way : {"reference:unshare", "shared-clear-first", "fork"}) {
    explore::ExploreOptions options;
    options.collect_ends = true;
    options.reduce = false;
    options.workers = 1;
    const Scenario scenario = scenario_of(three_threads);
    const explore::Exploration one = explore::explore(scenario, planner_named(way), options);
    options.workers = 3;
    const explore::Exploration three = explore::explore(scenario, planner_named(way), options);
    EXPECT_EQ(one.verdict.status, three.verdict.status) << way;
    EXPECT_EQ(one.end_hashes, three.end_hashes) << way;
    EXPECT_EQ(one.depth, three.depth) << way;
    if (one.verdict.status == Status::holds) {
      EXPECT_EQ(one.states, three.states) << way;
      EXPECT_EQ(one.steps, three.steps) << way;
      EXPECT_GT(one.states, 10'000u) << way << ": too few for several workers";
    }
    ASSERT_EQ(one.trace.size(), three.trace.size()) << way;
    for (std::size_t i = 0; i < one.trace.size(); ++i) EXPECT_EQ(one.trace[i].text, three.trace[i].text) << way;
    ASSERT_EQ(one.untransient.trace.size(), three.untransient.trace.size()) << way;
    for (std::size_t i = 0; i < one.untransient.trace.size(); ++i)
      EXPECT_EQ(one.untransient.trace[i].text, three.untransient.trace[i].text) << way;
  }
}

// fs/file.c dup_fd drops the lock to allocate when more than 64 slots are needed: what is closed meanwhile is not in
// the copy.
TEST(Explore, ACopyOfMoreThan64SlotsLetsOthersInBetween) {
  const char* const text = "fd 0 null\nfd %d memfd cloexec\nthread\n  spawn inherit hold -> $0\nthread\n  close %d\n";
  const auto steps_of = [&](int number) {
    char out[256];
    std::snprintf(out, sizeof out, text, number, number);
    explore::ExploreOptions options;
    options.reduce = false;
    return explore::explore(scenario_of(out), planner_named("fork"), options);
  };
  const explore::Exploration small = steps_of(63), large = steps_of(64);
  EXPECT_EQ(small.verdict.status, Status::holds);
  EXPECT_EQ(large.verdict.status, Status::holds);
  EXPECT_EQ(large.depth, small.depth + 1) << "one more step: the allocation";
  EXPECT_TRUE(large.looked_for_livelock);
}

// A kernel that forgets what it allocated reads the size, allocates, and begins again, for ever.
TEST(Explore, ALivelockIsFound) {
  const Scenario scenario = scenario_of("fd 0 null\nfd 70 memfd cloexec\nthread\n  spawn inherit hold -> $0\n");
  explore::ExploreOptions options;
  EXPECT_EQ(explore::explore(scenario, planner_named("fork"), options).verdict.status, Status::holds);
  options.kernel.forgets_room = true;
  const explore::Exploration e = explore::explore(scenario, planner_named("fork"), options);
  ASSERT_EQ(e.verdict.status, Status::violated) << e.verdict.observed;
  EXPECT_EQ(*e.verdict.clause, Clause::live_returns);
  EXPECT_FALSE(e.trace.empty());
}

TEST(Explore, TheSmallestStateOnACircleIsFound) {
  using explore::state_on_cycle;
  EXPECT_FALSE(state_on_cycle(4, {{0, 1}, {1, 2}, {0, 2}, {2, 3}}));
  EXPECT_EQ(state_on_cycle(5, {{0, 1}, {1, 2}, {2, 3}, {3, 2}, {3, 4}}), 2u);
  EXPECT_EQ(state_on_cycle(2, {{0, 1}, {1, 1}}), 1u);
}

// "Holds" relies on hashes: two that agree in one half do not hide each other, and the exploration gives the bound on
// collisions.
TEST(Explore, SaysWhatItRestsOn) {
  explore::Seen seen(8);
  EXPECT_TRUE(seen.insert({1, 5}, 10));
  EXPECT_TRUE(seen.insert({2, 5}, 20));
  EXPECT_TRUE(seen.insert({1, 6}, 30));
  EXPECT_FALSE(seen.insert({2, 5}, 15));
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen.edge({1, 5}), 10u);
  EXPECT_EQ(seen.edge({2, 5}), 15u) << "the smallest step to it";
  seen.make_room(1000);
  EXPECT_EQ(seen.edge({1, 6}), 30u);
  const explore::Exploration e = explore::explore(scenario_of(three_threads), ReferencePlanner(), {});
  EXPECT_EQ(e.collision_bound(), static_cast<double>(e.states) * static_cast<double>(e.states) * 0x1p-129);
  EXPECT_LT(e.collision_bound(), 1e-24);
}

// wait, kill_child and programs that exit are explored like everything else.
TEST(Explore, AChildIsKilledAndWaitedFor) {
  const explore::Exploration killed =
      explore::explore(scenario_of("fd 0 null\nthread\n  spawn only hold -> $0\n  kill_child $0 KILL\n  wait $0\n"),
                       ReferencePlanner(), {});
  EXPECT_EQ(killed.verdict.status, Status::holds);
  EXPECT_EQ(killed.ends, 1u) << "the wait returns in the end";
  const explore::Exploration exits = explore::explore(
      scenario_of("fd 0 null\nfd 5 memfd\nthread\n  spawn only exit -> $0\n  flock 5\n  wait $0\nthread\n  close 5\n"),
      planner_named("fork"), {});
  EXPECT_EQ(exits.verdict.status, Status::holds);
}

// On 6.18 exec wakes its caller before it closes what is close-on-exec; close_range(2) has closed what it drops before
// exec.
TEST(Explore, SaysWhoHoldsWhatItDropsWhenItReturns) {
  const Scenario scenario = scenario_of("fd 0 null\nfd 5 memfd cloexec\nthread\n  spawn inherit hold -> $0\n");
  EXPECT_TRUE(explore::explore(scenario, planner_named("fork"), {}).released.is_broken);
  EXPECT_FALSE(explore::explore(scenario, planner_named("reference"), {}).released.is_broken);
  explore::ExploreOptions stable;
  stable.kernel = model::kernel_named("6.12.118");
  EXPECT_FALSE(explore::explore(scenario, planner_named("fork"), stable).released.is_broken);
}

// Another thread's mistaken change of a window number is overwritten only between the question what the number is and
// the dup3(2) that relies on the answer, or between that dup3(2) and the comparison. On a kernel whose dup3(2) does all
// of that in one step, no such race is left.
TEST(Explore, TheWindowHasNoOtherRaceThanTheOneThatIsSaid) {
  explore::ExploreOptions wish;
  wish.kernel = model::kernel_named("7.4,wishes");
  for (const char* mistake :
       {"dup2 0 62", "close 62\n  dup2 0 62", "close_range 61 63\n  dup2 0 62", "dup2 0 61\n  close 62",
        "close 62\n  dupfd 70 62 -> $0", "dup2 0 63", "close 63\n  dup2 0 63", "close_range 61 63\n  dup2 0 63",
        "dup2 0 62\n  dup2 0 70", "dup2 0 70\n  dup2 0 63", "close 70\n  dup2 0 63"}) {
    const Scenario scenario = scenario_of(
        "fd 0 null\nfd 70 memfd cloexec\nwindow 61 63\nthread\n  spawn only hold keep 70>3 -> $0\nthread\n  " +
        std::string(mistake) + "\n");
    const explore::Exploration e = explore::explore(scenario, planner_named("reference:staged"), wish);
    EXPECT_EQ(e.verdict.status, Status::holds)
        << mistake << ": " << e.verdict.observed << "; " << (e.trace.empty() ? "" : e.trace.back().text);
    EXPECT_GT(e.ends, 0u);
  }
}

// The same for strategy fetched: the number that a fetch gets depends on which number is free.
TEST(Explore, AFetchedPlanWithAMistakeIsRefuted) {
  struct Mistake {
    const char* what;
    std::uint16_t dropped;
    Clause clause;
  };
  const Mistake mistakes[] = {{"its table shared", SPAWN_STEP_CLOSE_RANGE, Clause::err_exact},
                              {"left close-on-exec", SPAWN_STEP_CLEAR_CLOEXEC, Clause::fd_kept},
                              {"not moved", SPAWN_STEP_DUP, Clause::fd_kept},
                              {"not fetched", SPAWN_STEP_FETCH, Clause::err_exact}};
  const Scenario scenario = scenario_of(
      "fd 0 null\nfd 5 memfd cloexec\nfd 7 memfd\nthread\n  spawn only hold keep 5>3,7>1 -> $0\nthread\n  memfd -> "
      "$0\n  close $0\n");
  EXPECT_EQ(explore::explore(scenario, ReferencePlanner(SPAWN_STRATEGY_FETCHED), {}).verdict.status, Status::holds);
  for (const Mistake& mistake : mistakes) {
    const explore::Exploration e = explore::explore(
        scenario, spoilt(SPAWN_STRATEGY_FETCHED, [&](auto& steps, auto&) { drop(steps, mistake.dropped); }), {});
    ASSERT_EQ(e.verdict.status, Status::violated) << mistake.what;
    EXPECT_EQ(*e.verdict.clause, mistake.clause) << mistake.what << ": " << e.verdict.observed;
  }
}

// If the copy of the table leaves out what is dropped, no child ever references it; otherwise a child does.
TEST(Explore, SaysWhoReferencesWhatItDrops) {
  const Scenario only =
      scenario_of("fd 0 null\nfd 1 memfd\nfd 5 memfd cloexec\nthread\n  spawn only hold keep 5>5 -> $0\n");
  EXPECT_TRUE(explore::explore(only, planner_named("fork"), {}).untransient.is_broken);
  EXPECT_TRUE(explore::explore(only, planner_named("shared-gaps"), {}).untransient.is_broken);
  explore::ExploreOptions coming;
  coming.kernel = model::kernel_named("7.4");
  EXPECT_FALSE(explore::explore(only, planner_named("except"), coming).untransient.is_broken);
  EXPECT_TRUE(explore::explore(only, planner_named("shared-gaps"), coming).untransient.is_broken)
      << "what lies between";
}

// What the judge allows in a run the explorer must allow in every interleaving. It once accused strategies of ETXTBSY,
// of a limit that was lowered and raised again, of a pidfd whose number another thread had taken, and of what a
// strategy declines.
TEST(Explore, AccusesNoStrategyWithoutALimitInTheCorpus) {
  unsigned explored = 0, declined = 0;
  for (const char* folder : {"corpus/seeds", "corpus/regressions"})
    for (const auto& entry : files::recursive_directory_iterator(files::path(SPAWNCHECK_SOURCE_DIRECTORY) / folder)) {
      if (entry.path().extension() != ".scenario" || entry.path().parent_path().filename() == "claims") continue;
      for (const char* way : {"reference:copy", "reference:unshare", "reference:fetched"}) {
        explore::ExploreOptions options;
        options.workers = 1;
        options.states_max = 20'000;
        const Verdict verdict =
            explore::explore(scenario_of(text_of(entry.path())), planner_named(way), options).verdict;
        EXPECT_NE(verdict.status, Status::violated) << entry.path() << ", " << way << ": " << verdict.observed;
        explored += verdict.status == Status::holds;
        declined += verdict.status == Status::unsupported;
      }
    }
  EXPECT_GT(explored, 2 * declined);
}

TEST(Explore, ABoundIsSaidAndRespected) {
  const Scenario scenario = scenario_of(
      "fd 0 null\nfd 5 memfd cloexec\nthread\n  spawn only hold keep 5>3 -> $0\nthread\n  memfd -> $0\n  close "
      "$0\nthread\n  memfd -> $0\n  close $0\n");
  explore::ExploreOptions options;
  options.states_max = 100;
  const explore::Exploration e = explore::explore(scenario, ReferencePlanner(), options);
  EXPECT_EQ(e.verdict.status, Status::inconclusive);
  EXPECT_LE(e.states, 101u);
  EXPECT_NE(e.verdict.observed.find("100 states"), std::string::npos);
  std::string many = "limit 1000\n";
  for (int n = 0; n < 64; ++n) many += "fd " + std::to_string(n) + " memfd\n";
  EXPECT_EQ(explore::explore(scenario_of(many + "thread\n  memfd\n"), ReferencePlanner(), {}).verdict.status,
            Status::inconclusive);
  options = {};
  options.bytes_max = 1 << 20;
  const explore::Exploration small = explore::explore(scenario, ReferencePlanner(), options);
  EXPECT_EQ(small.verdict.status, Status::inconclusive);
  EXPECT_NE(small.verdict.observed.find("memory"), std::string::npos) << small.verdict.observed;
}

}  // namespace
}  // namespace spawncheck
