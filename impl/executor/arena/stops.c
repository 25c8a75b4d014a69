/* SPDX-License-Identifier: MIT
 *
 * ptrace(2), one task at a time: from where a task rests to where it rests next.
 *
 * A task rests where it enters a visible call (a seccomp stop), where it takes a signal (a
 * signal-delivery stop), after exec, or asleep in the kernel. Nothing is guessed by time: a vfork parent is
 * suspended from the event that says so until its child's exec or death; a task sleeps when the kernel says
 * so (proc(5)) within a call that can, while everybody who could wake it is stopped.
 *
 * A signal that arrives while a task is stopped at the entry of a call is taken before the call, as it would be by
 * a task that is still on its way: the call is taken back (instruction pointer and number), the signal's
 * stop follows, and the call is entered again afterwards. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/scenario/visible.h"
#include "proc.h"
#include "tracer.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define SIGNALS_MAX 64 /* looked at, of those that are pending */
#define YIELDS_PER_LOOK 64
#define YIELDS_BEFORE_LOOK 2 /* a task on this processor has mostly come to its stop by then; looking costs more */

struct tracee tracee[SC_TASKS_MAX];

/* Moves whenever a signal may have been sent, or let through by a mask. */
static uint32_t signals;

static struct sc_task* task_of(int i) { return &shared->trace.task[i]; }

static long request(int what, int i, uintptr_t address, const void* data) {
  return ptrace((ptrace_request)what, tracee[i].tid, (void*)address, (void*)(uintptr_t)data);
}

static void resume(int i, int how, int signal) { request(how, i, 0, (void*)(intptr_t)signal); }

static int process_of(int i) {
  if (tracee[i].process < 0) tracee[i].process = proc_open(tracee[i].tid);
  return tracee[i].process;
}

static void forget_process(int i) {
  if (tracee[i].process >= 0) close(tracee[i].process);
  if (tracee[i].stat >= 0) close(tracee[i].stat);
  tracee[i].process = tracee[i].stat = -1;
}

/* As in proc(5): R, S, D, t, T, Z, X; 0: gone. */
static char state_of(int i) {
  if (tracee[i].stat < 0) tracee[i].stat = proc_open_file(tracee[i].tid, "stat");
  return tracee[i].stat >= 0 ? proc_state_again(tracee[i].stat) : 0;
}

/* 'S' alone does not say it: who is about to look whether there is something to wait for is marked so already
 * (kernel/exit.c do_wait), finds it, and may be preempted in between. A call that was read is that of a task off the
 * run queue. Meanwhile it may have come to its next stop, which is off the run queue as well: so its state is read once
 * more. */
static int is_asleep(int i) {
  struct proc_call call;
  return state_of(i) == 'S' && process_of(i) >= 0 && proc_read_call(tracee[i].process, &call) && state_of(i) == 'S';
}

int tracer_may_time_out(int i) {
  struct proc_call call;
  const uint8_t state = task_of(i)->state;
  if (state != SC_TASK_ASLEEP) return 0;
  return process_of(i) < 0 || !proc_read_call(tracee[i].process, &call) || !proc_waits_for_ever(&call);
}

static int stop_signal;

int tracer_stop_signal(void) { return stop_signal; }

enum waited { WAITED_STOP, WAITED_DEATH, WAITED_ASLEEP, WAITED_OUT };

/* Until the task stops, dies or sleeps. A call that cannot sleep is waited for without looking; what sleeps in spite
 * of that, in a call that is not visible, is found out at the timer's next tick. */
static enum waited await(int i, int may_sleep, int* status) {
  for (uint32_t looks = 0;; ++looks) {
    const pid_t got = waitpid(tracee[i].tid, status, __WALL | (may_sleep || helpers_are_there() ? WNOHANG : 0));
    if (got == tracee[i].tid) return WIFSTOPPED(*status) ? WAITED_STOP : WAITED_DEATH;
    if (got < 0 && errno != EINTR) {
      *status = SIGKILL;
      return WAITED_DEATH;
    }
    if ((got < 0 || looks >= YIELDS_BEFORE_LOOK) && is_asleep(i)) return WAITED_ASLEEP;
    if ((got < 0 || looks % YIELDS_PER_LOOK == YIELDS_PER_LOOK - 1) && is_out_of_time()) return WAITED_OUT;
    if (got == 0) helpers_serve();
    if (got == 0) sched_yield();
  }
}

