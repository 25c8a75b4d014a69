// SPDX-License-Identifier: MIT
//
// What a long search of a limited implementation needs: scenarios whose threads touch only what is theirs, requests
// that the implementation takes, and distinct findings.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "impl/peers/implementation.h"
#include "impl/session/findings.h"
#include "impl/session/taken.h"
#include "model/scenario/generate.h"
#include "model/scenario/mutate.h"
#include "model/scenario/own.h"
#include "model/scenario/validate.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

// ---- threads touch only what is theirs ----------------------------------------------------------

bool is_own(const std::string& operations) {
  return touches_own_only(scenario_of("fd 4 memfd\nfd 5 memfd\nthread\n" + operations));
}

TEST(Own, IsWhatAThreadHasOpened) {
  EXPECT_TRUE(is_own("  memfd -> $0\n  setfd $0 cloexec\n  dup $0 -> $1\n  close $0\n  close $1\n"));
  EXPECT_TRUE(is_own("  pipe -> $0 $1\n  close $1\n  close $0\n"));
  EXPECT_TRUE(is_own("  spawn only hold pidfd -> $0 $1\n  close $1\n"));
}

TEST(Own, IsWhatTheWorldHas) {
  EXPECT_TRUE(is_own("  close 4\n"));
  EXPECT_TRUE(is_own("  dup2 4 5 -> $0\n"));
  EXPECT_TRUE(is_own("  dupfd 4 100 -> $0\n  close $0\n"));
}

TEST(Own, IsNeitherANumberNobodyHasOpenedNorOneThatIsClosed) {
  EXPECT_FALSE(is_own("  close 6\n"));
  EXPECT_FALSE(is_own("  dup2 4 6 -> $0\n"));
  EXPECT_FALSE(is_own("  dup 6 -> $0\n"));
  EXPECT_FALSE(is_own("  setfd 6 cloexec\n"));
  EXPECT_FALSE(is_own("  close_range 4 5\n"));
  EXPECT_FALSE(is_own("  memfd -> $0\n  close $0\n  close $0\n"));
  EXPECT_FALSE(is_own("  close 4\nthread\n  close 4\n"));
  EXPECT_FALSE(is_own("  close 4\nthread\n  dup2 5 4 -> $0\n"));
  EXPECT_FALSE(is_own("  close 4\nthread\n  dup 4 -> $0\n"));
  EXPECT_FALSE(is_own("  dup2 4 5 -> $0\n  close $0\n"));
}

TEST(Own, ASourceIsToBeOpenByTheScenariosOwnDoing) {
  const auto keeps = [](const std::string& operations) {
    return keeps_own_only(scenario_of("fd 4 memfd\nfd 5 memfd\nthread\n" + operations));
  };
  EXPECT_TRUE(keeps("  memfd -> $0\n  spawn only hold keep 4>0,$0>1 -> $1\n  close $0\n"));
  EXPECT_FALSE(keeps("  spawn only hold keep 6>0 -> $1\n"));
  EXPECT_FALSE(keeps("  memfd -> $0\n  close $0\n  spawn only hold keep $0>1 -> $1\n"));
  EXPECT_FALSE(keeps("  spawn only hold keep 4>0 -> $1\nthread\n  close 4\n"));
}

TEST(Own, EveryGeneratedScenarioIsMadeSoAndStaysOneThatCanBeWritten) {
  GenerateOptions options;
  options.own_descriptors = true;
  unsigned with_spawn = 0, with_close = 0, with_replacement = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Random random(seed);
    Scenario scenario = generate(random, options);
    if (seed % 3 == 2) {
      scenario = mutate(scenario, random);
      suit(scenario, options);
    }
    ASSERT_TRUE(touches_own_only(scenario)) << print(scenario);
    ASSERT_TRUE(scenario.threads.size() == 1 || keeps_own_only(scenario)) << print(scenario);
    ASSERT_TRUE(std::holds_alternative<Scenario>(parse(print(scenario)))) << print(scenario);
    for (const std::string& f : features(scenario)) {
      with_spawn += f == "spawn";
      with_close += f == "close";
      with_replacement += f == "dup2" || f == "dup3";
    }
  }
  EXPECT_GT(with_spawn, 1000u);
  EXPECT_GT(with_close, 100u);
  EXPECT_GT(with_replacement, 10u);
}

