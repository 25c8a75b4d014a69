// SPDX-License-Identifier: MIT
//
// Whatever fault strikes whichever call of a spawn, every clause holds; and an implementation that does not check a
// call is found.
#include "impl/mutants/faults.h"

#include "impl/schedules/faults.h"
#include "impl/session/possible_faults.h"
#include "impl/session/scheduled.h"
#include "properties/on_the_kernel.h"
#include "properties/rounds.h"
#include "properties/strategy_seen.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

const std::string world = "limit 64\ndisposition USR1 handler\nmask TERM\nfd 0 null\nfd 5 memfd cloexec\nfd 9 null\n";
const std::string opener = "thread\n  memfd -> $0\n  close $0\n";

std::vector<Scenario> scenarios(const std::string& policy) {
  const std::string spawn = world + "thread\n  spawn " + policy;
  return {scenario_of(spawn + " hold keep 5>3 mask none -> $0\n  kill_child $0 KILL\n  wait $0\n" + opener),
          scenario_of(spawn + " exit keep 5>9,9>5 session -> $0\n  wait $0\n" + opener),
          scenario_of(spawn + " missing keep 5>3 -> $0\n" + opener),
          scenario_of(spawn + " hold keep 5>9,9>5 pidfd -> $0 $1\n" + opener)};
}

Session& mutant(const std::string& word) { return session_with(directory_of_binaries() + "/mutants/" + word + ".so"); }

// Abridged (rounds.h), each call takes one scenario, the next one.
void survives(Session& session, const std::string& policy) {
  if (is_unsupported(session)) return;
  static unsigned next = 0;
  const std::vector<Scenario> all = scenarios(policy);
  const auto count = static_cast<unsigned>(all.size());
  for (unsigned i = 0; i < rounds(count, 1); ++i) {
    const Scenario& scenario = all[next++ % count];
    if ((scenario.threads[0].operations[0].request.set & ~session.implementation().sets) != 0) continue;  // no pidfd
    const FaultResult r = inject_faults(session, scenario, {});
    EXPECT_FALSE(r.violation) << print(scenario) << print(r.fault) << ": " << r.violation->observed
                              << "; allowed: " << r.violation->allowed;
    EXPECT_GT(r.runs, 20u);
    EXPECT_EQ(r.happened, r.runs) << print(scenario);
    EXPECT_EQ(r.by_status[static_cast<int>(Status::broken)], 0u);
  }
}

TEST(Faults, TheReferenceSurvives) {
  constexpr unsigned count = 3;
  const char *const strategies[count] = {"", "copy", "unshare"}, *const policies[count] = {"only", "drop", "inherit"};
  // Abridged, each strategy has one policy, and each policy one strategy.
  for (unsigned s = 0; s < count; ++s)
    for (unsigned p = 0; p < rounds(count, 1); ++p)
      survives(session_with("reference", strategies[s]), policies[(s + p) % count]);
  survives(session_with("reference", "fetched"), "only");
  const Scenario staged = scenario_of(
      "fd 0 null\nfd 70 memfd cloexec\nfd 71 memfd\nwindow 59 63\nthread\n  spawn only hold keep 70>3,71>0 pidfd -> $0 "
      "$1\nthread\n  memfd -> $0\n  close $0\n");
  for (const char* strategy : {"staged", "fetched"}) {
    if (is_unsupported(session_with("reference", strategy))) continue;
    sc_policy with_results = policy_of(Turns::lenient);
    with_results.results = 1;
    session_with("reference", strategy).run_scheduled(staged, with_results);
    EXPECT_EQ(strategy_seen(session_with("reference", strategy).trace()), strategy);
    const FaultResult r = inject_faults(session_with("reference", strategy), staged, {});
    EXPECT_FALSE(r.violation) << print(r.fault) << ": " << r.violation->observed
                              << "; allowed: " << r.violation->allowed;
    EXPECT_GT(r.runs, 20u);
  }
}

TEST(Faults, TheControlSurvives) {
  for (const char* policy : {"only", "drop"}) survives(mutant("control"), policy);
}

TEST(Faults, ForkAndExecSurvives) { survives(session_with("fork_exec"), "only"); }
TEST(Faults, PosixSpawnSurvives) { survives(session_with("posix_spawn"), "drop"); }

