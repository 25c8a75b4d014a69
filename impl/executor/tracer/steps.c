/* SPDX-License-Identifier: MIT
 *
 * The steps of a scheduled run: a task that rests makes its call, takes its signal, or goes on as a program.
 *
 * A signal that arrives while a task is stopped at the entry of a call is taken before the call, as it would be by
 * a task that is still on its way: the call is taken back (instruction pointer and number), the signal's
 * stop follows, and the call is entered again afterwards. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "impl/executor/arena/arena.h"
#include "impl/executor/observe/proc.h"
#include "impl/executor/tracer/stops.h"
#include "model/scenario/visible.h"

#define SIGNALS_MAX 64 /* how many of the pending signals are looked at */

static uint64_t pending(int i, uint32_t flags) {
  struct __ptrace_peeksiginfo_args which = {.off = 0, .flags = flags, .nr = SIGNALS_MAX};
  siginfo_t info[SIGNALS_MAX];
  const long count = trace_request(PTRACE_PEEKSIGINFO, i, (uintptr_t)&which, info);
  uint64_t set = 0;
  for (long s = 0; s < count; ++s)
    if (!is_ignored_sigchld(info[s].si_signo)) set |= 1ull << (info[s].si_signo - 1);
  return set;
}

int has_signal(int i) {
  uint64_t mask = ~0ull;
  if (tracee[i].signals_seen == tracer_signals()) return 0;
  const uint64_t sent = pending(i, 0) | pending(i, PTRACE_PEEKSIGINFO_SHARED);
  if (sent != 0) trace_request(PTRACE_GETSIGMASK, i, sizeof mask, &mask);
  if ((sent & ~mask) != 0) return 1;
  tracee[i].signals_seen = tracer_signals();
  return 0;
}

#if defined(__x86_64__)
/* The task is stopped at a call's entry: takes the call back, so that the task enters it again after the signal. */
static int take_call_back(int i) {
  struct user_regs_struct r;
  if (trace_request(PTRACE_GETREGS, i, 0, &r) != 0) return -1;
  r.rax = r.orig_rax;
  r.orig_rax = ~0ull;
  r.rip -= 2; /* the length of `syscall` */
  return (int)trace_request(PTRACE_SETREGS, i, 0, &r);
}

/* The task is stopped at a call's entry: the call is not made and returns `value`. */
static int answer_call(int i, long value) {
  struct user_regs_struct r;
  if (trace_request(PTRACE_GETREGS, i, 0, &r) != 0) return -1;
  r.rax = (unsigned long long)value;
  r.orig_rax = ~0ull;
  return (int)trace_request(PTRACE_SETREGS, i, 0, &r);
}
#else
static int take_call_back(int i) { return i = -1; }
static int answer_call(int i, long value) { return i = value != 0 ? -1 : -1; }
#endif

/* Lets the task run from a call's entry to the signal-delivery stop of the next signal that counts. A SIGCHLD without a
 * handler does not count, as in run_to_rest(). Returns 0 if there is no such stop. */
static int await_signal(int i, struct sc_step* step) {
  take_call_back(i);
  for (int signal = 0, passed = 0; passed <= SC_SIGNAL_MAX; ++passed) {
    int status;
    resume_task(i, PTRACE_CONT, signal);
    const enum waited how = await_task(i, 0, &status);
    if (how == WAITED_DEATH) end_task(i, status, step);
    if (how != WAITED_STOP) return 0;
    signal = status >> 16 == 0 ? WSTOPSIG(status) : 0;
    tracee[i].signal = signal;
    if (!is_ignored_sigchld(signal)) return 1;
  }
  return 1;
}

static void step_signal(int i, struct sc_step* step) {
  step->kind = SC_STEP_SIGNAL;
  if (task_of(i)->state != SC_TASK_AT_SIGNAL && !await_signal(i, step)) return;
  uint64_t mask = 0;
  trace_request(PTRACE_GETSIGMASK, i, sizeof mask, &mask);
  step->arg[0] = tracee[i].signal;
  step->arg[1] = (int64_t)mask;
  tracee[i].signals_seen = tracer_signals() - 1;
  resume_task(i, PTRACE_CONT, tracee[i].signal);
  run_to_rest(i, step, 0);
}

/* Reads the clone flags in the form of clone(2), with the exit signal in the low byte, in which clone3(2) has no flag
 * but CLONE_NEWTIME. */
