// SPDX-License-Identifier: MIT
//
// What the model claims of a way to start a process, put to the kernel: every schedule of the same scenario, by the same plan. What
// the model refutes the kernel refutes as well, by the same clause; what it proves holds in every schedule.
#include "properties/on_the_kernel.h"
#include "properties/schedules/exhaustive.h"
#include "properties/session/claims.h"
#include "properties/session/reproduce.h"
#include "properties/session/watch.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace spawncheck {
namespace {

namespace files = std::filesystem;

TEST(Claims, TheKernelSaysWhatTheModelSays) {
  unsigned refuted = 0, held = 0;
  for (const auto& entry : files::directory_iterator(files::path(SPAWNCHECK_SOURCE_DIRECTORY) / "corpus/seeds/claims")) {
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    const auto parsed = parse(text.str());
    ASSERT_TRUE(std::holds_alternative<Scenario>(parsed)) << entry.path();
    const Scenario& scenario = std::get<Scenario>(parsed);
    for (const Expectation& expectation : scenario.expectations) {
      const std::string way = directory_of_binaries() + "/ways/" + expectation.implementation + ".so";
      if (expectation.implementation.empty() || !files::exists(way)) continue;
      Scenario bare = scenario;
      bare.expectations.clear();
      ExhaustiveSearch search(session_with(way), bare, {});
      const SearchResult r = search.run();
      const std::string what = entry.path().stem().string() + " by " + expectation.implementation + ": ";
      if (expectation.status == Status::holds) {
        EXPECT_TRUE(r.is_complete) << what << (r.violation ? r.violation->observed : "");
        EXPECT_FALSE(r.violation) << what << r.violation->observed;
        ++held;
      } else {
        ++refuted;
        // A flag that was changed for a moment only leaves no trace in what a run returns: it is seen in between.
        if (!r.violation && expectation.clause == name(Clause::fd_untouched)) {
          bool is_seen = false;
          for (std::uint64_t seed = 0; seed < 40 && !is_seen; ++seed) is_seen = watch(session_with(way), bare, seed).touched.has_value();
          EXPECT_TRUE(is_seen) << what << r.schedules << " schedules";
          continue;
        }
        ASSERT_TRUE(r.violation && r.violation->status == Status::violated) << what << r.schedules << " schedules";
        EXPECT_EQ(name(*r.violation->clause), expectation.clause) << what << r.violation->observed;
      }
    }
  }
  std::printf("%u claims refuted and %u held, on the kernel as on the model\n", refuted, held);
  EXPECT_GT(refuted, 3u);
  EXPECT_GT(held, 3u);
}

// The model's own path there, call by call, leads there on the kernel as well, every time.
TEST(Claims, TheKernelGoesTheModelsShortestWay) {
  unsigned shown = 0;
  for (const auto& entry : files::directory_iterator(files::path(SPAWNCHECK_SOURCE_DIRECTORY) / "corpus/seeds/claims")) {
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    const Scenario scenario = std::get<Scenario>(parse(text.str()));
    for (const Expectation& expectation : scenario.expectations) {
      if (expectation.status != Status::violated || !planner_named(expectation.implementation)) continue;
      const std::string what = entry.path().stem().string() + " by " + expectation.implementation + ": ";
      const explore::Exploration e = explore::explore(scenario, planner_named(expectation.implementation), {});
      ASSERT_EQ(e.verdict.status, Status::violated) << what;
      const Reproduction r = reproduce(scenario, expectation.implementation, model::Kernel{}, e);
      if (!expectation.implementation.starts_with("reference") && !files::exists(directory_of_binaries() + "/ways/" + expectation.implementation + ".so")) {
        EXPECT_EQ(r.runs, 0u) << what;
        EXPECT_NE(r.text.find("nothing here runs"), std::string::npos) << what << r.text;
        continue;
      }
      EXPECT_TRUE(r.is_reproduced) << what << r.text;
      EXPECT_EQ(r.times, r.runs) << what << r.text;
      ++shown;
    }
  }
  EXPECT_GE(shown, 5u);
}

// What nothing violates is not shown, and another plan's counterexample is not this one's.
TEST(Claims, ACounterexampleOfAnotherPlanIsNotShown) {
  const Scenario scenario = std::get<Scenario>(parse("fd 0 null\nfd 5 memfd cloexec\nfd 7 memfd cloexec\nthread\n  spawn only hold keep 5>3 -> $0\nthread\n  memfd -> $0\n"));
  const explore::Exploration late = explore::explore(scenario, planner_named("shared-gaps-late"), {});
  ASSERT_EQ(late.verdict.status, Status::violated);
  const Reproduction r = reproduce(scenario, "reference:unshare", model::Kernel{}, late);
  EXPECT_FALSE(r.is_reproduced) << r.text;
  EXPECT_FALSE(r.text.empty());
  explore::ExploreOptions coming;
  coming.kernel = *model::kernel_named("7.4");
  EXPECT_NE(reproduce(scenario, "except", coming.kernel, late).text.find("no released kernel"), std::string::npos);
}

}  // namespace
}  // namespace spawncheck
