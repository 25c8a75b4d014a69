// SPDX-License-Identifier: MIT
//
// Signals: masks belong to tasks, dispositions to what they share, pending sets to tasks and processes.
#include "model/kernel/signals.h"

#include <bit>
#include <cerrno>

#include "model/kernel/families.h"
#include "model/kernel/processes.h"

namespace spawncheck::model {

namespace {

void drop_pending(State& state, Index process, std::uint64_t bits) {
  state.processes[process].shared_pending.drop(bits);
  for (Task& task : state.tasks)
    if (task.process == process) task.pending.drop(bits);
}

// do_sigaction: a signal that becomes ignored is no longer pending.
void set_dispositions(State& state, Index task, std::uint64_t bits, int disposition) {
  Dispositions& own = state.dispositions_of(task);
  own.ignored &= ~bits;
  own.handled &= ~bits;
  if (disposition == SC_DISPOSITION_IGNORE) own.ignored |= bits;
  if (disposition == SC_DISPOSITION_HANDLER) own.handled |= bits;
  if (disposition == SC_DISPOSITION_IGNORE) drop_pending(state, state.tasks[task].process, bits);
  if (disposition == SC_DISPOSITION_DEFAULT) drop_pending(state, state.tasks[task].process, bits & ignored_by_default);
}

}  // namespace

// sigprocmask: KILL and STOP stay unblocked whatever is asked (set_current_blocked).
Step step_mask(const Kernel&, State& state, Index task, unsigned, Result&) {
  Task& own = state.tasks[task];
  const Call& call = own.flight.call;
  if (call.a == SC_HOW_BLOCK) own.mask |= call.bits;
  if (call.a == SC_HOW_UNBLOCK) own.mask &= ~call.bits;
  if (call.a == SC_HOW_SET) own.mask = call.bits;
  own.mask &= ~unblockable;
  return Step::done;
}

Step step_disposition(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const Call call = state.tasks[task].flight.call;
  if (call.a < 1 || call.a > SC_SIGNAL_MAX || (bit(call.a) & unblockable) != 0) return fail(result, EINVAL);
  set_dispositions(state, task, bit(call.a), call.b);
  return Step::done;
}

// The loops over rt_sigaction(2) that a spawn's child makes. No other task can see them half done.
Step step_dispositions(const Kernel&, State& state, Index task, unsigned, Result&) {
  const Call call = state.tasks[task].flight.call;
  const std::uint64_t bits = call.b < 0 ? state.dispositions_of(task).handled : call.bits & ~unblockable;
  set_dispositions(state, task, bits, call.b < 0 ? SC_DISPOSITION_DEFAULT : call.b);
  return Step::done;
}

Step step_kill(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const Call call = state.tasks[task].flight.call;
  if (call.a < 0 || call.a >= static_cast<int>(state.processes.size())) return fail(result, ESRCH);
  if (state.processes[static_cast<std::size_t>(call.a)].life == Life::reaped) return fail(result, ESRCH);
  send_to_process(state, static_cast<Index>(call.a), call.b);
  return Step::done;
}

Step step_kill_group(const Kernel&, State& state, Index task, unsigned, Result&) {
  const int signal = state.tasks[task].flight.call.b;
  const std::int32_t group = state.process_of(task).group;
  for (Index p = 0; p < state.processes.size(); ++p)
    if (state.processes[p].group == group && state.processes[p].life == Life::running)
      send_to_process(state, p, signal);
  return Step::done;
}

Step step_tgkill(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const Call call = state.tasks[task].flight.call;
  if (call.a < 0 || call.a >= static_cast<int>(state.tasks.size())) return fail(result, ESRCH);
  if (state.tasks[static_cast<std::size_t>(call.a)].ended) return fail(result, ESRCH);
  send_to_task(state, static_cast<Index>(call.a), call.b);
  return Step::done;
}

Step step_altstack(const Kernel&, State& state, Index task, unsigned, Result&) {
  state.tasks[task].altstack = state.tasks[task].flight.call.a != 0;
  return Step::done;
}

namespace {

void prepare_signal(State& state, Index process, int signal) {
  if ((bit(signal) & stops_by_default) != 0) drop_pending(state, process, bit(signal_cont));
  if (signal != signal_cont && signal != signal_kill) return;
  if (signal == signal_cont) drop_pending(state, process, stops_by_default);
  if (state.processes[process].stopped_by == 0) return;
  state.processes[process].stopped_by = 0;
  for (Index task = 0; task < state.tasks.size(); ++task)
    if (state.tasks[task].process == process && !state.tasks[task].ended) leave_kernel(state, task);
}

}  // namespace

void send_to_process(State& state, Index process, int signal) {
  prepare_signal(state, process, signal);
  state.processes[process].shared_pending.add(signal);
}

// KILL goes to the whole process, even if it is sent to one task (complete_signal).
void send_to_task(State& state, Index task, int signal) {
  prepare_signal(state, state.tasks[task].process, signal);
  (signal == signal_kill ? state.process_of(task).shared_pending : state.tasks[task].pending).add(signal);
}

std::uint64_t blocked_signals(const State& state, Index task) {
  std::uint64_t all = state.tasks[task].mask;
  const Frames& frames = state.tasks[task].frames;
  for (std::size_t i = 0; i < frames.count; ++i) all |= bit(frames.signal[i]);
  return all;
}

namespace {

struct Next {
  int signal = 0;
  bool is_own = false;  // pending for the task, not for its process
};

Next next(const State& state, Index task) {
  constexpr std::uint64_t synchronous =
      bit(4) | bit(5) | bit(7) | bit(8) | bit(11) | bit(31);  // ILL TRAP BUS FPE SEGV SYS
  const Task& own = state.tasks[task];
  if (own.ended) return {};
  const Process& process = state.processes[own.process];
  if ((own.pending.set | process.shared_pending.set) == 0) return {};
  if ((process.shared_pending.set & bit(signal_kill)) != 0) return {signal_kill, false};
  if (process.stopped_by != 0 || own.vfork_child != none) return {};
  const std::uint64_t blocked = blocked_signals(state, task);
  for (const bool is_own : {true, false}) {
    const std::uint64_t ready = (is_own ? own.pending.set : process.shared_pending.set) & ~blocked;
    if (ready != 0) return {std::countr_zero((ready & synchronous) != 0 ? ready & synchronous : ready) + 1, is_own};
  }
  return {};
}

}  // namespace

int next_signal(const State& state, Index task) { return next(state, task).signal; }

int take_signal(State& state, Index task) {
  const Next taken = next(state, task);
  if (taken.signal != 0)
    (taken.is_own ? state.tasks[task].pending : state.process_of(task).shared_pending).take(taken.signal);
  return taken.signal;
}

Delivery effect_of(const State& state, Index task, int signal) {
  const Dispositions& how = state.dispositions[state.tasks[task].dispositions];
  if ((bit(signal) & unblockable) == 0) {
    if ((how.handled & bit(signal)) != 0) return Delivery::handled;
    if ((how.ignored & bit(signal)) != 0 || (ignored_by_default & bit(signal)) != 0) return Delivery::dropped;
  }
  if ((stops_by_default & bit(signal)) == 0) return Delivery::terminated;
  return signal != signal_stop && is_in_orphaned_group(state, state.tasks[task].process) ? Delivery::dropped
                                                                                         : Delivery::stopped;
}

Delivery deliver(State& state, Index task, int signal) {
  const Delivery how = effect_of(state, task, signal);
  if (how == Delivery::handled) state.tasks[task].frames.push(signal);
  if (how == Delivery::stopped) state.process_of(task).stopped_by = static_cast<std::uint8_t>(signal);
  return how;
}

namespace {

// A signal that another thread can take too does not keep this task: complete_signal wakes only one of them.
bool must_take_first(const State& state, Index task) {
  const Task& own = state.tasks[task];
  std::uint64_t shared = state.processes[own.process].shared_pending.set;
  if ((own.pending.set | shared) == 0) return false;
  for (Index other = 0; other < state.tasks.size(); ++other)
    if (other != task && state.tasks[other].process == own.process && !state.tasks[other].ended)
      shared &= blocked_signals(state, other);
  return ((own.pending.set | shared) & ~blocked_signals(state, task)) != 0;
}

}  // namespace

bool may_begin_call(const State& state, Index task) {
  return state.tasks[task].in_user_mode || (state.process_of(task).stopped_by == 0 && !must_take_first(state, task));
}

void leave_kernel(State& state, Index task) {
  state.tasks[task].in_user_mode = state.process_of(task).stopped_by == 0 && !must_take_first(state, task);
}

void return_from_handlers(State& state, Index task) {
  Frames& frames = state.tasks[task].frames;
  while (!frames.empty() && next_signal(state, task) == 0) frames.pop();
}

}  // namespace spawncheck::model