TEST(Faults, PosixSpawnOfMuslSurvives) {
  if (!has_musl()) GTEST_SKIP() << "built without musl-gcc";
  survives(session_with("musl:posix_spawn"), "drop");
}

struct Planted {
  const char *word, *shows, *clauses;
};
const Planted planted[] = {
#define SPAWNCHECK_ROW(id, word, class_, shows, clauses, what) {word, shows, clauses},
    SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

TEST(Faults, AnUncheckedFailureIsFound) {
  const bool once_is_enough = is_abridged();
  for (const Planted& bug : planted) {
    if (bug.shows[0] != 'F') continue;
    std::string found;
    for (const char* policy : {"only", "drop"})
      for (const Scenario& scenario : scenarios(policy)) {
        if (once_is_enough && !found.empty()) break;
        if (const FaultResult r = inject_faults(mutant(bug.word), scenario, {}); r.violation) {
          ASSERT_TRUE(r.violation->clause);
          EXPECT_NE(r.fault.kind, SC_FAULT_NONE) << bug.word;
          found += std::string(name(*r.violation->clause)) + " ";
          EXPECT_NE((" " + std::string(bug.clauses) + " ").find(" " + std::string(name(*r.violation->clause)) + " "),
                    std::string::npos)
              << bug.word << " after " << print(r.fault) << ": " << name(*r.violation->clause) << ", "
              << r.violation->observed;
        }
      }
    EXPECT_NE(found, "") << bug.word;
  }
}

TEST(Faults, AreReadAsTheyArePrinted) {
  for (const char* text : {"EMFILE@0.2.5", "signal:USR1@1.0.0", "child:TERM@0.0.3", "kill-child@0.0.1",
                           "stop-child@2.1.65535", "kill-parent@0.0.0"}) {
    const auto fault = fault_named(text);
    ASSERT_TRUE(fault) << text;
    EXPECT_EQ(print(*fault), text);
  }
  for (const char* text : {"", "@", "EMFILE", "EMFILE@", "EMFILE@1", "EMFILE@1.2", "EMFILE@1.2.3.4", "EMFILE@1.2.-3",
                           "EMFILE@256.0.0", "signal:@0.0.0", "signal:NONE@0.0.0", "ENOTHING@0.0.0",
                           "kill-child:TERM@0.0.0", "EMFILE@0.0.65536", "EMFILE@0.0.1 "})
    EXPECT_FALSE(fault_named(text)) << text;
}

// ---- whether a trace shows that there were processes enough --------------------------------------

struct Made {
  sc_visible call;
  sc_step_outcome outcome;
  std::int64_t result = 0;
};

bool sufficed(std::initializer_list<Made> calls) {
  const auto trace = std::make_unique<sc_trace>();
  for (const Made& made : calls) {
    sc_step& step = trace->step[trace->step_count++];
    step.kind = SC_STEP_CALL;
    step.call = static_cast<std::uint8_t>(made.call);
    step.outcome = static_cast<std::uint8_t>(made.outcome);
    step.result = made.result;
  }
  return processes_sufficed(*trace);
}

TEST(ProcessesSufficed, IfAProcessWasStartedAndNoCallLackedOne) {
  const Made started{SC_VISIBLE_clone, SC_OUTCOME_RETURNED, 7}, suspended{SC_VISIBLE_clone3, SC_OUTCOME_SUSPENDED};
  EXPECT_FALSE(sufficed({}));
  EXPECT_FALSE(sufficed({{SC_VISIBLE_execve, SC_OUTCOME_EXECED}}));
  EXPECT_TRUE(sufficed({started}));
  EXPECT_TRUE(sufficed({suspended, {SC_VISIBLE_execve, SC_OUTCOME_RETURNED, -ENOENT}}));
  EXPECT_TRUE(sufficed({{SC_VISIBLE_read, SC_OUTCOME_RETURNED, -EAGAIN}, started})) << "read lacks no process";
  for (const int error : {EAGAIN, ENOMEM}) {
    EXPECT_FALSE(sufficed({started, {SC_VISIBLE_clone3, SC_OUTCOME_RETURNED, -error}})) << error;
    EXPECT_FALSE(sufficed({started, {SC_VISIBLE_execve, SC_OUTCOME_RETURNED, -error}})) << error;
  }
  EXPECT_FALSE(sufficed({started, {SC_VISIBLE_clone, SC_OUTCOME_UNKNOWN}}));
}

}  // namespace
}  // namespace spawncheck
