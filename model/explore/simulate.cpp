// SPDX-License-Identifier: MIT
//
// The driver in a random order, and a recorder that writes down what an executor would.
#include "model/explore/simulate.h"

#include <cstring>

#include "model/explore/driver_step.h"
#include "model/scenario/random.h"

namespace spawncheck::explore {

using model::Index;

namespace {

// Fills a history while the driver goes.
class Recorder : public NoObserver {
 public:
  Recorder(const Setting& setting, sc_history& history)
      : setting_(setting), scenario_(setting.scenario), history_(history) {
    reset();
  }

  void begins(const Driver& driver, unsigned t) {
    const std::size_t o = driver.position(t);
    const sc_operation& op = driver.operation(t);
    sc_op_record& r = record(t, o);
    if (r.begin != 0) return;  // the call was interrupted, and is made again
    r.begin = ++stamp_;
    mask_[t] = driver.state().tasks[t].mask;
    if (op.kind == SC_OP_PIPE || op.kind == SC_OP_SOCKETPAIR)
      for (int end = 0; end < 2; ++end) r.inode[end] = simulated_inode(scenario_, t, o, end);
    if (op.kind != SC_OP_KILL_CHILD) return;
    for (const SimulatedSpawn& s : driver.spawns())  // as the executor does, while the child can be observed
      if (s.parent() == t && Driver::pid_of(s) == driver.resolve(t, op.operand[0])) observe(driver, s);
  }

  void returns(const Driver& driver, unsigned t, std::size_t o) {
    const model::Result& result = driver.result(t, o);
    sc_op_record& r = record(t, o);
    r.value[0] = result.value[0];
    r.value[1] = result.value[1];
    r.error = result.error;
    r.end = ++stamp_;
    r.identified = r.inode[0] != 0 ? r.end : 0;
  }

  void after_caller(const Driver& driver, std::size_t spawn, SimulatedSpawn::Stage) {
    const SimulatedSpawn& s = driver.spawns()[spawn];
    if (!s.has_returned()) return;
    sc_op_record& r = record(s.parent(), s.operation());
    if (s.error() == 0 && history_.child_count < SC_CHILDREN_MAX) {
      r.child = static_cast<std::int16_t>(history_.child_count);
      sc_process& child = history_.child[history_.child_count++];
      child.pid = Driver::pid_of(s);
      child.observed = child.is_dead = 0;
    }
    if (s.error() == 0 && s.memory_shared_at_return()) r.disturbed |= SC_DISTURBED_VM_SHARED;
    if (driver.state().tasks[s.parent()].mask != mask_[s.parent()]) r.disturbed |= SC_DISTURBED_MASK;
  }

  void takes_signal(const Driver& driver, Index task, int signal, model::Delivery how) {
    const bool in_child = driver.state().tasks[task].process != 0;
    if (how == model::Delivery::handled) {
      if (history_.handled_count >= SC_HANDLED_MAX)
        ++history_.handled_lost;
      else
        history_.handled[history_.handled_count++] = {static_cast<std::uint8_t>(signal), in_child,
                                                      static_cast<std::uint8_t>(task)};
    }
    if (how != model::Delivery::terminated || in_child) return;
    history_.end = SC_RUN_KILLED;
    history_.end_signal = signal;
  }

  void finish(const Driver&);

 private:
  void reset();
  sc_op_record& record(unsigned t, std::size_t o) { return history_.op[t][o]; }
  void observe(const Driver&, const SimulatedSpawn&);
  void describe(const Driver&, sc_process& out, Index task) const;
  void count_strays(const Driver&);

