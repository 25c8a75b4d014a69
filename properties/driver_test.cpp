// SPDX-License-Identifier: MIT
//
// The driver, which alone steps the model: signals end, stop and continue whole processes, what a child had is free
// when the child is gone, and different states never count as one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <unordered_set>

#include "impl/session/claims.h"
#include "impl/session/reference_planner.h"
#include "model/explore/driver_step.h"
#include "model/explore/explorer.h"
#include "model/explore/simulate.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

using explore::Driver;

const explore::Planner& planner() {
  static const explore::Planner one = ReferencePlanner(SPAWN_STRATEGY_UNSHARE);
  return one;
}

std::string table_text(const Driver& driver) {
  std::string out;
  const model::State& state = driver.state();
  if (driver.caller_has_ended()) return "ended";
  for (const model::Entry& e : state.table_of(0).entries())
    if (e.description != model::none)
      out += std::to_string(e.number) + "=" + std::to_string(state.descriptions[e.description].key.kind) + "." +
             std::to_string(state.descriptions[e.description].key.id) + (e.cloexec ? "c " : " ");
  return out;
}

// Describes an end: what each operation gave, the table, the pending signals, whether the caller is stopped.
std::string outcome(const Driver& driver) {
  std::string out;
  for (unsigned t = 0; t < driver.threads(); ++t)
    for (std::size_t o = 0; o < driver.position(t); ++o)
      out += std::to_string(driver.result(t, o).value[0]) + "/" + std::to_string(driver.result(t, o).error) + " ";
  out += "| " + table_text(driver) + "|";
  const model::Pending& pending = driver.state().processes[0].shared_pending;
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal)
    if (pending.set & model::bit(signal))
      out += " " + std::to_string(signal) + "*" +
             std::to_string(signal >= 32 ? pending.queued[static_cast<std::size_t>(signal - 32)] : 1);
  if (driver.caller_is_stopped()) out += " stopped";
  return out;
}

class Outcomes {
 public:
  Outcomes(const std::string& text, bool tells_states_apart)
      : scenario_(scenario_of(text)), setting_(scenario_, planner(), kernel_), tells_states_apart_(tells_states_apart) {
    go(Driver(setting_));
  }
  const std::set<std::string>& all() const { return all_; }

 private:
  void go(const Driver& driver) {
    if (tells_states_apart_ && !seen_.insert(driver.hash()).second) return;
    bool went = false;
    for (unsigned actor = 0; actor < driver.actors(); ++actor)
      for (unsigned choice = 0; driver.may_go(actor) && choice < driver.choices(actor); ++choice) {
        Driver after = driver;
        if (!after.step(actor, choice)) continue;
        went = true;
        go(after);
      }
    if (!went) all_.insert(outcome(driver));
  }

  const Scenario scenario_;
  const model::Kernel kernel_;
  const explore::Setting setting_;
  const bool tells_states_apart_;
  std::unordered_set<model::Hash128> seen_;
  std::set<std::string> all_;
};

std::set<std::string> outcomes(const std::string& text) { return Outcomes(text, true).all(); }

bool any_contains(const std::set<std::string>& all, const char* what) {
  return std::any_of(all.begin(), all.end(), [&](const std::string& o) { return o.find(what) != std::string::npos; });
}

// ---- states ----------------------------------------------------------------------------------------

// Two states of each scenario once counted as one: the hash left out what differs.
TEST(Driver, EqualHashesMeanEqualFutures) {
  for (const char* text : {"disposition 40 handler\nmask 40\nthread\n  kill 40\n  kill 40\nthread\n  mask unblock 40\n "
                           " mask block 40\n",  // how many are queued
                           "fd 3 file a\nfd 4 null\nfd 5 file a\nthread\n  dup2 3 4\n  flock 5\n  flock 3\nthread\n  "
                           "dup2 4 3\n",  // which file is at 3 and 4
                           "fd 3 memfd\nthread\n  flock 3\n  close 3\nthread\n  dup 3 -> $0\n  flock $0\n",
                           "disposition USR1 handler\nthread\n  tgkill 1 USR1\n  mask block USR1\nthread\n  kill "
                           "USR1\n  mask block USR1\n",
                           "thread\n  limit 5\n  memfd\nthread\n  memfd\n  dupfd 0 4\n",
                           "thread\n  fifo a read\nthread\n  fifo a write\n  close 0\n"})
    EXPECT_EQ(Outcomes(text, true).all(), Outcomes(text, false).all()) << text;
}

// ---- signals ---------------------------------------------------------------------------------------

