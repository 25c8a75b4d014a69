// SPDX-License-Identifier: MIT
//
// The reference's plans on the model, judged as runs on the kernel are; and wrong plans, which the judge must accuse:
// the judge and the model check each other here, without a system call.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <memory>

#include "impl/session/reference_planner.h"
#include "model/judge/judge.h"
#include "properties/arbitrary.h"

namespace spawncheck {
namespace {

sc_history& history() {
  static const auto one = std::make_unique<sc_history>();
  return *one;
}

JudgeOptions strict() {
  JudgeOptions o;
  o.owed = Clauses::promised_by("fd.snapshot fd.released");
  o.resource_errors_allowed = false;
  return o;
}

bool is_only(const Scenario& s) {
  for (const Thread& thread : s.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind == SC_OP_SPAWN && op.request.policy != SPAWN_FDS_ONLY) return false;
  return true;
}

Verdict simulated(const Scenario& s, const explore::Planner& planner, std::uint64_t seed, bool steps,
                  bool reads_at_once = true) {
  explore::SimulateOptions options;
  options.seed = seed;
  options.steps = steps;
  explore::simulate(s, planner, options, history());
  JudgeOptions judged = strict();
  if (!reads_at_once) {
    judged.owed = Clauses::promised_by("fd.released");
    judged.resource_errors_allowed =
        true;  // the pidfd of a caller takes a number (spawn_run() then takes another strategy)
  }
  return judge(s, history(), judged);
}

RC_GTEST_PROP(Model, AllowsTheReferencesPlans, ()) {
  const Scenario s = *arbitrary_scenario();
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  for (const std::uint32_t strategy :
       {SPAWN_STRATEGY_COPY, SPAWN_STRATEGY_UNSHARE, SPAWN_STRATEGY_STAGED, SPAWN_STRATEGY_FETCHED})
    for (const bool steps : {false, true}) {
      const bool reads_at_once = spawn_strategy_of(strategy)->at_once != 0;
      if (spawn_strategy_of(strategy)->inherits == 0 && !is_only(s)) continue;
      const Verdict v = simulated(s, ReferencePlanner(strategy), seed, steps, reads_at_once);
      if (v.status == Status::violated || v.status == Status::broken)
        RC_FAIL(std::string(name(v.status)) + ": " + v.observed + "; allowed: " + v.allowed);
    }
}

// A plan spoilt by one change, and the clauses that may name the violation.
struct Spoilt {
  const char* name;
  void (*spoil)(std::vector<spawn_step>& steps, spawn_plan& plan);
  std::vector<Clause> clauses;
};

void drop(std::vector<spawn_step>& steps, std::uint16_t kind) {
  std::erase_if(steps, [&](const spawn_step& s) { return s.kind == kind; });
}

const Spoilt spoilt[] = {
    {"no_unshare_flag",
     [](auto& steps, auto&) {
       for (spawn_step& s : steps)
         if (s.kind == SPAWN_STEP_CLOSE_RANGE) s.flags = 0;
     },
     {Clause::fd_untouched}},
    {"no_close_range",
     [](auto& steps, auto&) { drop(steps, SPAWN_STEP_CLOSE_RANGE); },
     {Clause::fd_exact, Clause::fd_untouched}},
    {"no_clear_cloexec", [](auto& steps, auto&) { drop(steps, SPAWN_STEP_CLEAR_CLOEXEC); }, {Clause::fd_kept}},
    {"no_set_default", [](auto& steps, auto&) { drop(steps, SPAWN_STEP_DEFAULT); }, {Clause::sig_disposition}},
    {"no_mask", [](auto& steps, auto&) { drop(steps, SPAWN_STEP_MASK); }, {Clause::sig_mask}},
    {"no_directory", [](auto& steps, auto&) { drop(steps, SPAWN_STEP_CHDIR); }, {Clause::proc_child}},
    {"no_session", [](auto& steps, auto&) { drop(steps, SPAWN_STEP_SESSION); }, {Clause::proc_child}},
    {"moves_before_unsharing",
     [](auto& steps, auto&) {
       std::stable_partition(steps.begin(), steps.end(), [](const spawn_step& s) { return s.kind == SPAWN_STEP_DUP; });
     },
     {Clause::fd_untouched, Clause::fd_kept, Clause::err_exact}},
    {"moves_reversed",
     [](auto& steps, auto&) {
       std::vector<spawn_step*> moves;
       for (spawn_step& s : steps)
         if (s.kind == SPAWN_STEP_DUP) moves.push_back(&s);
       for (std::size_t i = 0; i + 1 < moves.size() - i && !moves.empty(); ++i)
         std::swap(*moves[i], *moves[moves.size() - 1 - i]);
     },
     {Clause::fd_kept, Clause::err_exact}},
    {"handlers_kept",
     [](auto& steps, auto& plan) {
       plan.start &= ~static_cast<std::uint32_t>(SPAWN_START_CLEAR_SIGHAND);
       std::stable_partition(steps.begin(), steps.end(), [](const spawn_step& s) { return s.kind == SPAWN_STEP_MASK; });
     },
     {Clause::sig_no_handler_in_child, Clause::err_exact}},
    {"no_vfork",
     [](auto&, auto& plan) { plan.start &= ~static_cast<std::uint32_t>(SPAWN_START_VFORK); },
     {Clause::mm_released, Clause::proc_child, Clause::err_exact, Clause::proc_unzombied}},
};

class SpoiltPlan : public ::testing::TestWithParam<Spoilt> {};

TEST_P(SpoiltPlan, IsRefusedByItsClause) {
  const Spoilt& mutant = GetParam();
  ReferencePlanner reference(SPAWN_STRATEGY_UNSHARE);
  std::vector<spawn_step> steps;
  const explore::Planner planner = [&](const explore::PlanRequest& request, spawn_plan& plan) {
    const int error = reference(request, plan);
    if (error != 0) return error;
    steps.assign(plan.step, plan.step + plan.step_count);
    mutant.spoil(steps, plan);
    plan.step = steps.data();
    plan.step_count = static_cast<std::uint32_t>(steps.size());
    return 0;
  };
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    Random random(seed);
    const Scenario s = generate(random);
    const Verdict v = simulated(s, planner, seed, true);
    if (v.status != Status::violated) continue;
    EXPECT_NE(std::find(mutant.clauses.begin(), mutant.clauses.end(), *v.clause), mutant.clauses.end())
        << name(*v.clause) << "\n"
        << v.observed << "\n"
        << v.allowed << "\n"
        << print(s);
    std::printf("%s: %s after %llu scenarios\n", mutant.name, std::string(name(*v.clause)).c_str(),
                static_cast<unsigned long long>(seed) + 1);
    return;
  }
  ADD_FAILURE() << mutant.name << " was not found in 20,000 scenarios";
}

INSTANTIATE_TEST_SUITE_P(Model, SpoiltPlan, ::testing::ValuesIn(spoilt), [](const auto& i) { return i.param.name; });

// At its bound of work the judge says "inconclusive" instead of guessing.
TEST(Judge, IsInconclusiveAtItsBound) {
  const auto parsed = parse(
      "fd 0 null\nthread\n  memfd\n  memfd\n  memfd\nthread\n  memfd\n  memfd\n  memfd\nthread\n  memfd\n  memfd\n");
  const Scenario& s = std::get<Scenario>(parsed);
  explore::SimulateOptions options;
  options.seed = 3;
  explore::simulate(s, ReferencePlanner(), options, history());
  JudgeOptions o = strict();
  o.work_max = 2;
  EXPECT_EQ(judge(s, history(), o).status, Status::inconclusive);
  EXPECT_EQ(judge(s, history(), strict()).status, Status::holds);
}

TEST(Judge, SaysUnsupportedForWhatIsNotOffered) {
  const auto parsed = parse("fd 0 null\nthread\n  spawn only hold\n");
  const Scenario& s = std::get<Scenario>(parsed);
  explore::simulate(s, ReferencePlanner(), {}, history());
  JudgeOptions o = strict();
  o.policies = 1;
  EXPECT_EQ(judge(s, history(), o).status, Status::unsupported);
}

}  // namespace
}  // namespace spawncheck
