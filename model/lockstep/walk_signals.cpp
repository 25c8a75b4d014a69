// SPDX-License-Identifier: MIT
//
// The signals of a walk: which signals a task takes on its way to its next call, which are sent, and which tasks die.
#include <signal.h>

#include "model/lockstep/walk.h"
#include "model/scenario/visible.h"

namespace spawncheck::lockstep {

using model::Call;
using model::CallKind;
using model::Index;
using model::Result;

// The task's mask when it takes its next signal, if that is its next step and the signal is SIGCHLD.
std::optional<std::uint64_t> Walk::mask_at_sigchld(unsigned trace_task) const {
  for (std::uint32_t i = at_ + 1; i < trace_.step_count; ++i) {
    const sc_step& s = trace_.step[i];
    if (s.task != trace_task) continue;
    if (s.kind != SC_STEP_SIGNAL || s.arg[0] != SIGCHLD) return std::nullopt;
    return static_cast<std::uint64_t>(s.arg[1]);
  }
  return std::nullopt;
}

// On its way to its next call the task takes a signal that its mask allows; if there is none, a handler returns, and
// the task looks for signals again. A child's SIGCHLD may come while handlers run: the mask recorded with it tells how
// many handlers had returned by then.
void Walk::rest(unsigned trace_task) {
  const Index task = known_[trace_task].task;
  if (known_[trace_task].taken != 0) return;  // the task has yet to stop for it: its child's SIGCHLD came first
  model::Frames& frames = state_.tasks[task].frames;
  std::optional<std::uint64_t> interrupted;
  if (!frames.empty()) interrupted = mask_at_sigchld(trace_task);
  for (;;) {
    known_[trace_task].taken = take(trace_task);
    if (known_[trace_task].taken != 0) return;
    if (frames.empty() || mask(trace_task) == interrupted) break;
    frames.pop();
  }
  model::leave_kernel(state_, task);
}

namespace {

// Returns true for a SIGCHLD without a handler, which passes without a stop: children send it at any time.
bool passes(const model::State& state, Index task, int signal) {
  return signal == SIGCHLD && model::effect_of(state, task, signal) != model::Delivery::handled;
}

}  // namespace

int Walk::take(unsigned trace_task) {
  const Index task = known_[trace_task].task;
  int signal;
  do signal = model::take_signal(state_, task);
  while (passes(state_, task, signal));
  return signal;
}

int Walk::next(unsigned trace_task) const {
  const Index task = known_[trace_task].task;
  const int signal = model::next_signal(state_, task);
  return passes(state_, task, signal) ? 0 : signal;
}

std::uint64_t Walk::mask(unsigned trace_task) const { return model::blocked_signals(state_, task(trace_task)); }

// A program has no handlers: it takes all pending signals at once. Returns the signal that ends it, 0: none.
int Walk::take_all(Index task) {
  while (const int signal = model::take_signal(state_, task))
    if (model::deliver(state_, task, signal) == model::Delivery::terminated) return signal;
  return 0;
}

// KILL needs no turn, and a sleeping program wakes for a signal by itself.
void Walk::settle_deaths() {
  for (unsigned i = 0; i < next_child_; ++i) {
    const Index task = known_[i].task;
    if (state_.tasks[task].ended) continue;
    const bool is_asleep = known_[i].is_program && known_[i].program_sleeps;
    const int fatal = model::next_signal(state_, task) == SIGKILL ? SIGKILL : is_asleep ? take_all(task) : 0;
    if (fatal != 0) model::end_task(state_, task, -fatal);
  }
}

bool Walk::send(const sc_step& s) {
  if (s.is_unsent) return true;
  const bool is_tgkill = s.call == SC_VISIBLE_tgkill;
  const sc_operation* op = operation(s);
  const std::int64_t pid = static_cast<std::int32_t>(s.arg[is_tgkill ? 1 : 0]);
  Call call = make_call(is_tgkill  ? CallKind::tgkill
                        : pid == 0 ? CallKind::kill_group
                                   : CallKind::kill,
                        -1, static_cast<std::int32_t>(s.arg[is_tgkill ? 2 : 1]));
  if (call.b < 1 || call.b > SC_SIGNAL_MAX) return unknown("a signal of no number");
  if (is_tgkill) {
    for (unsigned t = 0; t < scenario_.threads.size(); ++t)
      if (trace_.task[t].pid == pid) call.a = static_cast<std::int32_t>(t);
  } else if (pid != 0) {
    const int child = task_with_pid(pid);
    call.a = child >= 0                                ? state_.tasks[known_[static_cast<unsigned>(child)].task].process
             : op != nullptr && op->kind == SC_OP_KILL ? 0
                                                       : -1;
  }
  if (call.a < 0 && pid != 0) return unknown("a signal to a process the model has not");
  const Index task = known_[s.task].task;
  Result result;
  model::run_call(kernel_, state_, task, call, result);
  ++comparison_.checked;
  const Result got = result_of(s);
  if (s.outcome != SC_OUTCOME_DIED && got.error != result.error) return disagree(text(got, false), text(result, false));
  settle_deaths();
  return s.outcome != SC_OUTCOME_DIED || state_.tasks[task].ended || disagree("dies within its call", "lives");
}

bool Walk::signal(const sc_step& s) {
  Tracked& known = known_[s.task];
  const int signal = static_cast<int>(s.arg[0]);
  if (signal == 0) return true;
  // Children send SIGCHLD at any time, which the model does not predict: the handler runs nevertheless.
  const bool is_of_child = signal == SIGCHLD && known.taken != SIGCHLD &&
                           (known.taken != 0 || model::next_signal(state_, known.task) != SIGCHLD);
  if (is_of_child) {
    model::deliver(state_, known.task, signal);
    return true;
  }
  if (known.taken == 0) known.taken = take(s.task);
  if (known.taken == 0 && state_.process_of(known.task).stopped_by != 0)
    return unknown("a signal in a process that is stopped, which its tracer lets go on");
  ++comparison_.checked;
  if (known.taken != signal && signal == SIGSEGV) return unknown("a crash");
  if (known.taken != signal)
    return disagree("takes signal " + std::to_string(signal),
                    known.taken == 0 ? "has none to take" : "takes signal " + std::to_string(known.taken));
  known.taken = 0;
  const bool ends = model::deliver(state_, known.task, signal) == model::Delivery::terminated;
  if (ends != (s.outcome == SC_OUTCOME_DIED))
    return disagree(ends ? "lives" : "dies", ends ? "dies of signal " + std::to_string(signal) : "lives");
  if (ends) model::end_task(state_, known.task, -signal);
  return true;
}

// A fatal signal ends a task that sleeps within a call, and the call returns nothing.
bool Walk::dies_asleep(const sc_step& s) {
  const Index task = known_[s.task].task;
  if (how_ == Follow::operations || state_.tasks[task].ended) return true;
  ++comparison_.checked;
  const int fatal = take_all(task);
  if (fatal == 0) return disagree("dies", "sleeps on");
  model::end_task(state_, task, -fatal);
  return true;
}

bool Walk::program(const sc_step& s) {
  Tracked& known = known_[s.task];
  const sc_operation* op = spawn(s);
  if (op == nullptr || !known.is_program) return unknown("a program outside a spawn");
  const int fatal = take_all(known.task);
  const bool exits = op->request.program == SC_PROGRAM_EXIT;
  ++comparison_.checked;
  if (s.outcome == SC_OUTCOME_DIED) {
    if (fatal == 0 && !exits) return disagree("the program ends", "it runs until it is killed");
    model::end_task(state_, known.task, fatal != 0 ? -fatal : model::status_of_exit_program);
    return true;
  }
  if (fatal != 0) return disagree("the program goes on", "it dies of signal " + std::to_string(fatal));
  known.program_sleeps = true;
  return true;
}

}  // namespace spawncheck::lockstep
