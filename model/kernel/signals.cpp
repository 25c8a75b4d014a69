// SPDX-License-Identifier: MIT
//
// Signals: masks belong to tasks, dispositions to what they share, pending sets to tasks and processes.
// Rules from kernel/signal.c, read in 6.12.117.
#include "model/kernel/families.h"

#include <bit>
#include <cerrno>

namespace spawncheck::model {

namespace {

void flush_pending(State& state, Index task, std::uint64_t bits) {
  state.process_of(task).shared_pending.drop(bits);
  for (Task& other : state.tasks)
    if (other.process == state.tasks[task].process) other.pending.drop(bits);
}

// do_sigaction: what becomes ignored loses what is pending.
void set_dispositions(State& state, Index task, std::uint64_t bits, int disposition) {
  Dispositions& own = state.dispositions_of(task);
  own.ignored &= ~bits;
  own.handled &= ~bits;
  if (disposition == SC_DISPOSITION_IGNORE) own.ignored |= bits;
  if (disposition == SC_DISPOSITION_HANDLER) own.handled |= bits;
  if (disposition == SC_DISPOSITION_IGNORE) flush_pending(state, task, bits);
  if (disposition == SC_DISPOSITION_DEFAULT) flush_pending(state, task, bits & ignored_by_default);
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

// The loops over rt_sigaction(2) that a spawn's child makes. Only the child's own thread could see them half done.
Step step_dispositions(const Kernel&, State& state, Index task, unsigned, Result&) {
  const Call call = state.tasks[task].flight.call;
  const std::uint64_t bits = call.b < 0 ? state.dispositions_of(task).handled : call.bits & ~unblockable;
  set_dispositions(state, task, bits, call.b < 0 ? SC_DISPOSITION_DEFAULT : call.b);
  return Step::done;
}

Step step_kill(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const Call call = state.tasks[task].flight.call;
  if (call.a < 0 || call.a >= static_cast<int>(state.processes.size())) return fail(result, ESRCH);
  Process& target = state.processes[static_cast<std::size_t>(call.a)];
  if (target.life == Life::reaped) return fail(result, ESRCH);
  target.shared_pending.add(call.b);
  return Step::done;
}

Step step_kill_group(const Kernel&, State& state, Index task, unsigned, Result&) {
  const int signal = state.tasks[task].flight.call.b;
  const std::int32_t group = state.process_of(task).group;
  for (Process& p : state.processes)
    if (p.group == group && p.life == Life::running) p.shared_pending.add(signal);
  return Step::done;
}

Step step_tgkill(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const Call call = state.tasks[task].flight.call;
  if (call.a < 0 || call.a >= static_cast<int>(state.tasks.size())) return fail(result, ESRCH);
  state.tasks[static_cast<std::size_t>(call.a)].pending.add(call.b);
  return Step::done;
}

Step step_altstack(const Kernel&, State& state, Index task, unsigned, Result&) {
  state.tasks[task].altstack = state.tasks[task].flight.call.a != 0;
  return Step::done;
}

int deliverable(const State& state, Index task) {
  const Task& own = state.tasks[task];
  if (own.ended || own.vfork_child != none) return 0;  // wait_for_vfork_done: caught signals wait
  const std::uint64_t ready = (own.pending.set | state.processes[own.process].shared_pending.set) & ~own.mask;
  return ready == 0 ? 0 : std::countr_zero(ready) + 1;
}

int take_signal(State& state, Index task, std::uint64_t blocked) {
  constexpr std::uint64_t synchronous = 1ull << 3 | 1ull << 4 | 1ull << 6 | 1ull << 7 | 1ull << 10 | 1ull << 30;  // ILL TRAP BUS FPE SEGV SYS
  for (Pending* pending : {&state.tasks[task].pending, &state.process_of(task).shared_pending}) {
    const std::uint64_t ready = pending->set & ~blocked;
    if (ready == 0) continue;
    const int signal = std::countr_zero((ready & synchronous) != 0 ? ready & synchronous : ready) + 1;
    pending->take(signal);
    return signal;
  }
  return 0;
}

Delivery effect_of(const State& state, Index task, int signal) {
  const Dispositions& how = state.dispositions[state.tasks[task].dispositions];
  if ((how.handled & bit(signal)) != 0) return Delivery::handled;
  if ((how.ignored & bit(signal)) != 0 || (ignored_by_default & bit(signal)) != 0) return Delivery::dropped;
  return Delivery::terminated;
}

Delivery deliver(State& state, Index task, int signal) {
  Task& own = state.tasks[task];
  if ((own.pending.set & bit(signal)) != 0) own.pending.take(signal);
  else state.process_of(task).shared_pending.take(signal);
  return effect_of(state, task, signal);
}

}  // namespace spawncheck::model
