// SPDX-License-Identifier: MIT
//
// Properties that run on the kernel: a session per implementation, and one way to fail.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <spawncheck/spawn/plan.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "impl/session/finding.h"
#include "properties/arbitrary.h"

namespace spawncheck {

// musl:posix_spawn is there where musl-gcc was when this was built.
inline bool has_musl() { return access((directory_of_binaries() + "/spawncheck-arena-musl").c_str(), X_OK) == 0; }

inline Session& session_with(const std::string& implementation, const std::string& strategy = "") {
  static std::map<std::string, std::unique_ptr<Session>> sessions;
  std::unique_ptr<Session>& session = sessions[implementation + " " + strategy];
  if (session == nullptr) {
    SessionOptions options;
    options.implementation = implementation;
    options.strategy = strategy;
    std::string error;
    session = Session::start(options, error);
    if (session == nullptr) {
      std::fprintf(stderr, "spawncheck: %s\n", error.c_str());
      std::exit(1);
    }
  }
  return *session;
}

// Returns true, and prints why, if the session's strategy is not available here; the caller then checks nothing.
inline bool is_unsupported(const Session& session) {
  if (session.why_unsupported().empty()) return false;
  std::printf("spawncheck: unsupported: %s\n", session.why_unsupported().c_str());
  return true;
}

// "" (the reference chooses), then the word of each strategy that this kernel can run. Prints why it lacks the others.
inline std::vector<std::string> strategies_here() {
  std::vector<std::string> out{""};
  for (std::uint32_t s = SPAWN_STRATEGY_AUTOMATIC + 1; s < SPAWN_STRATEGY_COUNT; ++s) {
    const std::string word = spawn_strategy_word(s);
    if (!is_unsupported(session_with("reference", word))) out.push_back(word);
  }
  return out;
}

// Empty, or why a world cannot open `number` here: root may raise the hard limit of open files, others may not.
inline std::string why_no_number(rlim_t number) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || number < limit.rlim_max) return {};
  return "needs number " + std::to_string(number) + ", and the hard limit of open files (ulimit -Hn) is " +
         std::to_string(limit.rlim_max);
}

// A violation as text: shrunk, confirmed, with its replay command. With $SPAWNCHECK_SAVE its scenario is
// stored there as well.
inline std::string told(Session& session, const Scenario& scenario, const Verdict& verdict, std::uint64_t seed,
                        unsigned runs) {
  if (verdict.status != Status::violated)
    return std::string(name(verdict.status)) + ": " + verdict.observed + "\n" + print(scenario);
  FindingOptions options;
  options.runs_per_try = runs;
  Finding finding = make_finding(session, scenario, verdict, seed, options);
  std::string error;
  if (const char* directory = std::getenv("SPAWNCHECK_SAVE")) save(finding, directory, error);
  return report(finding);
}

// Every scenario of the family holds, for the implementation as it is declared. Skips the test if the session's
// strategy is not available here.
inline void family_holds(Session& session, Family family, unsigned runs, std::uint32_t threads_max = 3) {
  if (!session.why_unsupported().empty()) {
    if (::testing::Test::IsSkipped()) return;  // by an earlier case of the property
    GTEST_SKIP() << session.why_unsupported();
  }
  GenerateOptions options = session.generate_options();
  options.threads_max = threads_max;
  options.families = 1u << static_cast<int>(family);
  const auto seed = *rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>());
  Random random(seed);
  const Scenario scenario = generate(random, options);
  RC_CLASSIFY(scenario.threads.size() > 1, "several threads");
  unsigned used = 0;
  const Verdict verdict = session.run_until_violated(scenario, runs, seed, used);
  RC_CLASSIFY(verdict.status == Status::inconclusive, "inconclusive");
  RC_CLASSIFY(verdict.status == Status::unsupported, "unsupported");
  if (verdict.status != Status::violated && verdict.status != Status::broken) return;
  // Printed at once: rapidcheck runs the case again before it reports, and a race may not come back.
  const std::string text = told(session, scenario, verdict, seed, runs);
  std::fprintf(stderr, "%s\n", text.c_str());
  RC_FAIL(text);
}

// Checks one scenario, written out. Skips the test if the run was refused: this machine has no room for the world.
inline void expect_holds(Session& session, const std::string& text, unsigned runs = 1) {
  if (is_unsupported(session)) return;
  const auto parsed = parse(text);
  ASSERT_TRUE(std::holds_alternative<Scenario>(parsed)) << std::get<ParseError>(parsed).message();
  const Scenario& scenario = std::get<Scenario>(parsed);
  unsigned used = 0;
  const Verdict verdict = session.run_until_violated(scenario, runs, 1, used);
  if (verdict.status == Status::unsupported && session.history().end == SC_RUN_REFUSED)
    GTEST_SKIP() << verdict.observed;
  if (verdict.status != Status::holds) ADD_FAILURE() << told(session, scenario, verdict, 1, runs);
}

// What a family of claims is checked for: the reference by each of its strategies, a second implementation
// written apart from it, and the peers. The peers are held to it with one thread only: with several,
// fork_exec loses its error pipe to another thread's dup2(2) and then never returns, and posix_spawn's
// temporaries replace what others open meanwhile. `spawncheck check` finds both.
#define SPAWNCHECK_FAMILY(suite, family, runs)                                                                  \
  RC_GTEST_PROP(suite, HoldsForTheReference, ()) { family_holds(session_with("reference"), family, runs); }     \
  RC_GTEST_PROP(suite, HoldsForTheReferenceByCopy, ()) {                                                        \
    family_holds(session_with("reference", "copy"), family, runs);                                              \
  }                                                                                                             \
  RC_GTEST_PROP(suite, HoldsForTheReferenceByUnshare, ()) {                                                     \
    family_holds(session_with("reference", "unshare"), family, runs);                                           \
  }                                                                                                             \
  RC_GTEST_PROP(suite, HoldsForTheReferenceByFetched, ()) {                                                     \
    family_holds(session_with("reference", "fetched"), family, runs);                                           \
  }                                                                                                             \
  RC_GTEST_PROP(suite, HoldsForTheReferenceByStaged, ()) {                                                      \
    family_holds(session_with("reference", "staged"), family, runs);                                            \
  }                                                                                                             \
  RC_GTEST_PROP(suite, HoldsForTheControl, ()) {                                                                \
    family_holds(session_with(directory_of_binaries() + "/mutants/control.so"), family, runs);                  \
  }                                                                                                             \
  RC_GTEST_PROP(suite, HoldsForForkAndExecAlone, ()) { family_holds(session_with("fork_exec"), family, 1, 1); } \
  RC_GTEST_PROP(suite, HoldsForPosixSpawnAloneButForItsLimits, ()) {                                            \
    family_holds(session_with("posix_spawn"), family, 1, 1);                                                    \
  }

}  // namespace spawncheck
