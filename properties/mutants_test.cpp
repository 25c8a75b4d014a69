// SPDX-License-Identifier: MIT
//
// Verify the verifier: every planted bug is found, by one of the clauses of its row; the control, which has no bug, is
// not accused. Each runs behind the same interface as any other implementation.
#include <sys/resource.h>

#include <chrono>
#include <map>
#include <set>

#include "impl/mutants/faults.h"
#include "impl/session/scheduled.h"
#include "impl/session/slowness.h"
#include "model/scenario/words.h"
#include "properties/on_the_kernel.h"

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

constexpr unsigned scenarios_max = 100'000, scenarios_of_control = 400;
const double seconds_max = 120 * slowness_of_machine();

class PlantedBug : public ::testing::TestWithParam<Mutant> {};

bool names(const std::string& clauses, const std::string& clause) {
  return (" " + clauses + " ").find(" " + clause + " ") != std::string::npos;
}

// Why this bug cannot show here; empty if it can.
std::string why_not_here(const Mutant& m) {
  if (m.shows[0] == 'F') return "shows when a call fails: faults_test";
  if (m.word == std::string("groups-dropped") && geteuid() != 0 && getgroups(0, nullptr) < 1)
    return "there is no group that could be dropped";
  rlimit core{};
  if (m.word == std::string("core-limited") && getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0)
    return "this process may leave no core file itself";
  if (m.word == std::string("affinity-reset") && sysconf(_SC_NPROCESSORS_ONLN) < 2) return "there is one processor";
  return {};
}

// As `spawncheck check` does: families in turn, a scenario of several threads up to four times. Every fourth scenario
// runs scheduled.
Verdict try_scenario(Session& session, Scenario& scenario, unsigned i, unsigned& used) {
  scenario.schedule.clear();
  if (i % 4 != 3) return session.run_until_violated(scenario, scenario.threads.size() > 1 ? 4 : 1, i, used);
  used = 1;
  Verdict verdict = session.run_scheduled(scenario, policy_of(Turns::lenient, SC_RULE_RANDOM, i));
  scenario.schedule = turns_of(session.trace());
  return verdict;
}

TEST_P(PlantedBug, IsFoundByItsClause) {
  const Mutant& mutant = GetParam();
  if (const std::string why = why_not_here(mutant); !why.empty()) GTEST_SKIP() << why;
  Session& session = session_with(directory_of_binaries() + "/mutants/" + mutant.word + ".so");
  const bool is_control = mutant.shows[0] == 0;
  unsigned runs = 0;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  for (unsigned i = 0;
       i < (is_control ? scenarios_of_control : scenarios_max) && (is_control || seconds() < seconds_max); ++i) {
    Random random(1000 + i);
    GenerateOptions options = session.generate_options();
    options.families = 1u << static_cast<int>(family_in_turn(i));
    Scenario scenario = generate(random, options);
    unsigned used = 0;
    const Verdict verdict = try_scenario(session, scenario, i, used);
    runs += used;
    if (verdict.status != Status::violated) continue;
    if (is_control) FAIL() << told(session, scenario, verdict, i, 4);
    EXPECT_TRUE(names(mutant.clauses, std::string(name(*verdict.clause))))
        << mutant.what << ": " << name(*verdict.clause) << "\n"
        << verdict.observed << "\n"
        << verdict.allowed << "\n"
        << print(scenario);
    std::printf("%-24s %-26s after %5u runs, %6.2f s\n", mutant.word, std::string(name(*verdict.clause)).c_str(), runs,
                seconds());
    return;
  }
  if (!is_control) ADD_FAILURE() << mutant.word << " (" << mutant.what << ") was not found in " << runs << " runs";
}

// Each class has at least four bugs (the control is a class of one), and no two bugs share a word.
TEST(Table, HasEachBugOnce) {
  std::map<std::string, unsigned> classes;
  std::set<std::string> words;
  for (const Mutant& m : mutants) {
    ++classes[m.class_];
    EXPECT_TRUE(words.insert(m.word).second) << m.word;
    EXPECT_EQ(m.shows[0] == 0, m.clauses[0] == 0) << m.word;
  }
  EXPECT_GE(words.size(), 100u);
  for (const auto& [class_, count] : classes) EXPECT_GE(count, class_ == "control" ? 1u : 4u) << class_;
}

// A correct spawn of another design (impl/peers/duplicates_first.c): it forks, duplicates what is kept first and reads
// an error pipe. A check that accuses it takes the reference's design for the contract.
TEST(SecondSpawn, IsNotAccused) {
  Session& session = session_with(directory_of_binaries() + "/duplicates-first.so");
  for (unsigned i = 0; i < 400; ++i) {
    Random random(1000 + i);
    GenerateOptions options = session.generate_options();
    options.families = 1u << static_cast<int>(family_in_turn(i));
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

// The canary has two bugs; both are found.
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