int add_task(pid_t tid, uint8_t thread, int parent) {
  struct sc_trace* trace = &shared->trace;
  if (trace->task_count >= SC_TASKS_MAX) {
    trace->is_cut = 1;
    return -1;
  }
  const int i = (int)trace->task_count++;
  int child = -1;
  if (parent >= 0) {
    child = 0;
    for (int other = (int)shared->thread_count; other < i; ++other) child += trace->task[other].thread == thread;
  }
  trace->task[i] = (struct sc_task){.thread = thread, .child = (int8_t)child, .parent = (int8_t)parent, .pid = tid};
  tracee[i] =
      (struct tracee){.tid = tid, .process = -1, .stat = -1, .vfork_parent = -1, .signals_seen = signals, .step = -1};
  if (parent >= 0) task_of(i)->operation = task_of(parent)->operation;
  return i;
}

struct sc_step* add_step(int task, uint8_t kind) {
  struct sc_trace* trace = &shared->trace;
  if (trace->step_count >= SC_STEPS_MAX) {
    trace->is_cut = 1;
    return &trace->step[SC_STEPS_MAX - 1];
  }
  struct sc_step* step = &trace->step[trace->step_count++];
  *step = (struct sc_step){.task = (uint8_t)task,
                           .kind = kind,
                           .outcome = SC_OUTCOME_UNKNOWN,
                           .call = trace->task[task].call,
                           .operation = task_of(task)->operation,
                           .outside = task_of(task)->outside};
  return step;
}

/* ---- where a task rests ------------------------------------------------------------------------- */

static int is_of_the_arena(uintptr_t address) {
  return address >= (uintptr_t)shared && address < (uintptr_t)shared + sizeof *shared;
}

/* The arena's own futexes: not the scenario's. 1: it rests there. */
static int keep_house(int i, uintptr_t word) {
  struct sc_thread_state* thread = &shared->thread[task_of(i)->thread];
  if (word == (uintptr_t)&thread->observe && thread->observe != 0) {
    observe_child((int16_t)(thread->observe - 1));
    thread->observe = 0;
  }
  if (word != (uintptr_t)&shared->release || i >= (int)shared->thread_count) return 0;
  task_of(i)->state = SC_TASK_FINISHED;
  return 1;
}

/* At the entry of a visible call. 1: the task rests there. */
int rest_at_call(int i) {
  struct call_info info = {0};
  if (request(GET_CALL_INFO, i, sizeof info, &info) <= 0) return 0;
  task_of(i)->call = (uint8_t)info.of.entry.index;
  memcpy(task_of(i)->arg, info.of.entry.arg, sizeof task_of(i)->arg);
  if (task_of(i)->state == SC_TASK_PROGRAM) return 0;
  if (task_of(i)->call == SC_VISIBLE_futex && is_of_the_arena((uintptr_t)task_of(i)->arg[0]))
    return keep_house(i, (uintptr_t)task_of(i)->arg[0]);
  if (i < (int)shared->thread_count) {
    const uint32_t at = shared->thread[i].position;
    const struct sc_op_record* record = &shared->history.op[i][at];
    task_of(i)->operation = (uint8_t)at;
    task_of(i)->outside = record->begin == 0 || record->end != 0;
  }
  task_of(i)->state = SC_TASK_AT_CALL;
  return 1;
}

static void run_to_rest(int i, struct sc_step* step, int may_sleep);

/* Its child has exec'd or died: the vfork parent goes on. */
static void wake_parent(int child) {
  const int parent = tracee[child].vfork_parent;
  if (parent < 0) return;
  tracee[child].vfork_parent = -1;
  if (task_of(parent)->state != SC_TASK_SUSPENDED) return;
  watch_resumed(parent);
  run_to_rest(parent, add_step(parent, SC_STEP_WAKES), 0);
}

static void die(int i, int status, struct sc_step* step) {
  task_of(i)->state = SC_TASK_DEAD;
  forget_process(i);
  if (step != NULL) step->outcome = SC_OUTCOME_DIED;
  ++signals; /* SIGCHLD */
  if (i < (int)shared->thread_count)
    shared->history.end_signal = WIFSIGNALED(status) ? WTERMSIG(status) : WIFEXITED(status) ? HAS_EXITED : SIGKILL;
  wake_parent(i);
}

