// SPDX-License-Identifier: MIT
//
// Checks the model's claims of each way to start a process on the kernel: every schedule of the same scenario, by the
// same plan. A claim that the model refutes is violated on the kernel too, by the same clause; a claim that the model
// proves holds in every schedule.
#include "impl/session/claims.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "impl/schedules/exhaustive.h"
#include "impl/session/reproduce.h"
#include "impl/session/running_kernel.h"
#include "impl/session/watch.h"
#include "properties/on_the_kernel.h"
#include "properties/rounds.h"

namespace spawncheck {
namespace {

namespace files = std::filesystem;

struct Claim {
  std::string name;
  Scenario scenario;  // without its expectations
  Expectation expectation;
  std::string text() const { return name + " by " + expectation.implementation; }
};

// Returns true if the expectation names no kernel, or one whose behaviours that judge are this kernel's.
bool is_of_this_kernel(const Expectation& e) {
  return e.kernel.empty() || difference_text(model::kernel_named(e.kernel).does, running_kernel().does).empty();
}

// Returns a claim for each expectation that names a way of the model and is of this kernel. why_not_here() says whether
// the way can run here.
std::vector<Claim> claims() {
  std::vector<Claim> out;
  for (const auto& entry :
       files::directory_iterator(files::path(SPAWNCHECK_SOURCE_DIRECTORY) / "corpus/seeds/claims")) {
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    Scenario scenario = std::get<Scenario>(parse(text.str()));
    const std::vector<Expectation> expectations = std::exchange(scenario.expectations, {});
    for (const Expectation& expectation : expectations)
      if (planner_named(expectation.implementation) && is_of_this_kernel(expectation))
        out.push_back({entry.path().stem().string(), scenario, expectation});
  }
  return out;
}

std::string object_of(const std::string& way) { return directory_of_binaries() + "/ways/" + way + ".so"; }

bool is_strategy(const std::string& way) { return way.starts_with("reference:"); }
std::string strategy_of(const std::string& way) {
  return is_strategy(way) ? way.substr(way.find(':') + 1) : std::string();
}

// Why this way cannot run here; empty if it can. A way that is named like a strategy needs what the strategy needs.
std::string why_not_here(const std::string& way) {
  if (way != "reference" && !is_strategy(way) && !files::exists(object_of(way))) return "nothing here runs it";
  return why_unsupported(is_strategy(way) ? strategy_of(way) : way);
}

Session& session_of(const std::string& way) {
  return way == "reference" || is_strategy(way) ? session_with("reference", strategy_of(way))
                                                : session_with(object_of(way));
}

// A flag that was changed only for a moment leaves no trace in what a run returns: watch() looks between the calls.
bool is_seen_in_between(const Claim& claim) {
  if (claim.expectation.clause != name(Clause::fd_untouched)) return false;
  for (std::uint64_t seed = 0; seed < 40; ++seed)
    if (watch(session_of(claim.expectation.implementation), claim.scenario, seed).touched) return true;
  return false;
}

// ci/kernels.d/table.sh reads these lines.
void say(const Claim& claim, const std::string& what) {
  std::printf("claim %s: %s\n", claim.text().c_str(), what.c_str());
}

// Every schedule. On a machine that is said to be slow, and with sanitizers, only the first ones of each claim: enough
// to search most claims completely, and few enough for a busy emulated machine to finish within its limit.
SearchLimits limits() {
  SearchLimits out;
  if (is_abridged()) out.runs = rounds(600, 100);
  return out;
}

TEST(Claims, TheKernelSaysWhatTheModelSays) {
  unsigned refuted = 0, held = 0;
  for (const Claim& claim : claims()) {
    if (const std::string why = why_not_here(claim.expectation.implementation); !why.empty()) {
      say(claim, "unsupported: " + why);
      continue;
    }
    const std::optional<Clause> clause = clause_named(claim.expectation.clause);
    unsigned limited = 0;  // runs that violate the claim's clause within a documented limit
    SearchLimits how = limits();
    how.after_run = [&](const Scenario&, const Session&, const Verdict& v) {
      limited += clause && v.is_limited() && v.is_within_limit(*clause);
    };
    ExhaustiveSearch search(session_of(claim.expectation.implementation), claim.scenario, how);
    const SearchResult r = search.run();
    const std::string schedules =
        (r.is_complete || r.violation ? "" : "the first ") + std::to_string(r.schedules) + " schedules";
    const std::string seen = r.violation ? std::string(name(r.violation->status)) + " " +
                                               std::string(r.violation->clause ? name(*r.violation->clause) : "")
                                         : "holds";
    if (claim.expectation.status == Status::holds) {
      EXPECT_TRUE(r.is_complete || limits().runs != 0) << claim.text();
      EXPECT_FALSE(r.violation) << claim.text() << ": " << r.violation->observed;
      held += !r.violation;
      say(claim, seen + ", " + schedules);
    } else if (!r.violation && limited > 0) {
      ++refuted;
      say(claim, "violated, a documented limit, in " + std::to_string(limited) + " of " + schedules);
    } else if (!r.violation && is_seen_in_between(claim)) {
      ++refuted;
      say(claim, "violated " + claim.expectation.clause + ", seen in between, " + schedules);
    } else {
      EXPECT_TRUE(r.violation && r.violation->status == Status::violated) << claim.text() << ", " << schedules;
      if (r.violation && r.violation->clause) {
        EXPECT_EQ(name(*r.violation->clause), claim.expectation.clause)
            << claim.text() << ": " << r.violation->observed;
      }
      ++refuted;
      say(claim, seen + ", " + schedules);
    }
  }
  std::printf("%u claims refuted and %u held, on the kernel as on the model\n", refuted, held);
  EXPECT_GT(refuted, 3u);
  EXPECT_GT(held, 3u);
}

// The model's shortest counterexample, replayed call by call on the kernel, shows the violation every time.
TEST(Claims, TheKernelGoesTheModelsShortestWay) {
  unsigned shown = 0;
  for (const Claim& claim : claims()) {
    const std::string& way = claim.expectation.implementation;
    if (claim.expectation.status != Status::violated) continue;
    const explore::Exploration e = explore::explore(claim.scenario, planner_named(way), {});
    ASSERT_EQ(e.verdict.status, Status::violated) << claim.text();
    const Reproduction r = reproduce(claim.scenario, way, model::Kernel{}, e);
    if (way != "reference" && !is_strategy(way) && !files::exists(object_of(way))) {
      EXPECT_EQ(r.runs, 0u) << claim.text();
      EXPECT_NE(r.text.find("nothing here runs"), std::string::npos) << claim.text() << ": " << r.text;
      continue;
    }
    if (!why_not_here(way).empty()) continue;
    EXPECT_TRUE(r.is_reproduced) << claim.text() << ": " << r.text;
    EXPECT_EQ(r.times, r.runs) << claim.text() << ": " << r.text;
    ++shown;
  }
  EXPECT_GE(shown, 5u);
}

// reproduce() shows no violation by another plan's counterexample, and does not run a plan that this kernel cannot run.
TEST(Claims, ACounterexampleOfAnotherPlanIsNotShown) {
  const Scenario scenario =
      std::get<Scenario>(parse("fd 0 null\nfd 5 memfd cloexec\nfd 7 memfd cloexec\nthread\n  spawn only hold keep 5>3 "
                               "-> $0\nthread\n  memfd -> $0\n"));
  const explore::Exploration late = explore::explore(scenario, planner_named("shared-gaps-late"), {});
  ASSERT_EQ(late.verdict.status, Status::violated);
  const Reproduction r = reproduce(scenario, "reference:unshare", model::Kernel{}, late);
  EXPECT_FALSE(r.is_reproduced) << r.text;
  EXPECT_FALSE(r.text.empty());
  explore::ExploreOptions coming;
  coming.kernel = model::kernel_named("7.4");
  const Reproduction none = reproduce(scenario, "except", coming.kernel, late);
  if (!running_kernel().has(Behaviour::close_range_except)) {
    EXPECT_EQ(none.runs, 0u);
    EXPECT_NE(none.text.find("needs close-range-except"), std::string::npos) << none.text;
  }
}

}  // namespace
}  // namespace spawncheck