  const Setting& setting_;
  const Scenario& scenario_;
  sc_history& history_;
  std::array<std::uint64_t, SC_THREADS_MAX> mask_{};  // of each thread, when its operation began
  std::uint32_t stamp_ = 0;
  bool at_end_ = false;  // the parent's table is its final one
};

void Recorder::reset() {
  history_.thread_count = setting_.threads;
  history_.tells_chld = 0;
  for (unsigned t = 0; t < setting_.threads; ++t)
    for (std::size_t o = 0; o < scenario_.threads[t].operations.size(); ++o) {
      sc_op_record& r = record(t, o) = sc_op_record{};
      r.child = -1;
      r.value[0] = r.value[1] = -1;
    }
  history_.child_count = history_.handled_count = history_.handled_lost = history_.stray_count = 0;
  history_.end = SC_RUN_COMPLETE;
  history_.end_signal = 0;
  history_.ran_in_child = 0;
  history_.inherited = 0;  // no attributes were read
  for (unsigned t = 0; t < SC_THREADS_MAX; ++t) history_.made[t].known = history_.left[t].known = 0;
  std::memcpy(history_.world_inode, setting_.world_inode, sizeof history_.world_inode);
}

void Recorder::describe(const Driver& driver, sc_process& out, Index task) const {
  const model::State& state = driver.state();
  const model::Process& process = state.process_of(task);
  const std::int32_t pid = driver.pid_of(state.tasks[task].process);
  constexpr std::int32_t elsewhere = 1;  // the arena's session, and its own parent
  out = sc_process{};
  out.pid = pid;
  out.observed = 1;
  out.has_execed = process.program >= 0;
  for (const model::Entry& e : state.table_of(task).entries()) {
    if (e.description == model::none) continue;
    if (out.entry_count >= SC_ENTRIES_MAX) {
      out.truncated = 1;
      break;
    }
    sc_entry& entry = out.entry[out.entry_count++];
    entry = sc_entry{};
    entry.number = e.number;
    entry.last = e.last;
    entry.key = state.descriptions[e.description].key;
    entry.cloexec = e.cloexec;
    entry.same_as_parent = -1;
    const Index main = static_cast<Index>(setting_.threads);
    if (task != main && at_end_) {
      entry.compared = 1;
      for (const model::Entry& p : state.table_of(main).entries())
        if (p.description == e.description) entry.same_as_parent = p.number;
    }
    entry.pidfd_of = entry.key.kind == SC_FILE_PIDFD ? driver.pid_of(static_cast<Index>(entry.key.id)) : 0;
  }
  const model::Dispositions& d = state.dispositions[state.tasks[task].dispositions];
  out.mask = state.tasks[task].mask;
  out.pending = state.tasks[task].pending.set;
  out.shared_pending = process.shared_pending.set;
  out.ignored = d.ignored;
  out.caught = d.handled;
  out.ppid = process.parent == model::none ? elsewhere : driver.pid_of(process.parent);
  out.sid = process.session == 0 ? elsewhere : driver.pid_of(static_cast<Index>(process.session - 1));
  out.pgid = process.group == 0 ? elsewhere : driver.pid_of(static_cast<Index>(process.group - 1));
  out.cwd = process.cwd;
}

// The executor waits until the child is outside exec (impl/executor/observe/observe.c proc_is_settled), because inside
// it shows neither the old program nor the new one. The recorder does likewise.
bool is_within_exec(const model::State& state, Index task) {
  const model::InFlightCall& flight = state.tasks[task].flight;
  return flight.active && static_cast<model::CallKind>(flight.call.kind) == model::CallKind::exec;
}

// Observes a child that lives, unless its program exits at once.
void Recorder::observe(const Driver& driver, const SimulatedSpawn& s) {
  if (s.child() == model::none || driver.state().process_of(s.child()).program == SC_PROGRAM_EXIT) return;
  const sc_op_record& r = record(s.parent(), s.operation());
  if (r.child < 0) return;
  sc_process& child = history_.child[r.child];
  if (child.observed != 0 || child.is_dead != 0) return;
  if (driver.state().tasks[s.child()].ended) {
    child.is_dead = driver.caller_has_ended() ? 0 : 1;
    child.end_status = driver.state().process_of(s.child()).status;
    return;
  }
  if (is_within_exec(driver.state(), s.child())) return;
  describe(driver, child, s.child());
  child.argument_count = 1u + s.request().argument_count;
}

// Counts the processes that no successful spawn has reported.
void Recorder::count_strays(const Driver& driver) {
  const model::State& state = driver.state();
  for (Index p = 1; p < state.processes.size(); ++p) {
    bool is_reported = false;
    for (const SimulatedSpawn& s : driver.spawns())
      is_reported |=
          s.has_returned() && s.error() == 0 && s.child() != model::none && state.tasks[s.child()].process == p;
    if (is_reported || state.processes[p].life == model::Life::reaped) continue;
    ++history_.stray_count;
    history_.stray_pid = driver.pid_of(p);
  }
}

void Recorder::finish(const Driver& driver) {
  const model::State& state = driver.state();
  at_end_ = !driver.caller_has_ended();
  bool is_unreturned = false;
  for (unsigned t = 0; t < setting_.threads; ++t) {
    is_unreturned |= !driver.is_finished(t);
    history_.thread_mask[t] = state.tasks[t].mask;
  }
  if (driver.caller_is_stopped()) {
    history_.end = SC_RUN_STOPPED;
    history_.end_signal = state.processes[0].stopped_by;
  } else if (is_unreturned && history_.end != SC_RUN_KILLED) {
    history_.end = SC_RUN_BLOCKED;
  }
  for (const SimulatedSpawn& s : driver.spawns()) observe(driver, s);
  if (history_.end == SC_RUN_COMPLETE) count_strays(driver);
  history_.parent.observed = 0;
  if (!driver.caller_has_ended()) describe(driver, history_.parent, static_cast<Index>(setting_.threads));
}

class Simulation {
 public:
  Simulation(const Scenario& s, const Planner& planner, const SimulateOptions& options, sc_history& history)
      : setting_(s, planner, options.kernel),
        options_(options),
        random_(options.seed),
        driver_(setting_),
        recorder_(setting_, history) {}