TEST(Own, ANumberIsNamedByWhoeverTouchesIt) {
  const auto names = [](const std::string& text) { return names_number(scenario_of(text), 800); };
  EXPECT_TRUE(names("thread\n  close 800\n"));
  EXPECT_TRUE(names("thread\n  close_range 5 max\n"));
  EXPECT_TRUE(names("fd 3 memfd\nthread\n  dup2 3 800 -> $0\n"));
  EXPECT_TRUE(names("fd 800 memfd\nthread\n  memfd -> $0\n"));
  EXPECT_TRUE(names("thread\n  spawn only hold keep 800>3 -> $0\n"));
  EXPECT_FALSE(names("fd 3 memfd\nthread\n  close 3\n  close_range 5 799\n  spawn only hold keep 3>800 -> $0\n"));
}

TEST(Own, WhoReapsIsNotWaitedFor) {
  GenerateOptions options;
  options.waits = false;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Random random(seed);
    const Scenario scenario = generate(random, options);
    for (const Thread& thread : scenario.threads) {
      EXPECT_FALSE(thread.operations.empty());
      for (const sc_operation& op : thread.operations) EXPECT_NE(op.kind, SC_OP_WAIT) << print(scenario);
    }
  }
}

// ---- requests that are taken --------------------------------------------------------------------

// Asks an implementation that takes what `takes` accepts for so many generated scenarios. learns: each scenario is
// adapted first.
using Takes = bool(const Scenario&, const sc_request&);
TakenCount asked(std::uint32_t policies, Takes* takes, bool learns, unsigned scenarios) {
  Taken taken(policies);
  GenerateOptions options;
  options.policies = policies;
  const auto history = std::make_unique<sc_history>();
  for (std::uint64_t seed = 0; seed < scenarios; ++seed) {
    Random random(seed);
    Scenario scenario = generate(random, options);
    if (learns) taken.adapt(scenario, random);
    EXPECT_TRUE(std::holds_alternative<Scenario>(parse(print(scenario)))) << print(scenario);
    for (std::size_t t = 0; t < scenario.threads.size(); ++t)
      for (std::size_t o = 0; o < scenario.threads[t].operations.size(); ++o) {
        const sc_operation& op = scenario.threads[t].operations[o];
        history->op[t][o].end = 1;
        history->op[t][o].error = op.kind == SC_OP_SPAWN && !takes(scenario, op.request) ? SPAWNCHECK_DECLINED : 0;
      }
    taken.note(scenario, *history);
  }
  return taken.all();
}

bool only_standard(const Scenario&, const sc_request& r) {
  for (std::uint32_t i = 0; i < r.keep_count; ++i)
    if (r.keep[i].target > 2 || r.keep[i].more != 0) return false;
  return (r.set & ~static_cast<std::uint32_t>(SPAWNCHECK_SET_CWD)) == 0;
}
bool without_list(const Scenario&, const sc_request& r) { return r.policy == 0 && r.keep_count == 0; }
bool policy_only(const Scenario&, const sc_request& r) { return r.policy == 2 && (r.set & SPAWNCHECK_WANT_PIDFD) == 0; }
bool everything(const Scenario&, const sc_request&) { return true; }

bool keeps_all_of(const sc_request& r, std::int32_t count) {
  for (std::int32_t n = 0; n < count; ++n)
    if (std::none_of(r.keep, r.keep + r.keep_count,
                     [n](const sc_keep& k) { return k.target <= n && n <= k.target + k.more; }))
      return false;
  return true;
}
bool keeps_open_only(const Scenario& s, const sc_request& r) {
  return std::all_of(r.keep, r.keep + r.keep_count,
                     [&](const sc_keep& k) { return k.source.variable != 0 || is_open(s.world, k.source.value); });
}