static void read_clone_flags(int i, struct sc_step* step) {
  uint64_t arguments[5] = {0}; /* struct clone_args: flags is the first, exit_signal the fifth */
  step->is_unread = !read_memory(i, step->arg[0], arguments, sizeof arguments);
  step->pointee = step->is_unread ? 0 : arguments[0] | (arguments[4] & 0xff);
}

/* A bad address is no error here: the call itself fails with EFAULT. A string may be shorter than what is read. */
static void read_pointee(int i, struct sc_step* step) {
  const char* letters = sc_visible_calls[step->call].arguments;
  if (step->call == SC_VISIBLE_clone3) {
    read_clone_flags(i, step);
    return;
  }
  for (int a = 0; a < SC_CALL_ARGUMENTS && letters[a] != 0; ++a) {
    if (strchr("macl", letters[a]) != NULL && step->arg[a] != 0) read_pointee_at(i, step, step->arg[a]);
    if (letters[a] == 's' && step->arg[a] != 0) read_memory(i, step->arg[a], &step->pointee, sizeof step->pointee);
  }
}

/* Returns true if the search of schedules needs the result of such a call. */
static int wants_result(uint8_t effect) {
  return effect == SC_EFFECT_ALLOCATE || effect == SC_EFFECT_ALLOCATE2 || effect == SC_EFFECT_FCNTL ||
         effect == SC_EFFECT_CLONE || effect == SC_EFFECT_EXEC;
}

/* Returns true if the arena's process ignores the signal during the whole run. */
static int is_always_ignored(int signal) {
  const uint64_t by_default =
      1ull << (SIGCHLD - 1) | 1ull << (SIGCONT - 1) | 1ull << (SIGURG - 1) | 1ull << (SIGWINCH - 1);
  const uint64_t ignored = (by_default & ~shared->world.handled) | shared->world.ignored;
  if ((ignored >> (signal - 1) & 1) == 0) return 0;
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o)
      if (shared->op[t][o].kind == SC_OP_DISPOSITION && shared->op[t][o].operand[0].value == signal) return 0;
  return 1;
}

static int sends_stops(void) {
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o) {
      const struct sc_operation* op = &shared->op[t][o];
      if ((op->kind == SC_OP_KILL || op->kind == SC_OP_KILL_GROUP) && is_stop_signal(op->operand[0].value)) return 1;
      if (op->kind == SC_OP_TGKILL && is_stop_signal(op->operand[1].value)) return 1;
    }
  return 0;
}

/* Returns true if the signal that the step sends would have no effect at all on an untraced process. A traced task is
 * sent an ignored signal all the same (kernel/signal.c sig_ignored), and SIGCONT interrupts every thread of a seized
 * process (prepare_signal: ptrace_trap_notify): sleepers would wake, and a blocked open(2) would give another number.
 * So the call is not made then. */
static int sends_nothing(int i, const struct sc_step* step) {
  const int is_tgkill = step->call == SC_VISIBLE_tgkill;
  const int64_t signal = step->arg[is_tgkill ? 2 : 1];
  if (i >= (int)shared->thread_count || (!is_tgkill && step->call != SC_VISIBLE_kill)) return 0;
  if (signal < 1 || signal > SC_SIGNAL_MAX || !is_always_ignored((int)signal)) return 0;
  if (signal == SIGCONT) return !sends_stops() && shared->policy.fault.kind != SC_FAULT_STOP_CHILD;
  for (int target = 0; is_tgkill && target < (int)shared->thread_count; ++target) {
    uint64_t mask = ~0ull;
    if (tracee[target].tid != step->arg[1]) continue;
    if (task_of(target)->state != SC_TASK_ASLEEP) return 0; /* the target takes it at its turn, without effect */
    struct proc_status status;
    if (process_of(target) >= 0 && proc_read_status(tracee[target].process, &status)) mask = status.mask;
    return (mask >> (signal - 1) & 1) == 0;
  }
  return 0;
}

/* The thread took its operation's begin stamp before it came to rest here, perhaps long ago. With that stamp the judge
 * would have to allow that the operation acted at any time since. An operation does nothing before its first visible
 * call, so it begins now. This does not hold for a spawn: an implementation may make calls that are not visible. */
