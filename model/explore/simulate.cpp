// SPDX-License-Identifier: MIT
#include "model/explore/simulate.h"

#include "impl/peers/implementation.h"
#include "model/explore/simulated_spawn.h"
#include "model/explore/spawn_case.h"
#include "model/kernel/operation_call.h"
#include "model/scenario/random.h"

#include <cerrno>
#include <cstring>
#include <memory>

namespace spawncheck::explore {

using model::Call;
using model::CallKind;
using model::Index;
using model::Result;
using model::State;
using model::Step;

namespace {

constexpr std::int32_t first_pid = 1000;  // the arena's; children follow by process index

class Simulation {
 public:
  Simulation(const Scenario& s, const Planner& planner, const SimulateOptions& options, sc_history& history)
      : scenario_(s), plans_(planner), options_(options), history_(history), random_(options.seed),
        threads_(static_cast<Index>(s.threads.size())), positions_(threads_), spawns_(threads_) {
    reset();
    state_ = model::initial_state(s.world, threads_, history_.world_inode);
    state_.has_limit_changes = model::changes_limits(s);
  }

  void run() {
    std::size_t turn = 0;
    for (std::uint32_t i = 0; i < options_.steps_max; ++i) {
      const bool scheduled = turn < scenario_.schedule.size();
      if (scheduled ? !take(scenario_.schedule[turn++]) && turn >= scenario_.schedule.size() && !take_any() : !take_any()) break;
      if (history_.end == SC_RUN_KILLED) break;
    }
    finish();
  }

 private:
  struct Spawn {
    std::unique_ptr<SimulatedSpawn> machine;
    std::uint64_t mask_before = 0;
  };

  void reset();
  bool take(Turn turn);
  bool take_any();
  bool step_thread(Index t);
  bool step_once(Index t);
  bool step_child(Index t, std::size_t which);
  bool step_operation(Index t, const sc_operation& op, sc_op_record& r);
  bool step_spawn(Index t, const sc_operation& op, sc_op_record& r);
  bool step_wait(Index t, const sc_operation& op, sc_op_record& r);
  bool step_kill_child(Index t, const sc_operation& op, sc_op_record& r);
  bool deliver_signals(Index task);
  void returned(Index t, sc_op_record& r, const Result& result);
  void spawn_returned(Index t, sc_op_record& r);
  Index process_of_pid(std::int32_t pid) const;
  void observe(Index process);
  void describe_process(sc_process& out, Index task, std::int32_t pid) const;
  void finish();