// What libraries take (impl/peers/libraries.md). standard_always: 0, 1 and 2 are redirected, whatever else is kept.
// without_gaps: the kept numbers are 0, 1, 2 and on. own_standard: the caller's own three and nothing else. by_policy,
// below: with policy only, 0, 1 and 2 are all kept; with the others, nothing else is.
bool standard_always(const Scenario& s, const sc_request& r) {
  return r.policy != 2 && keeps_all_of(r, 3) && keeps_open_only(s, r) && is_open(s.world, 0) && is_open(s.world, 1) &&
         is_open(s.world, 2);
}
bool without_gaps(const Scenario& s, const sc_request& r) {
  return r.policy != 2 && sc_kept_count(&r) >= 3 && keeps_all_of(r, static_cast<std::int32_t>(sc_kept_count(&r))) &&
         keeps_open_only(s, r);
}
bool own_standard(const Scenario& s, const sc_request& r) {
  if (r.policy != 2 || r.keep_count != 3 || !keeps_all_of(r, 3) || r.set != 0) return false;
  return std::all_of(r.keep, r.keep + 3, [&](const sc_keep& k) {
    return k.source.variable == 0 && k.source.value == k.target && is_open(s.world, k.target);
  });
}
// As in a shell command: each number has one digit, and 0 is a target and never a source.
bool digits(const Scenario& s, const sc_request& r) {
  return r.policy != 2 && keeps_open_only(s, r) && r.set == 0 &&
         std::any_of(r.keep, r.keep + r.keep_count, [](const sc_keep& k) { return k.target == 0; }) &&
         std::all_of(r.keep, r.keep + r.keep_count, [](const sc_keep& k) {
           return k.more == 0 && k.target <= 9 && k.source.variable == 0 && k.source.value != 0 && k.source.value <= 9;
         });
}
bool by_policy(const Scenario& s, const sc_request& r) {
  return r.policy == 2 ? keeps_all_of(r, 3) && keeps_open_only(s, r) : only_standard(s, r);
}

TEST(Taken, AtLeastHalfOfTheRequestsOnceItIsKnownWhatIsDeclined) {
  for (const auto takes :
       {only_standard, without_list, policy_only, standard_always, without_gaps, own_standard, digits, by_policy}) {
    const TakenCount plain = asked(7, takes, false, 2000), learned = asked(7, takes, true, 2000);
    EXPECT_LT(plain.taken * 2, plain.asked);
    EXPECT_GT(learned.taken * 2, learned.asked) << learned.taken << " of " << learned.asked;
  }
}

// Otherwise a search never meets a bug that needs a swap, a long list or a directory.
TEST(Taken, WhatIsTakenStaysAsVariedAsItCanBe) {
  Taken taken(7);
  std::set<std::uint32_t> shapes;
  const auto history = std::make_unique<sc_history>();
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Random random(seed);
    Scenario scenario = generate(random);
    taken.adapt(scenario, random);
    for (std::size_t t = 0; t < scenario.threads.size(); ++t)
      for (std::size_t o = 0; o < scenario.threads[t].operations.size(); ++o) {
        const sc_operation& op = scenario.threads[t].operations[o];
        const bool is_taken = op.kind != SC_OP_SPAWN || standard_always(scenario, op.request);
        history->op[t][o].end = 1;
        history->op[t][o].error = is_taken ? 0 : SPAWNCHECK_DECLINED;
        if (is_taken && op.kind == SC_OP_SPAWN) shapes.insert(shape_of(scenario, op.request));
      }
    taken.note(scenario, *history);
  }
  for (std::size_t i = policy_features; i < request_features().size(); ++i) {
    const std::string_view word = request_features()[i].word;
    const bool is_possible =
        word != "keep not all of 0 to 2" && word != "not all of 0 to 2 are open" && word != "keep what is closed";
    EXPECT_EQ(std::any_of(shapes.begin(), shapes.end(), [i](std::uint32_t s) { return (s >> i & 1) != 0; }),
              is_possible)
        << word;
  }
}

TEST(Taken, NothingChangesWhereNothingIsDeclined) {
  Taken taken(7);
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed), again(seed + 1);
    const Scenario scenario = generate(random);
    Scenario adapted = scenario;
    taken.adapt(adapted, again);
    EXPECT_EQ(print(adapted), print(scenario));
  }
  EXPECT_EQ(asked(7, everything, true, 100).asked, asked(7, everything, false, 100).asked);
}

TEST(Taken, TellsTheShareOfEachFeatureThatWasDeclined) {
  Taken taken(7);
  const Scenario scenario =
      scenario_of("fd 0 memfd\nthread\n  spawn only hold keep 0>0 -> $0\n  spawn inherit hold -> $1\n");
  const auto history = std::make_unique<sc_history>();
  for (int o = 0; o < 2; ++o) history->op[0][o].end = 1;
  history->op[0][0].error = SPAWNCHECK_DECLINED;
  taken.note(scenario, *history);
  EXPECT_EQ(taken.text(),
            "requests taken: 50 % (policy only 0 %, keep 0 %, keep in place 0 %, keep not all of 0 to 2 50 %, keep 0 0 "
            "%, not "
            "all of 0 to 2 are open 50 %)");
}

// ---- findings told apart ------------------------------------------------------------------------