static void watch_parent(int i) {
#if defined(__x86_64__)
  struct user_regs_struct r;
  if (request(PTRACE_GETREGS, i, 0, &r) == 0) watch_suspended(r.rsp, r.fs_base);
#else
  (void)i;
#endif
}

/* A new task, stopped before its first instruction: lets it go to its first rest. A vfork(2) parent goes on first, into
 * its wait: a child that dies or execs at once wakes it from there. */
static void begin_child(int parent, int is_vfork, struct sc_step* step) {
  unsigned long tid = 0;
  int status;
  request(PTRACE_GETEVENTMSG, parent, 0, &tid);
  const int i = add_task((pid_t)tid, task_of(parent)->thread, parent);
  if (i < 0) return;
  if (step != NULL && task_of(parent)->call == SC_VISIBLE_clone) task_of(i)->clone_flags = (uint64_t)step->arg[0];
  if (step != NULL && task_of(parent)->call == SC_VISIBLE_clone3) task_of(i)->clone_flags = step->pointee;
  if (is_vfork) {
    tracee[i].vfork_parent = parent;
    task_of(parent)->state = SC_TASK_SUSPENDED;
    if (shared->trace.watches) watch_parent(parent);
    resume(parent, PTRACE_SYSCALL, 0);
  }
  const enum waited how = await(i, 0, &status);
  if (how == WAITED_DEATH) die(i, status, NULL);
  if (how != WAITED_STOP) return;
  resume(i, PTRACE_CONT, 0);
  run_to_rest(i, NULL, 0);
}

static int is_ignored_sigchld(int signal) {
  if (signal != SIGCHLD || shared->world.handled >> (SIGCHLD - 1) & 1) return 0;
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o)
      if (shared->op[t][o].kind == SC_OP_DISPOSITION && shared->op[t][o].operand[0].value == SIGCHLD) return 0;
  return 1;
}

/* Word by word by the tracer's own right where process_vm_readv(2) is refused: to whoever has changed its identity
 * (kernel/ptrace.c ptrace_access_vm), or where it is filtered. 1: all of it was read. */
static int read_memory(int i, int64_t address, void* at, size_t size) {
  struct iovec to = {at, size}, from = {(void*)(uintptr_t)address, size};
  if (process_vm_readv(tracee[i].tid, &to, 1, &from, 1, 0) == (ssize_t)size) return 1;
  for (size_t done = 0; done < size; done += sizeof(long)) {
    errno = 0;
    const long word = request(PTRACE_PEEKDATA, i, (uintptr_t)address + done, NULL);
    if (errno != 0) return 0;
    memcpy((char*)at + done, &word, size - done < sizeof word ? size - done : sizeof word);
  }
  return 1;
}

static void read_pointee_at(int i, struct sc_step* step, int64_t address) {
  if (read_memory(i, address, &step->pointee, sizeof step->pointee)) return;
  step->pointee = 0;
  step->is_unread = 1;
}

static void returned(int i, struct sc_step* step) {
  struct call_info info = {0};
  if (request(GET_CALL_INFO, i, sizeof info, &info) <= 0 || step == NULL) return;
  step->outcome = SC_OUTCOME_RETURNED;
  step->result = info.of.exit.value;
  const char* at = strchr(sc_visible_calls[step->call].arguments, 'n');
  if (at != NULL && step->result >= 0) read_pointee_at(i, step, step->arg[at - sc_visible_calls[step->call].arguments]);
}