// kernel/exit.c do_group_exit, called by kernel/signal.c get_signal: one thread takes the signal, all end.
TEST(Driver, AFatalSignalEndsEveryThreadOfTheCaller) {
  for (const std::string& o : outcomes("thread\n  kill TERM\n  memfd\nthread\n  memfd\n  memfd\n"))
    EXPECT_NE(o.find("| ended|"), std::string::npos) << o;
  // A process that blocks the signal goes on.
  for (const std::string& o : outcomes("mask TERM\nthread\n  kill TERM\n  memfd\nthread\n  memfd\n"))
    EXPECT_EQ(o.find("| ended|"), std::string::npos) << o;
  // A thread that has nothing left to do takes it as well.
  for (const std::string& o : outcomes("mask TERM\nthread\n  mask unblock TERM\nthread\n  kill TERM\n"))
    EXPECT_NE(o.find("| ended|"), std::string::npos) << o;
  // So does a thread that sleeps.
  for (const std::string& o : outcomes("mask TERM\nthread\n  mask unblock TERM\n  fifo a read\nthread\n  kill TERM\n"))
    EXPECT_NE(o.find("| ended|"), std::string::npos) << o;
}

// A signal reaches a thread in user mode before its next call, or only after that call has begun. On its way out of a
// call a thread takes the signals that only it can take.
TEST(Driver, ASignalTakesItsTimeToReachAThreadInUserMode) {
  const std::set<std::string> all =
      outcomes("mask TERM\nfd 5 memfd\nthread\n  kill TERM\n  close 5\nthread\n  mask unblock TERM\n  getfd 5\n");
  EXPECT_TRUE(any_contains(all, "-1/0 -1/0 -1/0 -1/9 | ended|"))
      << "its call came after the close, which came after the kill";
  for (const std::string& o : outcomes("thread\n  tgkill 0 TERM\n  memfd\n"))
    EXPECT_EQ(o, "-1/0 | ended|") << "sent to itself";
}

TEST(Driver, AStopSignalStopsEveryThreadAndOnlyCONTOrKILLGetsThrough) {
  for (const char* stop : {"STOP", "TSTP", "TTIN", "TTOU"}) {
    const std::set<std::string> all = outcomes("thread\n  kill " + std::string(stop) + "\nthread\n  memfd\n");
    for (const std::string& o : all) EXPECT_NE(o.find("stopped"), std::string::npos) << o;
    EXPECT_EQ(all.size(), 2u) << "the other's call was made before, or never";
  }
  EXPECT_FALSE(any_contains(outcomes("disposition TSTP ignore\nthread\n  kill TSTP\n"), "stopped"));
  EXPECT_FALSE(any_contains(outcomes("disposition TSTP handler\nthread\n  kill TSTP\n"), "stopped"));
  // CONT discards pending stop signals, and a stop signal discards a pending CONT (kernel/signal.c prepare_signal).
  EXPECT_FALSE(any_contains(outcomes("mask TSTP\nthread\n  kill TSTP\n  kill CONT\n  mask set none\n"), "stopped"));
  EXPECT_TRUE(any_contains(outcomes("mask TSTP,CONT\nthread\n  kill CONT\n  kill TSTP\n  mask set none\n"), "stopped"));
}

TEST(Driver, ACallThatIsUnderWayIsFinishedWhileItsProcessStops) {
  const Scenario scenario = scenario_of("fd 0 null\nthread\n  kill STOP\nthread\n  dup 0\n  memfd\n");
  const model::Kernel kernel;
  const explore::Setting setting(scenario, planner(), kernel);
  Driver driver(setting);
  ASSERT_TRUE(driver.step(1, 0));  // looked up
  ASSERT_TRUE(driver.step(0, 0));  // sent
  ASSERT_TRUE(driver.step(0, 0));  // taken
  EXPECT_TRUE(driver.caller_is_stopped());
  while (driver.state().tasks[1].flight.active) ASSERT_TRUE(driver.step(1, 0));
  EXPECT_EQ(driver.result(1, 0).value[0], 1);
  EXPECT_FALSE(driver.may_go(1));
  EXPECT_FALSE(driver.step(1, 0)) << "memfd";
  EXPECT_FALSE(driver.all_finished());
}

// kernel/signal.c prepare_signal, get_signal.
TEST(Signals, AStoppedProcessTakesNothingButKILL) {
  sc_world world{};
  model::State state = model::initial_state(world, 1, nullptr);
  model::send_to_process(state, 0, 19);
  EXPECT_EQ(model::take_signal(state, 0), 19);
  EXPECT_EQ(model::deliver(state, 0, 19), model::Delivery::stopped);
  model::send_to_process(state, 0, 15);
  EXPECT_EQ(model::next_signal(state, 0), 0);
  const model::State stopped = state;
  model::send_to_process(state, 0, 18);
  EXPECT_EQ(model::next_signal(state, 0), 15) << "CONT lets it go on";
  state = stopped;
  model::send_to_task(state, 0, 9);
  EXPECT_EQ(model::next_signal(state, 0), 9);
}

