// SPDX-License-Identifier: MIT
//
// How a violation is named: each violated clause is reported with its own evidence and its own rule, and the cause
// gives the name.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include "model/contract/rules.h"
#include "model/judge/judge.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

std::unique_ptr<sc_history> history_of(const Scenario& scenario) {
  auto history = std::make_unique<sc_history>();
  history->thread_count = static_cast<std::uint32_t>(scenario.threads.size());
  for (auto& thread : history->op)
    for (sc_op_record& r : thread) {
      r.value[0] = r.value[1] = -1;
      r.child = -1;
    }
  return history;
}

void each_cites_its_own_rule(const Verdict& v) {
  for (const Breach& b : breaches_of(v)) EXPECT_EQ(b.rule, rule_of(b.clause, b.rule)) << name(b.clause);
}

TEST(Verdict, AnErrorThatWasNotReportedNamesTheChildThatDoesNotRunItsProgram) {
  const Scenario scenario = scenario_of("thread\n  spawn only missing -> $0\n");
  const auto history = history_of(scenario);
  sc_op_record& r = history->op[0][0];
  r.begin = 1, r.end = 2, r.value[0] = 77, r.child = 0;
  history->child_count = 1;
  history->child[0].pid = 77;
  history->child[0].is_dead = 1;
  const Verdict v = judge(scenario, *history, {});
  ASSERT_EQ(v.status, Status::violated);
  EXPECT_EQ(*v.clause, Clause::err_exact);
  EXPECT_TRUE(v.violates(Clause::proc_child));
  each_cites_its_own_rule(v);
}

// A wrong errno, and a number that nobody closed is gone: no order explains either.
TEST(Verdict, TwoClausesThatNeedAnOrderAreBothReported) {
  const Scenario scenario = scenario_of("fd 3 memfd\nthread\n  spawn only missing\n  getfd 3\n");
  const auto history = history_of(scenario);
  history->op[0][0].begin = 1, history->op[0][0].end = 2, history->op[0][0].error = EIO;
  history->op[0][1].begin = 3, history->op[0][1].end = 4, history->op[0][1].error = EBADF;
  const Verdict v = judge(scenario, *history, {});
  ASSERT_EQ(v.status, Status::violated) << v.observed;
  EXPECT_EQ(*v.clause, Clause::fd_untouched);
  EXPECT_TRUE(v.violates(Clause::err_exact));
  EXPECT_EQ(v.also.size(), 1u) << "no clause that has nothing to do with it";
  each_cites_its_own_rule(v);
}

TEST(Verdict, IsNamedByOneOfItsClauses) {
  Verdict v = named({{Clause::proc_child, "a", "b", "c"}, {Clause::err_exact, "d", "e", "f"}});
  EXPECT_EQ(*v.clause, Clause::err_exact);
  EXPECT_EQ(v.observed, "d");
  v.name_by(Clause::fd_kept);
  EXPECT_EQ(*v.clause, Clause::err_exact) << "it does not violate that";
  v.name_by(Clause::proc_child);
  EXPECT_EQ(v.rule, "c");
  ASSERT_EQ(v.also.size(), 1u);
  EXPECT_EQ(v.also[0].allowed, "e");
}

}  // namespace
}  // namespace spawncheck