  const Scenario& scenario_;
  Plans plans_;
  const SimulateOptions& options_;
  sc_history& history_;
  Random random_;
  State state_;
  const Index threads_;
  std::vector<std::uint8_t> positions_;
  std::vector<std::vector<Spawn>> spawns_;  // of each thread, in their order
  std::uint32_t stamp_ = 0;
  bool at_end_ = false;  // the parent's table is its final one
};

void Simulation::reset() {
  history_.thread_count = threads_;
  for (Index t = 0; t < threads_; ++t)
    for (std::size_t o = 0; o < scenario_.threads[t].operations.size(); ++o) {
      history_.op[t][o] = sc_op_record{};
      history_.op[t][o].child = -1;
      history_.op[t][o].value[0] = history_.op[t][o].value[1] = -1;
    }
  history_.child_count = history_.handled_count = history_.handled_lost = history_.stray_count = 0;
  history_.end = SC_RUN_COMPLETE;
  history_.end_signal = 0;
  std::memset(history_.world_inode, 0, sizeof history_.world_inode);
  for (std::uint32_t i = 0; i < scenario_.world.line_count; ++i) {
    const bool is_pipe = scenario_.world.line[i].kind == SC_WORLD_PIPE;
    if (!is_pipe && scenario_.world.line[i].kind != SC_WORLD_SOCKETPAIR) continue;
    history_.world_inode[i][0] = 50'000 + 2 * i;
    history_.world_inode[i][1] = 50'000 + 2 * i + (is_pipe ? 0 : 1);
  }
}

bool Simulation::take(Turn turn) {
  if (turn.thread >= threads_) return false;
  return turn.child < 0 ? step_thread(turn.thread) : step_child(turn.thread, static_cast<std::size_t>(turn.child));
}

// Somebody who can go, uniformly.
bool Simulation::take_any() {
  std::vector<Turn> turns;
  for (Index t = 0; t < threads_; ++t) {
    if (positions_[t] < scenario_.threads[t].operations.size()) turns.push_back({static_cast<std::uint8_t>(t), -1});
    for (std::size_t i = 0; i < spawns_[t].size(); ++i)
      if (spawns_[t][i].machine->child() != model::none && !spawns_[t][i].machine->child_is_done())
        turns.push_back({static_cast<std::uint8_t>(t), static_cast<std::int8_t>(i)});
  }
  while (!turns.empty()) {
    const std::uint32_t pick = random_.below(static_cast<std::uint32_t>(turns.size()));
    if (take(turns[pick])) return true;
    turns.erase(turns.begin() + pick);
  }
  return false;
}

// One step of the kernel, or as many as the call under way has.
bool Simulation::step_thread(Index t) {
  bool moved = false;
  const std::uint8_t position = positions_[t];
  for (std::uint32_t i = 0; i < options_.steps_max; ++i) {
    if (!step_once(t)) break;
    moved = true;
    const bool between = positions_[t] != position || !state_.tasks[t].flight.active;
    if (options_.steps || between) break;
  }
  return moved;
}

bool Simulation::step_once(Index t) {
  if (positions_[t] >= scenario_.threads[t].operations.size()) return false;
  if (!state_.tasks[t].flight.active && !deliver_signals(t)) return true;
  const sc_operation& op = scenario_.threads[t].operations[positions_[t]];
  sc_op_record& r = history_.op[t][positions_[t]];
  if (r.begin == 0) {
    r.begin = ++stamp_;
    if (op.kind == SC_OP_SPAWN) {
      std::vector<std::pair<std::int32_t, std::int32_t>> keep;
      for (std::uint32_t k = 0; k < op.request.keep_count; ++k)
        keep.emplace_back(resolve(scenario_, history_, t, positions_[t], op.request.keep[k].source), op.request.keep[k].target);
      spawns_[t].push_back({std::make_unique<SimulatedSpawn>(plans_, op.request, keep, t), state_.tasks[t].mask});
    }
  }
  return step_operation(t, op, r);
}

bool Simulation::step_operation(Index t, const sc_operation& op, sc_op_record& r) {
  if (op.kind == SC_OP_SPAWN) return step_spawn(t, op, r);
  if (op.kind == SC_OP_WAIT) return step_wait(t, op, r);
  if (op.kind == SC_OP_KILL_CHILD) return step_kill_child(t, op, r);
  if (!state_.tasks[t].flight.active) {
    model::Resolved resolved;
    resolved.identity = sc_identity_of_op(t, positions_[t]);
    for (int i = 0; i < 2; ++i) resolved.operand[i] = resolve(scenario_, history_, t, positions_[t], op.operand[i]);
    resolved.inode[0] = 60'000 + 2 * resolved.identity;
    resolved.inode[1] = resolved.inode[0] + (op.kind == SC_OP_SOCKETPAIR ? 1 : 0);
    r.inode[0] = resolved.inode[0];
    r.inode[1] = resolved.inode[1];
    model::begin(state_, t, *model::call_of(op, resolved));
  }
  Result result;
  const unsigned count = model::outcome_count(options_.kernel, state_, t);
  const Step made = model::step(options_.kernel, state_, t, count > 1 ? random_.below(count) : 0, result);
  if (made == Step::done) returned(t, r, result);
  return made != Step::blocked;
}

void Simulation::returned(Index t, sc_op_record& r, const Result& result) {
  r.value[0] = result.value[0];
  r.value[1] = result.value[1];
  r.error = result.error;
  r.end = ++stamp_;
  r.identified = r.inode[0] != 0 ? r.end : 0;
  ++positions_[t];
}

// Signals that the mask lets through are delivered before a task goes on. False: it is no more.
bool Simulation::deliver_signals(Index task) {
  while (const int signal = model::deliverable(state_, task)) {
    const bool in_child = state_.tasks[task].process != 0;
    switch (model::deliver(state_, task, signal)) {
      case model::Delivery::dropped: break;
      case model::Delivery::handled:
        if (history_.handled_count >= SC_HANDLED_MAX) ++history_.handled_lost;
        else history_.handled[history_.handled_count++] = {static_cast<std::uint8_t>(signal), in_child, static_cast<std::uint8_t>(task)};
        break;
      case model::Delivery::terminated:
        if (!in_child) {
          history_.end = SC_RUN_KILLED;
          history_.end_signal = signal;
        }
        return false;
    }
  }
  return true;
}

bool Simulation::step_child(Index t, std::size_t which) {
  if (which >= spawns_[t].size()) return false;
  SimulatedSpawn& spawn = *spawns_[t][which].machine;
  bool moved = false;
  for (std::uint32_t i = 0; i < options_.steps_max; ++i) {
    if (spawn.child() != model::none && !spawn.child_is_done()) deliver_signals(spawn.child());
    if (!spawn.step_child(options_.kernel, state_)) break;
    moved = true;
    if (options_.steps || !state_.tasks[spawn.child()].flight.active) break;
  }
  return moved;
}

bool Simulation::step_spawn(Index t, const sc_operation&, sc_op_record& r) {
  SimulatedSpawn& spawn = *spawns_[t].back().machine;
  if (!spawn.step_parent(options_.kernel, state_)) return false;
  if (spawn.stage() == SimulatedSpawn::Stage::returned) spawn_returned(t, r);
  return true;
}

void Simulation::spawn_returned(Index t, sc_op_record& r) {
  const Spawn& spawn = spawns_[t].back();
  Result result;
  result.error = spawn.machine->error();
  if (result.error == 0) {
    result.value[0] = first_pid + state_.tasks[spawn.machine->child()].process;
    result.value[1] = spawn.machine->pidfd();
    if (history_.child_count < SC_CHILDREN_MAX) {
      r.child = static_cast<std::int16_t>(history_.child_count);
      sc_process& child = history_.child[history_.child_count++];
      child.pid = result.value[0];
      child.observed = 0;
    }
    if (spawn.machine->memory_shared_at_return()) r.disturbed |= SC_DISTURBED_VM_SHARED;
  }
  if (state_.tasks[t].mask != spawn.mask_before) r.disturbed |= SC_DISTURBED_MASK;
  returned(t, r, result);
}

Index Simulation::process_of_pid(std::int32_t pid) const {
  const std::int32_t index = pid - first_pid;
  return index > 0 && index < static_cast<std::int32_t>(state_.processes.size()) ? static_cast<Index>(index) : model::none;
}

// Lets a program that exits do so: nobody has to wait for that to be scheduled.
bool Simulation::step_wait(Index t, const sc_operation& op, sc_op_record& r) {
  const Index child = process_of_pid(resolve(scenario_, history_, t, positions_[t], op.operand[0]));
  Result result;
  if (child == model::none) {
    result.error = ECHILD;
    returned(t, r, result);
    return true;
  }
  model::Process& process = state_.processes[child];
  if (process.life == model::Life::running && process.program == SC_PROGRAM_EXIT) {
    process.life = model::Life::zombie;
    process.status = 7;
  }
  const Step made = model::run_call(options_.kernel, state_, t, make_call(CallKind::wait, child), result);
  state_.tasks[t].flight = {};
  if (made == Step::blocked) return false;
  returned(t, r, result);
  return true;
}

bool Simulation::step_kill_child(Index t, const sc_operation& op, sc_op_record& r) {
  const Index child = process_of_pid(resolve(scenario_, history_, t, positions_[t], op.operand[0]));
  Result result;
  if (child == model::none || state_.processes[child].life == model::Life::reaped) {
    result.error = ESRCH;
    returned(t, r, result);
    return true;
  }
  observe(child);
  const int signal = op.operand[1].value;
  Index task = 0;
  for (Index i = 0; i < state_.tasks.size(); ++i)
    if (state_.tasks[i].process == child) task = i;
  if (!state_.tasks[task].ended) {
    state_.processes[child].shared_pending.add(signal);
    if (model::deliverable(state_, task) == signal && model::deliver(state_, task, signal) == model::Delivery::terminated) {
      model::end_task(state_, task, -signal);
      state_.processes[child].life = model::Life::zombie;
    }
  }
  returned(t, r, result);
  return true;
}

void Simulation::describe_process(sc_process& out, Index task, std::int32_t pid) const {
  const model::Process& process = state_.process_of(task);
  out = sc_process{};
  out.pid = pid;
  out.observed = 1;
  out.has_execed = process.program >= 0;
  for (const model::Entry& e : state_.table_of(task).entries()) {
    if (e.description == model::none) continue;
    if (out.entry_count >= SC_ENTRIES_MAX) {
      out.truncated = 1;
      break;
    }
    sc_entry& entry = out.entry[out.entry_count++];
    entry = sc_entry{};
    entry.number = e.number;
    entry.last = e.last;
    entry.key = state_.descriptions[e.description].key;
    entry.cloexec = e.cloexec;
    entry.same_as_parent = -1;
    if (task != threads_ && at_end_) {
      entry.compared = 1;
      for (const model::Entry& p : state_.table_of(threads_).entries())
        if (p.description == e.description) entry.same_as_parent = p.number;
    }
    entry.pidfd_of = entry.key.kind == SC_FILE_PIDFD ? first_pid + static_cast<std::int32_t>(entry.key.id) : 0;
  }
  const model::Dispositions& d = state_.dispositions[state_.tasks[task].dispositions];
  out.mask = state_.tasks[task].mask;
  out.pending = state_.tasks[task].pending.set;
  out.shared_pending = process.shared_pending.set;
  out.ignored = d.ignored;
  out.caught = d.handled;
  out.ppid = process.parent == model::none ? 1 : first_pid + process.parent;
  out.sid = process.session_leader ? pid : 1;
  out.pgid = process.group == 0 ? 1 : first_pid + process.group - 1;
  out.cwd = process.cwd;
}

void Simulation::observe(Index process) {
  for (Index t = 0; t < threads_; ++t)
    for (std::size_t i = 0, o = 0; i < spawns_[t].size(); ++i, ++o) {
      while (o < scenario_.threads[t].operations.size() && scenario_.threads[t].operations[o].kind != SC_OP_SPAWN) ++o;
      const Index task = spawns_[t][i].machine->child();
      const std::int16_t child = history_.op[t][o].child;
      if (task == model::none || state_.tasks[task].process != process || child < 0 || history_.child[child].observed) continue;
      if (state_.tasks[task].ended || state_.process_of(task).program == SC_PROGRAM_EXIT) continue;
      describe_process(history_.child[child], task, first_pid + process);
      history_.child[child].argument_count = 1u + scenario_.threads[t].operations[o].request.argument_count;
    }
}

void Simulation::finish() {
  at_end_ = true;
  bool unreturned = false;
  for (Index t = 0; t < threads_; ++t) {
    unreturned |= positions_[t] < scenario_.threads[t].operations.size();
    history_.thread_mask[t] = state_.tasks[t].mask;
  }
  if (unreturned && history_.end != SC_RUN_KILLED) history_.end = SC_RUN_BLOCKED;
  if (history_.end != SC_RUN_KILLED)
    for (Index t = 0; t < threads_; ++t)
      if (positions_[t] >= scenario_.threads[t].operations.size()) deliver_signals(t);
  for (Index p = 1; p < state_.processes.size(); ++p) {
    observe(p);
    bool reported = false;
    for (Index t = 0; t < threads_; ++t)
      for (std::size_t o = 0; o < scenario_.threads[t].operations.size(); ++o)
        reported |= scenario_.threads[t].operations[o].kind == SC_OP_SPAWN && history_.op[t][o].value[0] == first_pid + p;
    if (!reported && state_.processes[p].life != model::Life::reaped && history_.end == SC_RUN_COMPLETE) {
      ++history_.stray_count;
      history_.stray_pid = first_pid + p;
    }
  }
  describe_process(history_.parent, threads_, first_pid);
  history_.parent.shared_pending = state_.processes[0].shared_pending.set;
}

}  // namespace

void simulate(const Scenario& scenario, const Planner& planner, const SimulateOptions& options, sc_history& history) {
  Simulation(scenario, planner, options, history).run();
}

}  // namespace spawncheck::explore