// A process group is orphaned if no member has a parent in another group of the same session: TSTP stops nobody there.
TEST(Signals, AnOrphanedGroupIsNotStoppedFromATerminal) {
  sc_world world{};
  model::State state = model::initial_state(world, 1, nullptr);
  const model::Kernel kernel;
  model::Result result;
  EXPECT_FALSE(model::is_in_orphaned_group(state, 0)) << "its parent leads the session";
  model::run_call(kernel, state, 0, model::make_call(model::CallKind::clone), result);
  const auto child = static_cast<model::Index>(result.value[0]);
  EXPECT_EQ(model::effect_of(state, child, 20), model::Delivery::stopped);
  model::run_call(kernel, state, child, model::make_call(model::CallKind::setpgid, 0), result);
  EXPECT_EQ(model::effect_of(state, child, 20), model::Delivery::stopped)
      << "its own group, but its parent is in the session";
  model::run_call(kernel, state, 0, model::make_call(model::CallKind::clone), result);
  const auto leader = static_cast<model::Index>(result.value[0]);
  model::run_call(kernel, state, leader, model::make_call(model::CallKind::setsid), result);
  EXPECT_EQ(model::effect_of(state, leader, 20), model::Delivery::dropped);
  EXPECT_EQ(model::effect_of(state, leader, 19), model::Delivery::stopped) << "STOP stops everybody";
}

// kernel/sys.c setpgid: a group exists until its last member has been reaped, and only processes of its session may
// join it.
TEST(Groups, AreJoinedWhileAnyMemberIsLeft) {
  sc_world world{};
  model::State state = model::initial_state(world, 1, nullptr);
  const model::Kernel kernel;
  const auto call = [&](model::Index task, model::CallKind kind, std::int32_t a = -1) {
    model::Result result;
    model::run_call(kernel, state, task, model::make_call(kind, a), result);
    return result;
  };
  const auto child = [&] { return static_cast<model::Index>(call(0, model::CallKind::clone).value[0]); };
  const auto joins = [&](model::Index task, std::int32_t group) {
    return call(task, model::CallKind::setpgid, group).error;
  };
  const model::Index leader = child();
  const std::int32_t group = state.tasks[leader].process + 1;
  EXPECT_EQ(joins(child(), group), EPERM) << "nobody leads it";
  EXPECT_EQ(joins(leader, model::group_of_caller), 0);
  EXPECT_EQ(joins(child(), group), 0);
  const model::Index other = child();
  call(other, model::CallKind::setsid);
  EXPECT_EQ(joins(child(), state.tasks[other].process + 1), EPERM) << "of another session";
  EXPECT_EQ(joins(other, group), EPERM) << "it leads a session";
  EXPECT_EQ(joins(child(), model::group_of_nobody), EPERM);
  EXPECT_EQ(joins(child(), -1), EINVAL);
  model::end_task(state, leader, 0);
  EXPECT_EQ(joins(child(), group), 0) << "a zombie is a member";
  for (model::Index t = 0; t < state.tasks.size(); ++t)
    if (t != 0 && state.process_of(t).group == group) {
      if (!state.tasks[t].ended) model::end_task(state, t, 0);
      state.process_of(t).life = model::Life::reaped;
    }
  EXPECT_EQ(joins(child(), group), EPERM);
}

// kernel/signal.c dequeue_signal takes the thread's own signals before the process's, and of each set the synchronous
// ones first, then the lowest. A handler that has not returned blocks its signal.
TEST(Signals, AreTakenInTheKernelsOrder) {
  sc_world world{};
  world.handled = ~0ull;
  model::State state = model::initial_state(world, 1, nullptr);
  for (const int signal : {10, 40, 40, 1}) model::send_to_process(state, 0, signal);
  for (const int signal : {12, 11}) model::send_to_task(state, 0, signal);
  std::vector<int> taken;
  for (int i = 0; i < 10; ++i) {
    const int next = model::next_signal(state, 0), signal = model::take_signal(state, 0);
    EXPECT_EQ(next, signal) << "one rule";
    if (signal == 0)
      model::return_from_handlers(state, 0);
    else
      model::deliver(state, 0, signal);
    if (signal != 0) taken.push_back(signal);
  }
  EXPECT_EQ(taken, (std::vector<int>{11, 12, 1, 10, 40, 40}));
  EXPECT_TRUE(state.tasks[0].frames.empty());
}