TEST(Findings, NumbersSignalsAndFilesDoNotMakeAnother) {
  EXPECT_EQ(shape_of_text("the child's 3 is the memfd of world line 0"),
            shape_of_text("the child's 200 is the eventfd of thread 1, operation 2"));
  EXPECT_EQ(shape_of_text("the child's 3 is /dev/null"), shape_of_text("the child's 4 is the read end of pipe 77"));
  EXPECT_EQ(shape_of_text("the child blocks USR1 INT 40"), shape_of_text("the child blocks HUP"));
  EXPECT_NE(shape_of_text("the child's 3 is closed"), shape_of_text("the child's 3 is /dev/null"));
  EXPECT_NE(shape_of_text("failed with EBADF"), shape_of_text("failed with EMFILE"));
  EXPECT_NE(shape_of_text("the child has 3: a file the scenario did not open"),
            shape_of_text("the child has 3: /dev/null"));
}

Verdict of(Clause clause, const std::string& observed) {
  Verdict v;
  v.status = Status::violated;
  v.clause = clause;
  v.observed = observed;
  return v;
}

Finding finding_of(const Scenario& scenario, const Verdict& verdict) {
  Finding f;
  f.scenario = scenario;
  f.verdict = verdict;
  f.tries = f.violations = 1;
  return f;
}

TEST(Findings, AKnownOneIsCountedAndNotExaminedAgain) {
  const Scenario scenario =
      scenario_of("fd 4 memfd\nthread\n  spawn only hold keep 4>3 -> $0\n  spawn inherit hold -> $1\n");
  Findings findings;
  const Verdict first = of(Clause::fd_kept, "the child's 3 is closed"),
                again = of(Clause::fd_kept, "the child's 9 is closed");
  const std::vector<Breach> fresh = findings.count(scenario, first).fresh;
  ASSERT_EQ(fresh.size(), 1u);
  findings.add(scenario, fresh[0], finding_of(scenario, first));
  EXPECT_EQ(findings.count(scenario, again).known, 1u);
  ASSERT_EQ(findings.rows().size(), 1u);
  EXPECT_EQ(findings.rows()[0].times, 2u);
  EXPECT_EQ(findings.rows()[0].key.step, "spawn only");
}

TEST(Findings, AnotherClauseStepOrShapeIsAnother) {
  const Scenario scenario =
      scenario_of("fd 4 memfd\nthread\n  spawn only hold keep 4>3 -> $0\n  spawn inherit hold -> $1\n");
  Findings findings;
  for (const Verdict& v : {of(Clause::sig_mask, "spawn of thread 0, operation 0: the child blocks HUP"),
                           of(Clause::sig_mask, "spawn of thread 0, operation 1: the child blocks HUP"),
                           of(Clause::sig_mask, "spawn of thread 0, operation 1: the child blocks none"),
                           of(Clause::fd_exact, "spawn of thread 0, operation 1: the child blocks none")}) {
    const std::vector<Breach> fresh = findings.count(scenario, v).fresh;
    ASSERT_EQ(fresh.size(), 1u) << v.observed;
    findings.add(scenario, fresh[0], finding_of(scenario, v));
  }
  EXPECT_EQ(findings.rows().size(), 4u);
}

TEST(Findings, OneThatDoesNotComeBackIsTriedAFewTimes) {
  const Scenario scenario = scenario_of("thread\n  spawn only hold -> $0\n");
  Findings findings;
  const Verdict v = of(Clause::live_returns, "it had not returned");
  Finding suspected = finding_of(scenario, v);
  suspected.violations = 0;
  for (unsigned i = 0; i < Findings::tries_of_suspected; ++i) {
    const Findings::Met met = findings.count(scenario, v);
    ASSERT_EQ(met.fresh.size(), 1u);
    findings.add(scenario, met.fresh[0], suspected);
  }
  const Findings::Met met = findings.count(scenario, v);
  EXPECT_TRUE(met.fresh.empty());
  EXPECT_EQ(met.known, 0u);
  EXPECT_TRUE(findings.rows().empty());
}

TEST(Findings, AreBounded) {
  const Scenario scenario = scenario_of("thread\n  spawn only hold -> $0\n");
  Findings findings;
  for (std::size_t i = 0; i < Findings::distinct_max + 5; ++i) {
    const Verdict v = of(Clause::fd_kept, "it is " + std::string(i + 1, 'x'));
    for (const Breach& b : findings.count(scenario, v).fresh) findings.add(scenario, b, finding_of(scenario, v));
  }
  EXPECT_EQ(findings.rows().size(), Findings::distinct_max);
  EXPECT_EQ(findings.beyond(), 5u);
}

}  // namespace
}  // namespace spawncheck
