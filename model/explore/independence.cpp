// SPDX-License-Identifier: MIT
//
// The partial-order reduction: which next steps commute with everything that any other actor can still do. Such a step is made at
// once and alone. Where signals are sent, or where somebody asks who holds a file, nothing is left out.
#include "model/explore/world.h"

#include "impl/peers/implementation.h"

#include <algorithm>

namespace spawncheck::explore {

using model::CallKind;
using model::Index;

namespace {

bool sends(std::uint8_t kind) { return kind == SC_OP_KILL || kind == SC_OP_KILL_GROUP || kind == SC_OP_TGKILL || kind == SC_OP_KILL_CHILD; }

bool asks_who_holds_files(std::uint8_t kind) {
  return kind == SC_OP_FLOCK || kind == SC_OP_LISTEN || kind == SC_OP_PROGRAM || kind == SC_OP_FIFO || kind == SC_OP_WAIT;
}

}  // namespace

Setting::Setting(const Scenario& s, const Planner& planner, const model::Kernel& k) : scenario(s), kernel(k), plans(planner), threads(static_cast<unsigned>(s.threads.size())) {
  for (std::uint32_t i = 0; i < s.world.line_count; ++i) leaves_tables_alone &= s.world.line[i].kind != SC_WORLD_WINDOW;  // what is staged is seen there
  for (unsigned t = 0; t < threads; ++t) {
    first_result[t] = static_cast<std::uint8_t>(results);
    results += static_cast<unsigned>(s.threads[t].operations.size());
    for (const sc_operation& op : s.threads[t].operations) {
      has_signals |= sends(op.kind);
      has_busy_files |= asks_who_holds_files(op.kind) || op.request.program == SC_PROGRAM_WRITTEN;
      has_limits |= op.kind == SC_OP_LIMIT;
      has_dispositions |= op.kind == SC_OP_DISPOSITION;
      if (op.kind != SC_OP_SPAWN) continue;
      KeepList keep;
      for (std::uint32_t i = 0; i < op.request.keep_count; ++i) {
        if (op.request.keep[i].source.variable) leaves_tables_alone = false;  // whose plan is not known yet
        keep.emplace_back(op.request.keep[i].source.value, op.request.keep[i].target);
      }
      if (leaves_tables_alone) leaves_tables_alone = plans.of(op.request, keep, 0)->leaves_table_alone();
    }
  }
}

// May the thread, with what it has left to do, close the number or put another file there? It is open.
bool World::may_change(unsigned thread, std::int32_t number) const {
  const auto& operations = setting_->scenario.threads[thread].operations;
  for (std::size_t o = position_[thread]; o < operations.size(); ++o) {
    const sc_operation& op = operations[o];
    // A variable that is not set yet will name a number that is free before.
    const auto names = [&](const sc_operand& operand) { return resolve(thread, operand) == number; };
    switch (op.kind) {
      case SC_OP_CLOSE:
        if (names(op.operand[0])) return true;
        break;
      case SC_OP_DUP2: case SC_OP_DUP3:
        if (names(op.operand[1])) return true;
        break;
      case SC_OP_CLOSE_RANGE: return true;
      default: break;
    }
  }
  return false;
}

// The number is open in the thread's table, and stays what it is until the end of the scenario.
bool World::is_stable(unsigned t, std::int32_t number) const {
  const model::Entry* e = number < 0 ? nullptr : state_.table_of(static_cast<Index>(t)).find(number);
  if (e == nullptr || e->description == model::none || !setting_->leaves_tables_alone) return false;
  for (unsigned other = 0; other < threads_; ++other)
    if (other != t && may_change(other, number)) return false;
  return true;
}

// A spawn that is to begin: what it keeps is open, and stays what it is until the end of the scenario, so that it does not matter when the call begins.
bool World::keeps_its_sources(unsigned t) const {
  const sc_request& request = operation(t).request;
  if (request.policy != SPAWNCHECK_FDS_ONLY || setting_->has_limits || !setting_->leaves_tables_alone) return false;
  for (std::uint32_t k = 0; k < request.keep_count; ++k)
    if (!is_stable(t, resolve(t, request.keep[k].source))) return false;
  return true;
}

bool World::is_private(unsigned actor) const {
  if (setting_->has_signals || setting_->has_busy_files) return false;
  return actor < threads_ ? is_private_thread(actor) : is_private_child(spawns_[actor - threads_]);
}

bool World::is_private_thread(unsigned t) const {
  if (is_finished(t)) return false;
  const sc_operation& op = operation(t);
  if (op.kind == SC_OP_MASK || op.kind == SC_OP_ALTSTACK) return true;
  if (model::only_releases(state_, static_cast<Index>(t))) return true;
  if (op.kind != SC_OP_SPAWN) return false;
  const Spawned* s = spawn_under_way(t);
  if (s == nullptr) return keeps_its_sources(t);
  switch (s->machine.stage()) {
    case SimulatedSpawn::Stage::block: case SimulatedSpawn::Stage::collect: return true;
    // A table that is shared on, and nothing is put into it: the main thread, which does nothing, has it as well. Limits and
    // dispositions are copied.
    case SimulatedSpawn::Stage::clone:
      return !setting_->has_limits && !setting_->has_dispositions && (s->machine.start() & (SPAWN_START_FILES | SPAWN_START_PIDFD | model::start_empty)) == SPAWN_START_FILES && state_.tasks[t].table == state_.tasks[threads_].table;
    // With its child gone to its program, or dead, nothing that the rest does depends on anybody.
    case SimulatedSpawn::Stage::suspended: case SimulatedSpawn::Stage::restore: return s->machine.waits_for_exec();
    default: return false;
  }
}

bool World::is_private_child(const Spawned& s) const {
  const Index child = s.machine.child();
  if (child == model::none || s.machine.child_is_done() || state_.tasks[child].ended) return false;
  if (!s.machine.waits_for_exec()) return false;  // a parent that goes on may see the child fail, or not yet
  if (s.machine.is_exiting(state_)) return true;
  const spawn_step* next = s.machine.next_step();
  if (next == nullptr) return false;
  switch (next->kind) {
    case SPAWN_STEP_RESET_HANDLERS: case SPAWN_STEP_DEFAULT: case SPAWN_STEP_IGNORE: case SPAWN_STEP_MASK: case SPAWN_STEP_SESSION: case SPAWN_STEP_PGROUP:
    case SPAWN_STEP_UMASK: case SPAWN_STEP_CHDIR: case SPAWN_STEP_NICE: case SPAWN_STEP_SCHEDULING: case SPAWN_STEP_AFFINITY: case SPAWN_STEP_LIMIT:
    case SPAWN_STEP_GROUPS: case SPAWN_STEP_GID: case SPAWN_STEP_UID: case SPAWN_STEP_DEATH_SIGNAL: case SPAWN_STEP_NO_NEW_PRIVS:
      return true;
    case SPAWN_STEP_FETCH: return is_stable(s.thread, next->a);  // reads the caller's table
    default: return state_.table_of(child).users() <= 1 || model::closes_in_own_copy(state_, child);
  }
}

}  // namespace spawncheck::explore