  void run() {
    const std::vector<Turn>& schedule = setting_.scenario.schedule;
    std::size_t turn = 0;
    for (std::uint32_t i = 0; i < options_.steps_max; ++i) {
      if (turn < schedule.size() && (take(schedule[turn++]) || turn < schedule.size())) continue;
      if (!take_any()) break;
    }
    recorder_.finish(driver_);
  }

 private:
  // Makes one kernel step, or all steps of the call in flight.
  bool take(unsigned actor) {
    bool moved = false;
    for (std::uint32_t i = 0; i < options_.steps_max; ++i) {
      const unsigned choices = driver_.choices(actor);
      if (!driver_.step(actor, choices > 1 ? random_.below(choices) : 0, recorder_)) break;
      moved = true;
      if (options_.steps || !driver_.state().tasks[driver_.task_of(actor)].flight.active) break;
    }
    return moved;
  }

  // The turn names a thread, or the n-th process that it has started.
  bool take(Turn turn) {
    if (turn.thread >= driver_.threads()) return false;
    if (turn.child < 0) return take(static_cast<unsigned>(turn.thread));
    int child = 0;
    for (unsigned i = 0; i < driver_.spawns().size(); ++i)
      if (driver_.spawns()[i].parent() == turn.thread && child++ == turn.child) return take(driver_.threads() + i);
    return false;
  }

  // Picks an actor that can make a step, uniformly.
  bool take_any() {
    model::SmallVector<std::uint8_t, 16> turns;
    for (unsigned actor = 0; actor < driver_.actors(); ++actor)
      if (driver_.may_go(actor)) turns.push_back(static_cast<std::uint8_t>(actor));
    while (!turns.empty()) {
      const std::uint32_t pick = random_.below(static_cast<std::uint32_t>(turns.size()));
      if (take(unsigned{turns[pick]})) return true;
      turns.erase(turns.begin() + pick);
    }
    return false;
  }

  const Setting setting_;
  const SimulateOptions& options_;
  Random random_;
  Driver driver_;
  Recorder recorder_;
};

}  // namespace

void simulate(const Scenario& scenario, const Planner& planner, const SimulateOptions& options, sc_history& history) {
  Simulation(scenario, planner, options, history).run();
}

}  // namespace spawncheck::explore