static void note_begin(int i) {
  const uint32_t operation = task_of(i)->operation;
  if (i >= (int)shared->thread_count || task_of(i)->outside || tracee[i].begun == operation + 1) return;
  if (shared->op[i][operation].kind == SC_OP_SPAWN) return;
  tracee[i].begun = operation + 1;
  shared->history.op[i][operation].begin = next_stamp();
}

void step_task(int i, struct sc_step* step, int error) {
  if (task_of(i)->state == SC_TASK_PROGRAM) {
    step->kind = SC_STEP_PROGRAM;
    tracee[i].is_asleep = 0;
    resume_task(i, PTRACE_CONT, 0);
    run_to_rest(i, step, 1);
    return;
  }
  if (task_of(i)->state != SC_TASK_AT_CALL || has_signal(i)) {
    step_signal(i, step);
    return;
  }
  note_begin(i);
  memcpy(step->arg, task_of(i)->arg, sizeof step->arg);
  read_pointee(i, step);
  const uint8_t effect = sc_visible_calls[step->call].effect;
  if (error != 0) {
    step->fault = 1;
    step->outcome = SC_OUTCOME_RETURNED;
    step->result = -error;
    answer_call(i, -error);
    resume_task(i, PTRACE_CONT, 0);
    run_to_rest(i, step, 0);
    return;
  }
  if (sends_nothing(i, step)) {
    step->is_unsent = 1;
    step->outcome = SC_OUTCOME_RETURNED;
    step->is_void = 1;
    answer_call(i, 0);
    resume_task(i, PTRACE_CONT, 0);
    run_to_rest(i, step, 0);
    return;
  }
  tracee[i].step = (int)(step - shared->trace.step);
  if (effect == SC_EFFECT_MASK) tracee[i].signals_seen = tracer_signals() - 1;
  resume_task(i, shared->policy.results || wants_result(effect) ? PTRACE_SYSCALL : PTRACE_CONT, 0);
  if (effect == SC_EFFECT_SEND) tracer_signal_sent();
  run_to_rest(i, step, sc_visible_calls[step->call].sleeps);
}

/* SIGCONT traps a task again that was stopped and listens (PTRACE_LISTEN). The task may be trapped again so soon that
 * its state looks unchanged, but waitid(2) reports the new stop. */
static int has_stopped_again(int i) {
  siginfo_t info = {.si_pid = 0};
  return waitid(P_PID, (id_t)tracee[i].tid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
         info.si_pid != 0;
}

/* Returns true if the task slept and runs again, or was stopped and is being killed or continued. */
static int is_on_the_move(int i, int was_sent_something) {
  const char state = kernel_state_of(i);
  switch (task_of(i)->state) {
    case SC_TASK_ASLEEP:
      return state != 'S';
    case SC_TASK_PROGRAM:
      return tracee[i].is_asleep ? state != 'S' : was_sent_something && state != 't';
    case SC_TASK_STOPPED:
      return (state != 't' && state != 'T') || has_stopped_again(i);
    case SC_TASK_DEAD:
    case SC_TASK_SUSPENDED:
      return 0;
    default:
      return was_sent_something && state != 't';
  }
}

void let_sleepers_return(int was_sent_something) {
  for (int round = 0; round < SC_TASKS_MAX; ++round) {
    int moved = 0;
    for (int i = 0; i < (int)shared->trace.task_count; ++i) {
      const uint8_t state = task_of(i)->state;
      const int sleeps =
          state == SC_TASK_ASLEEP || (state == SC_TASK_PROGRAM && tracee[i].is_asleep) || state == SC_TASK_STOPPED;
      if ((!sleeps && !was_sent_something) || !is_on_the_move(i, was_sent_something)) continue;
      struct sc_step* step = state == SC_TASK_ASLEEP ? add_step(i, SC_STEP_WAKES) : NULL;
      if (step != NULL && tracee[i].step >= 0)
        memcpy(step->arg, shared->trace.step[tracee[i].step].arg, sizeof step->arg);
      tracee[i].is_asleep = 0;
      moved = 1;
      run_to_rest(i, step, 1);
      if (is_out_of_time()) return;
    }
    if (!moved) return;
  }
}

int step_may_send(const struct sc_step* step) {
  return step->kind == SC_STEP_CALL && sc_visible_calls[step->call].effect == SC_EFFECT_SEND;
}