static int is_stop_signal(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/* The task has been resumed: until it rests. `step` is the record of what it does, or null. */
static void run_to_rest(int i, struct sc_step* step, int may_sleep) {
  for (int status;;) {
    const int is_program = task_of(i)->state == SC_TASK_PROGRAM;
    switch (await(i, may_sleep || is_program, &status)) {
      case WAITED_OUT:
        return;
      case WAITED_DEATH:
        die(i, status, step);
        return;
      case WAITED_ASLEEP:
        if (step != NULL) step->outcome = SC_OUTCOME_SLEEPS;
        if (is_program)
          tracee[i].is_asleep = 1;
        else
          task_of(i)->state = SC_TASK_ASLEEP;
        return;
      case WAITED_STOP:
        break;
    }
    const int signal = WSTOPSIG(status);
    switch (status >> 16) {
      case PTRACE_EVENT_SECCOMP:
        if (rest_at_call(i)) return;
        resume(i, PTRACE_CONT, 0);
        may_sleep = 0;
        break;
      case PTRACE_EVENT_VFORK:
        if (step != NULL) step->outcome = SC_OUTCOME_SUSPENDED;
        begin_child(i, 1, step);
        return; /* suspended; or at its next rest, where the child is through already */
      case PTRACE_EVENT_CLONE:
      case PTRACE_EVENT_FORK:
        begin_child(i, 0, step);
        resume(i, PTRACE_SYSCALL, 0);
        break;
      case PTRACE_EVENT_EXEC:
        if (step != NULL) step->outcome = SC_OUTCOME_EXECED;
        task_of(i)->state = SC_TASK_PROGRAM;
        tracee[i].is_asleep = 0;
        wake_parent(i);
        return;
      case PTRACE_EVENT_STOP:
        if (is_stop_signal(signal)) {
          stop_signal = signal;
          request(PTRACE_LISTEN, i, 0, NULL);
          task_of(i)->state = SC_TASK_STOPPED;
          return;
        }
        resume(i, PTRACE_CONT, 0);
        break;
      default:
        if (signal == SYSCALL_STOP) {
          returned(i, step);
          resume(i, PTRACE_CONT, 0);
          may_sleep = 0;
        } else if (is_program || is_ignored_sigchld(signal)) {
          resume(i, PTRACE_CONT, signal);
        } else {
          task_of(i)->state = SC_TASK_AT_SIGNAL;
          tracee[i].signal = signal;
          return;
        }
    }
  }
}

/* ---- steps -------------------------------------------------------------------------------------- */

static uint64_t pending(int i, uint32_t flags) {
  struct __ptrace_peeksiginfo_args which = {.off = 0, .flags = flags, .nr = SIGNALS_MAX};
  siginfo_t info[SIGNALS_MAX];
  const long count = request(PTRACE_PEEKSIGINFO, i, (uintptr_t)&which, info);
  uint64_t set = 0;
  for (long s = 0; s < count; ++s)
    if (!is_ignored_sigchld(info[s].si_signo)) set |= 1ull << (info[s].si_signo - 1);
  return set;
}

int has_signal(int i) {
  uint64_t mask = ~0ull;
  if (tracee[i].signals_seen == signals) return 0;
  const uint64_t sent = pending(i, 0) | pending(i, PTRACE_PEEKSIGINFO_SHARED);
  if (sent != 0) request(PTRACE_GETSIGMASK, i, sizeof mask, &mask);
  if ((sent & ~mask) != 0) return 1;
  tracee[i].signals_seen = signals;
  return 0;
}

#if defined(__x86_64__)
/* Stopped at a call's entry: not this time, but once the signal has been taken. */
static int take_call_back(int i) {
  struct user_regs_struct r;
  if (request(PTRACE_GETREGS, i, 0, &r) != 0) return -1;
  r.rax = r.orig_rax;
  r.orig_rax = ~0ull;
  r.rip -= 2; /* the length of `syscall` */
  return (int)request(PTRACE_SETREGS, i, 0, &r);
}

/* Likewise: the call is not made and returns `value`. */
static int answer_call(int i, long value) {
  struct user_regs_struct r;
  if (request(PTRACE_GETREGS, i, 0, &r) != 0) return -1;
  r.rax = (unsigned long long)value;
  r.orig_rax = ~0ull;
  return (int)request(PTRACE_SETREGS, i, 0, &r);
}
#else
static int take_call_back(int i) { return i = -1; }
static int answer_call(int i, long value) { return i = value != 0 ? -1 : -1; }
#endif

/* From a call's entry to the stop of the next signal that counts; a SIGCHLD that nobody handles passes without one, as
 * in run_to_rest(). 0: there is no such stop. */
static int await_signal(int i, struct sc_step* step) {
  take_call_back(i);
  for (int signal = 0, passed = 0; passed <= SC_SIGNAL_MAX; ++passed) {
    int status;
    resume(i, PTRACE_CONT, signal);
    const enum waited how = await(i, 0, &status);
    if (how == WAITED_DEATH) die(i, status, step);
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
  request(PTRACE_GETSIGMASK, i, sizeof mask, &mask);
  step->arg[0] = tracee[i].signal;
  step->arg[1] = (int64_t)mask;
  tracee[i].signals_seen = signals - 1;
  resume(i, PTRACE_CONT, tracee[i].signal);
  run_to_rest(i, step, 0);
}

/* The clone flags as clone(2) has them, with the exit signal in the low byte, which clone3(2) keeps free. */
static void read_clone_flags(int i, struct sc_step* step) {
  uint64_t arguments[5] = {0}; /* struct clone_args: flags is the first, exit_signal the fifth */
  step->is_unread = !read_memory(i, step->arg[0], arguments, sizeof arguments);
  step->pointee = step->is_unread ? 0 : arguments[0] | (arguments[4] & 0xff);
}

/* A bad address is the call's to complain about, which it does with EFAULT; a text may be shorter than what is read. */
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

/* The results that the search of schedules needs. */
static int wants_result(uint8_t effect) {
  return effect == SC_EFFECT_ALLOCATE || effect == SC_EFFECT_ALLOCATE2 || effect == SC_EFFECT_FCNTL ||
         effect == SC_EFFECT_CLONE || effect == SC_EFFECT_EXEC;
}

/* Is the signal ignored in the arena's process from the beginning to the end? */
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

/* Untraced, the signal that the step sends would have no effect at all. But to a traced task an ignored signal is sent
 * all the same (kernel/signal.c sig_ignored), and SIGCONT interrupts every thread of a seized process (prepare_signal:
 * ptrace_trap_notify): sleepers would wake, and a blocked open(2) take another number. So the call is not made then. */
static int sends_nothing(int i, const struct sc_step* step) {
  const int is_tgkill = step->call == SC_VISIBLE_tgkill;
  const int64_t signal = step->arg[is_tgkill ? 2 : 1];
  if (i >= (int)shared->thread_count || (!is_tgkill && step->call != SC_VISIBLE_kill)) return 0;
  if (signal < 1 || signal > SC_SIGNAL_MAX || !is_always_ignored((int)signal)) return 0;
  if (signal == SIGCONT) return !sends_stops() && shared->policy.fault.kind != SC_FAULT_STOP_CHILD;
  for (int target = 0; is_tgkill && target < (int)shared->thread_count; ++target) {
    uint64_t mask = ~0ull;
    if (tracee[target].tid != step->arg[1]) continue;
    if (task_of(target)->state != SC_TASK_ASLEEP) return 0; /* it takes the signal at its turn, without effect */
    struct proc_status status;
    if (process_of(target) >= 0 && proc_read_status(tracee[target].process, &status)) mask = status.mask;
    return (mask >> (signal - 1) & 1) == 0;
  }
  return 0;
}

/* The stamp that the thread took before it came to rest here may be old: from it the judge would have to believe that
 * the operation acted at any time since. Nothing of it happened before its first visible call; of a spawn that is not
 * known, since an implementation may make calls that are not visible. */
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
    resume(i, PTRACE_CONT, 0);
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
    resume(i, PTRACE_CONT, 0);
    run_to_rest(i, step, 0);
    return;
  }
  if (sends_nothing(i, step)) {
    step->is_unsent = 1;
    step->outcome = SC_OUTCOME_RETURNED;
    step->is_void = 1;
    answer_call(i, 0);
    resume(i, PTRACE_CONT, 0);
    run_to_rest(i, step, 0);
    return;
  }
  tracee[i].step = (int)(step - shared->trace.step);
  if (effect == SC_EFFECT_MASK) tracee[i].signals_seen = signals - 1;
  resume(i, shared->policy.results || wants_result(effect) ? PTRACE_SYSCALL : PTRACE_CONT, 0);
  if (effect == SC_EFFECT_SEND) ++signals;
  run_to_rest(i, step, sc_visible_calls[step->call].sleeps);
}

/* One that is stopped and listens (PTRACE_LISTEN) is trapped again by SIGCONT: soon enough to look as if nothing had
 * happened, but there is something to wait for. */
static int has_stopped_again(int i) {
  siginfo_t info = {.si_pid = 0};
  return waitid(P_PID, (id_t)tracee[i].tid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
         info.si_pid != 0;
}

/* Who slept, or was stopped and is being killed or continued. */
static int is_on_the_move(int i, int was_sent_something) {
  const char state = state_of(i);
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

void tracer_signal_sent(void) { ++signals; }

int step_may_send(const struct sc_step* step) {
  return step->kind == SC_STEP_CALL && sc_visible_calls[step->call].effect == SC_EFFECT_SEND;
}

void tracer_begin(void) {
  signals = 0;
  stop_signal = 0;
}

void tracer_forget(void) {
  for (uint32_t i = 0; i < shared->trace.task_count; ++i) forget_process((int)i);
}
