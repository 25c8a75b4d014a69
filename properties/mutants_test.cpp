// SPDX-License-Identifier: MIT
//
// Verify the verifier: every planted bug is found, and by a clause that is right to say so; the control, with
// none, is not accused. Each is tried through the interface that anybody's spawn is tried through.
#include "impl/mutants/faults.h"
#include "properties/on_the_kernel.h"
#include "properties/session/scheduled.h"

#include "model/scenario/words.h"

#include <chrono>

namespace spawncheck {
namespace {

struct Mutant {
  const char *word, *class_, *shows, *clauses, *what;
};

const Mutant mutants[] = {
#define SPAWNCHECK_ROW(id, word, class_, shows, clauses, what) {word, class_, shows, clauses, what},
    SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

constexpr unsigned scenarios_max = 3000;

class PlantedBug : public ::testing::TestWithParam<Mutant> {};

bool names(const std::string& clauses, const std::string& clause) { return (" " + clauses + " ").find(" " + clause + " ") != std::string::npos; }

// As `spawncheck check` does: families in turn, races a few times each.
TEST_P(PlantedBug, IsFoundByItsClause) {
  const Mutant& mutant = GetParam();
  if (mutant.shows[0] == 'F') GTEST_SKIP() << "shows when a call fails: faults_test";
  Session& session = session_with(directory_of_binaries() + "/mutants/" + mutant.word + ".so");
  const bool is_control = mutant.clauses[0] == 0;
  unsigned runs = 0;
  const auto start = std::chrono::steady_clock::now();
  for (unsigned i = 0; i < (is_control ? 400u : scenarios_max); ++i) {
    Random random(1000 + i);
    GenerateOptions options = session.generate_options();
    options.families = 1u << (i % family_count);
    const Scenario scenario = generate(random, options);
    unsigned used = 0;
    const Verdict verdict = session.run_until_violated(scenario, scenario.threads.size() > 1 ? 4 : 1, i, used);
    runs += used;
    if (verdict.status != Status::violated) continue;
    if (is_control) FAIL() << told(session, scenario, verdict, i, 4);
    EXPECT_TRUE(names(mutant.clauses, std::string(name(*verdict.clause))))
        << mutant.what << ": " << name(*verdict.clause) << "\n" << verdict.observed << "\n" << verdict.allowed << "\n" << print(scenario);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::printf("%-18s %-26s after %5u runs, %6.2f s\n", mutant.word, std::string(name(*verdict.clause)).c_str(), runs, seconds);
    return;
  }
  if (!is_control) ADD_FAILURE() << mutant.word << " (" << mutant.what << ") was not found in " << runs << " runs";
}

// A correct spawn of another design (impl/peers/duplicates_first.c): it forks, duplicates what is kept first and reads an error
// pipe. What accuses it has taken the reference's way for the contract.
TEST(SecondSpawn, IsNotAccused) {
  Session& session = session_with(directory_of_binaries() + "/duplicates-first.so");
  for (unsigned i = 0; i < 400; ++i) {
    Random random(1000 + i);
    GenerateOptions options = session.generate_options();
    options.families = 1u << (i % family_count);
    Scenario scenario = generate(random, options);
    scenario.schedule.clear();
    unsigned used = 0;
    Verdict verdict = session.run_until_violated(scenario, scenario.threads.size() > 1 ? 4 : 1, i, used);
    if (verdict.status == Status::violated) FAIL() << told(session, scenario, verdict, i, 4);
    if (i % 4 != 0) continue;
    verdict = session.run_scheduled(scenario, policy_of(Turns::lenient, SC_RULE_RANDOM, i));
    scenario.schedule = turns_of(session.trace());
    if (verdict.status == Status::violated) FAIL() << told(session, scenario, verdict, i, 1);
  }
}

// The canary is wrong twice, and both are found.
TEST(Canary, IsCaughtByBothOfItsClauses) {
  Session& session = session_with("canary");
  bool kept = false, untouched = false;
  for (unsigned i = 0; i < 2000 && !(kept && untouched); ++i) {
    Random random(i);
    const Scenario scenario = generate(random, session.generate_options());
    const Verdict verdict = session.run(scenario, 0);
    if (verdict.status != Status::violated) continue;
    kept |= verdict.clause == Clause::fd_kept;
    untouched |= verdict.clause == Clause::fd_untouched;
  }
  EXPECT_TRUE(kept) << "dup2 in list order";
  EXPECT_TRUE(untouched) << "close-on-exec cleared in the shared table";
}

INSTANTIATE_TEST_SUITE_P(Mutants, PlantedBug, ::testing::ValuesIn(mutants), [](const auto& i) {
  std::string name = i.param.word;
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
});

}  // namespace
}  // namespace spawncheck
