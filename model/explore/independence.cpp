// SPDX-License-Identifier: MIT
#include "model/explore/independence.h"

#include <algorithm>

#include "impl/peers/implementation.h"
#include "model/scenario/kept.h"

namespace spawncheck::explore {

using model::CallKind;
using model::Index;

namespace {

bool sends(std::uint8_t kind) {
  return kind == SC_OP_KILL || kind == SC_OP_KILL_GROUP || kind == SC_OP_TGKILL || kind == SC_OP_KILL_CHILD;
}

bool asks_who_holds_files(std::uint8_t kind) {
  return kind == SC_OP_FLOCK || kind == SC_OP_LISTEN || kind == SC_OP_PROGRAM || kind == SC_OP_FIFO ||
         kind == SC_OP_WAIT;
}

}  // namespace

Reduction::Reduction(const Setting& setting) {
  const Scenario& s = setting.scenario;
  defers_before_wake_ = setting.kernel.has(model::Behaviour::exec_closes_before_wake) &&
                        !setting.kernel.has(model::Behaviour::closes_synchronously);
  for (std::uint32_t i = 0; i < s.world.line_count; ++i) {
    leaves_tables_alone_ &= s.world.line[i].kind != SC_WORLD_WINDOW;  // staging changes them
    has_pipes_ |= s.world.line[i].kind == SC_WORLD_PIPE && s.world.line[i].cloexec != 0;
  }
  for (const Thread& thread : s.threads)
    for (const sc_operation& op : thread.operations) {
      has_signals_ |= sends(op.kind);
      has_busy_files_ |= asks_who_holds_files(op.kind) || op.request.program == SC_PROGRAM_WRITTEN;
      has_limits_ |= op.kind == SC_OP_LIMIT;
      has_dispositions_ |= op.kind == SC_OP_DISPOSITION;
      if (op.kind != SC_OP_SPAWN) continue;
      KeepList keep;
      for (const sc_keep& k : kept(op.request)) {
        if (k.source.variable) leaves_tables_alone_ = false;  // the plan is not known yet
        keep.emplace_back(k.source.value, k.target);
      }
      if (leaves_tables_alone_) leaves_tables_alone_ = setting.plans.of(op.request, keep, 0, 0)->leaves_table_alone();
    }
}

namespace {

// Returns true if an operation that the thread has left may close the number, which is open, or put another file there.
bool may_change(const Driver& driver, unsigned thread, std::int32_t number) {
  const auto& operations = driver.setting().scenario.threads[thread].operations;
  for (std::size_t o = driver.position(thread); o < operations.size(); ++o) {
    const sc_operation& op = operations[o];
    // A variable that is not set yet will name a number that is free until then.
    const auto names = [&](const sc_operand& operand) { return driver.resolve(thread, operand) == number; };
    switch (op.kind) {
      case SC_OP_CLOSE:
        if (names(op.operand[0])) return true;
        break;
      case SC_OP_DUP2:
      case SC_OP_DUP3:
        if (names(op.operand[1])) return true;
        break;
      case SC_OP_CLOSE_RANGE:
        return true;
      default:
        break;
    }
  }
  return false;
}

}  // namespace

// Returns true if the number is open in the thread's table, and keeps its file until the end of the scenario.
bool Reduction::is_stable(const Driver& driver, unsigned t, std::int32_t number) const {
  const model::Entry* e = number < 0 ? nullptr : driver.state().table_of(static_cast<Index>(t)).find(number);
  if (e == nullptr || e->description == model::none || !leaves_tables_alone_) return false;
  for (unsigned other = 0; other < driver.threads(); ++other)
    if (other != t && may_change(driver, other, number)) return false;
  return true;
}

// For a spawn that is about to begin: returns true if its sources are open and keep their files until the end of the
// scenario, so that it does not matter when the call begins.
bool Reduction::keeps_its_sources(const Driver& driver, unsigned t) const {
  const sc_request& request = driver.operation(t).request;
  if (request.policy != SPAWNCHECK_FDS_ONLY || has_limits_ || !leaves_tables_alone_) return false;
  for (const sc_keep& k : kept(request))
    if (!is_stable(driver, t, driver.resolve(t, k.source))) return false;
  return true;
}

// Returns true if others may notice what the child closes: the last reference to a pipe's write end; or, if exec closes
// before it wakes the caller, a reference that becomes the last because a thread closes its own: it is released later.
bool Reduction::is_watched(const model::State& state, Index child) const {
  if (has_pipes_) return true;
  if (!defers_before_wake_) return false;
  const auto& entries = state.table_of(child).entries();
  return std::any_of(entries.begin(), entries.end(), [](const model::Entry& e) { return e.cloexec; });
}

bool Reduction::is_private(const Driver& driver, unsigned actor) const {
  if (has_signals_ || has_busy_files_) return false;
  return actor < driver.threads() ? is_private_thread(driver, actor)
                                  : is_private_child(driver, driver.spawns()[actor - driver.threads()]);
}

bool Reduction::is_private_thread(const Driver& driver, unsigned t) const {
  if (driver.is_finished(t)) return false;
  const model::State& state = driver.state();
  const sc_operation& op = driver.operation(t);
  if (op.kind == SC_OP_MASK || op.kind == SC_OP_ALTSTACK) return true;
  if (model::only_releases(state, static_cast<Index>(t))) return true;
  if (op.kind != SC_OP_SPAWN) return false;
  const SimulatedSpawn* s = driver.spawn_under_way(t);
  if (s == nullptr) return keeps_its_sources(driver, t);
  switch (s->stage()) {
    case SimulatedSpawn::Stage::block:
    case SimulatedSpawn::Stage::collect:
      return true;
    // The table stays shared and gets no new entry: the main thread, which does nothing, shares it already.
    // Limits and dispositions are copied.
    case SimulatedSpawn::Stage::clone:
      return !has_limits_ && !has_dispositions_ &&
             (s->start() & (SPAWN_START_FILES | SPAWN_START_PIDFD | model::start_empty)) == SPAWN_START_FILES &&
             state.tasks[t].table == state.tasks[driver.threads()].table;
    // The child has exec'd or ended: the remaining steps depend on no other actor.
    case SimulatedSpawn::Stage::suspended:
    case SimulatedSpawn::Stage::restore:
      return s->waits_for_exec();
    default:
      return false;
  }
}

bool Reduction::is_private_child(const Driver& driver, const SimulatedSpawn& s) const {
  const model::State& state = driver.state();
  const Index child = s.child();
  if (child == model::none || s.runs_program() || state.tasks[child].ended) return false;
  if (!s.waits_for_exec()) return false;  // a parent that does not wait may or may not see the child fail
  const model::InFlightCall& flight = state.tasks[child].flight;
  if (flight.active && static_cast<CallKind>(flight.call.kind) == CallKind::exit) return true;
  const spawn_step* next = s.next_step();
  if (next == nullptr) return false;
  switch (next->kind) {
    case SPAWN_STEP_PGROUP:
      return next->a == 0;  // another process's group may end
    case SPAWN_STEP_FETCH:
      return is_stable(driver, s.parent(), next->a);  // reads the caller's table
    case SPAWN_STEP_EXEC:
      // The child has released the caller's memory, but the call may return before the child has its own.
      if (!s.has_returned() && state.tasks[child].has_released_memory && s.has_callers_memory(state)) return false;
      return state.table_of(child).users() <= 1 && !is_watched(state, child);
    default:
      if (table_use_of(*next) == SPAWN_TABLE_LEAVES) return true;
      return !has_pipes_ && (state.table_of(child).users() <= 1 || model::closes_in_own_copy(state, child));
  }
}

}  // namespace spawncheck::explore