// A caller that has ended or is stopped is owed no return.
TEST(Driver, ASpawnOfACallerThatEndsOrIsStoppedNeedNotReturn) {
  for (const char* signal : {"KILL", "TERM", "STOP", "TSTP"}) {
    const explore::Exploration e = explore::explore(
        scenario_of("fd 0 null\nfd 5 memfd cloexec\nthread\n  spawn only hold keep 5>3 -> $0\nthread\n  kill " +
                    std::string(signal) + "\n"),
        planner(), {});
    EXPECT_EQ(e.verdict.status, Status::holds) << signal << ": " << e.verdict.observed;
  }
  // A caller that goes on is owed the return.
  explore::ExploreOptions options;
  options.kernel.forgets_room = true;
  EXPECT_EQ(
      explore::explore(
          scenario_of("fd 0 null\nfd 70 memfd\nmask TERM\nthread\n  spawn inherit hold -> $0\nthread\n  kill TERM\n"),
          planner_named("fork"), options)
          .verdict.status,
      Status::violated);
}

// ---- children, on the simulation ---------------------------------------------------------------------

sc_history& simulated(const std::string& text, std::uint64_t seed, const explore::Planner& with = planner()) {
  static const auto history = std::make_unique<sc_history>();
  explore::SimulateOptions options;
  options.seed = seed;
  explore::simulate(scenario_of(text), with, options, *history);
  return *history;
}

TEST(Simulation, AFatalSignalToTheGroupEndsTheChildToo) {
  unsigned cancelled = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const sc_history& before =
        simulated("fd 0 null\nmask TERM\nthread\n  spawn only hold mask none -> $0\nthread\n  kill_group TERM\n", seed);
    ASSERT_EQ(before.end, SC_RUN_COMPLETE);
    EXPECT_EQ(before.stray_count, 0u);
    cancelled += before.op[0][0].error == ECANCELED;
    const sc_history& after =
        simulated("fd 0 null\nmask TERM\nthread\n  spawn only hold mask none -> $0\n  kill_group TERM\n", seed);
    ASSERT_EQ(after.op[0][0].error, 0);
    EXPECT_EQ(after.child[0].is_dead, 1);
    EXPECT_EQ(after.child[0].end_status, -15);
  }
  EXPECT_GT(cancelled, 0u) << "before exec";
}

// kernel/exit.c do_exit releases the table, and the open file descriptions that only this table referred to.
TEST(Simulation, WhatAChildHadIsFreeWhenItIsGone) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed)
    for (const char* end : {"exit -> $0\n", "hold -> $0\n  kill_child $0 KILL\n"}) {
      const sc_history& h = simulated("fd 5 file a\nthread\n  flock 5\n  spawn inherit " + std::string(end) +
                                          "  wait $0\n  close 5\n  file a -> $1\n  flock $1\n",
                                      seed);
      ASSERT_EQ(h.end, SC_RUN_COMPLETE);
      const std::size_t last = std::string(end).find("kill") == std::string::npos ? 5 : 6;
      EXPECT_EQ(h.op[0][last].error, 0) << end;
    }
}

TEST(Simulation, AChildThatExitsIsGoneWhereSigchldIsIgnored) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    EXPECT_EQ(simulated("disposition CHLD ignore\nthread\n  spawn only exit -> $0\n  wait $0\n", seed).op[0][1].error,
              ECHILD);
    const sc_history& h = simulated("thread\n  spawn only exit -> $0\n  wait $0\n  wait $0\n", seed);
    EXPECT_EQ(h.op[0][1].value[0], 7);
    EXPECT_EQ(h.op[0][2].error, ECHILD);
  }
}

TEST(Simulation, SaysThatTheCallerIsStopped) {
  const sc_history& h = simulated("thread\n  kill TSTP\n  memfd\n", 1);
  EXPECT_EQ(h.end, SC_RUN_STOPPED);
  EXPECT_EQ(h.end_signal, 20);
  EXPECT_EQ(h.op[0][1].begin, 0u);
}

// A plan with an unknown step must not look like a success.
TEST(Simulation, AnUnknownStepFails) {
  std::vector<spawn_step> steps;
  const explore::Planner unknown = [&](const explore::PlanRequest& r, spawn_plan& plan) {
    ReferencePlanner reference(SPAWN_STRATEGY_UNSHARE);
    const int error = reference(r, plan);
    steps.assign(plan.step, plan.step + plan.step_count);
    steps.back().kind = SPAWN_STEP_COUNT;
    plan.step = steps.data();
    return error;
  };
  EXPECT_EQ(simulated("fd 0 null\nthread\n  spawn only hold -> $0\n", 1, unknown).op[0][0].error, ENOSYS);
}

}  // namespace
}  // namespace spawncheck
