// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>

#include "model/explore/canonical.h"
#include "model/explore/driver_step.h"
#include "model/kernel/operation_call.h"
#include "model/scenario/kept.h"

namespace spawncheck::explore {

using model::Call;
using model::CallKind;
using model::Index;
using model::Result;

Setting::Setting(const Scenario& s, const Planner& planner, const model::Kernel& k)
    : scenario(s), kernel(k), plans(planner), threads(static_cast<unsigned>(s.threads.size())) {
  for (unsigned t = 0; t < threads; ++t) {
    first_result[t] = static_cast<std::uint8_t>(results);
    results += static_cast<unsigned>(s.threads[t].operations.size());
  }
  constexpr std::uint64_t first_inode = 50'000;
  for (std::uint32_t i = 0; i < s.world.line_count; ++i) {
    const bool is_pipe = s.world.line[i].kind == SC_WORLD_PIPE;
    if (!is_pipe && s.world.line[i].kind != SC_WORLD_SOCKETPAIR) continue;
    world_inode[i][0] = first_inode + 2 * i;
    world_inode[i][1] = world_inode[i][0] + (is_pipe ? 0 : 1);  // the ends of a pipe are one inode
  }
}

std::uint64_t simulated_inode(const Scenario& scenario, unsigned thread, std::size_t operation, int end) {
  constexpr std::uint64_t first_inode = 60'000;
  const bool is_pair = scenario.threads[thread].operations[operation].kind == SC_OP_SOCKETPAIR;
  return first_inode + 2 * sc_identity_of_op(thread, static_cast<std::uint32_t>(operation)) +
         (is_pair && end == 1 ? 1 : 0);
}

Driver::Driver(const Setting& setting)
    : setting_(&setting),
      threads_(setting.threads),
      state_(model::initial_state(setting.scenario.world, threads_, setting.world_inode)),
      results_(setting.results) {
  state_.has_limit_changes = model::changes_limits(setting.scenario);
}

bool Driver::step(unsigned actor, unsigned outcome) {
  NoObserver observer;
  return step(actor, outcome, observer);
}

bool Driver::all_finished() const {
  for (unsigned t = 0; t < threads_; ++t)
    if (!is_finished(t)) return false;
  return std::all_of(spawns_.begin(), spawns_.end(), [&](const SimulatedSpawn& s) {
    return s.child() == model::none || s.runs_program() || state_.tasks[s.child()].ended;
  });
}

std::int32_t Driver::resolve(unsigned t, const sc_operand& operand) const {
  if (!operand.variable) return operand.value;
  for (std::size_t o = position_[t]; o-- > 0;)
    for (int i = 0; i < 2; ++i)
      if (setting_->scenario.threads[t].operations[o].result[i] == operand.value)
        return result(t, o).error == 0 ? result(t, o).value[i] : -1;
  return -1;
}

std::size_t Driver::index_of_spawn(unsigned t) const {
  std::size_t i = 0;
  while (i < spawns_.size() && (spawns_[i].parent() != t || spawns_[i].operation() != position_[t])) ++i;
  return i;
}

const SimulatedSpawn* Driver::spawn_under_way(unsigned t) const {
  const std::size_t i = index_of_spawn(t);
  return i == spawns_.size() ? nullptr : &spawns_[i];
}

bool Driver::is_exiting(Index task) const {
  const model::InFlightCall& flight = state_.tasks[task].flight;
  return flight.active && static_cast<CallKind>(flight.call.kind) == CallKind::exit;
}

unsigned Driver::choices(unsigned actor) const {
  const Index task = task_of(actor);
  if (task == model::none || is_exiting(task)) return 1;
  if (!state_.tasks[task].flight.active)
    return model::next_signal(state_, task) != 0 && begins_something(actor) && !is_to_restart(task) ? 2 : 1;
  if (actor >= threads_ || operation(actor).kind == SC_OP_SPAWN) return 1;
  return model::outcome_count(setting_->kernel, state_, task);
}

// Returns true if the actor, which is between two calls, has a next call and may begin it now.
bool Driver::begins_something(unsigned actor) const {
  const Index task = task_of(actor);
  if (state_.tasks[task].vfork_child != model::none || !model::may_begin_call(state_, task)) return false;
  if (actor < threads_) return !is_finished(actor);
  return !spawns_[actor - threads_].runs_program() || state_.process_of(task).program == SC_PROGRAM_EXIT;
}

bool Driver::may_go(unsigned actor) const {
  const Index task = task_of(actor);
  if (task == model::none || state_.tasks[task].ended) return false;
  return state_.tasks[task].flight.active || model::next_signal(state_, task) != 0 || begins_something(actor);
}

std::int32_t Driver::pid_of(Index process) const {
  if (process == 0) return first_pid;
  for (const SimulatedSpawn& s : spawns_)
    if (s.child() != model::none && state_.tasks[s.child()].process == process) return pid_of(s);
  return 2 * first_pid + process;  // a child that its spawn has reaped before it tried again
}

// The system call of the thread's operation; nullopt if it names no child (errno in `result`).
std::optional<Call> Driver::call_of(unsigned t, Result& result) const {
  const sc_operation& op = operation(t);
  if (op.kind == SC_OP_WAIT || op.kind == SC_OP_KILL_CHILD) {
    const std::int32_t pid = resolve(t, op.operand[0]);
    const auto s = std::find_if(spawns_.begin(), spawns_.end(), [&](const SimulatedSpawn& o) {
      return o.parent() == t && o.has_returned() && o.error() == 0 && pid == pid_of(o);
    });
    result.error = s != spawns_.end() ? 0 : op.kind == SC_OP_WAIT ? ECHILD : ESRCH;
    if (s == spawns_.end()) return std::nullopt;
    const Index process = state_.tasks[s->child()].process;
    return op.kind == SC_OP_WAIT ? make_call(CallKind::wait, process)
                                 : make_call(CallKind::kill, process, op.operand[1].value);
  }
  model::Resolved resolved;
  resolved.identity = sc_identity_of_op(t, position_[t]);
  for (int i = 0; i < 2; ++i) {
    resolved.operand[i] = resolve(t, op.operand[i]);
    resolved.inode[i] = simulated_inode(setting_->scenario, t, position_[t], i);
  }
  return model::call_of(op, resolved);
}

// The group that a child is to join, as setpgid's Call::a. A number that no spawn returned leads no group.
std::int32_t Driver::group_of(unsigned t, const sc_operand& operand) const {
  const std::int32_t pid = resolve(t, operand);
  if (pid <= 0) return pid;
  for (const SimulatedSpawn& s : spawns_)
    if (s.child() != model::none && pid_of(s) == pid) return state_.tasks[s.child()].process + 1;
  return model::group_of_nobody;
}

std::size_t Driver::begin_spawn(unsigned t) {
  KeepList keep;
  const sc_request& request = operation(t).request;
  for (const sc_keep& k : kept(request)) keep.emplace_back(resolve(t, k.source), k.target);
  SimulatedSpawn s(setting_->plans, request, keep, group_of(t, request.pgroup), static_cast<Index>(t), position_[t]);
  // Ordered by thread and operation: the order in which the spawns began must not matter.
  const auto at = std::find_if(spawns_.begin(), spawns_.end(), [&](const SimulatedSpawn& o) {
    return std::pair(o.parent(), o.operation()) > std::pair(s.parent(), s.operation());
  });
  const auto index = static_cast<std::size_t>(at - spawns_.begin());
  spawns_.insert(at, std::move(s));
  return index;
}

}  // namespace spawncheck::explore
