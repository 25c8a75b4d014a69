/* SPDX-License-Identifier: MIT
 *
 * ptrace(2), one task at a time: from where a task rests to where it rests next.
 *
 * A task rests where it enters a visible call (a seccomp stop), where it takes a signal (a
 * signal-delivery stop), after exec, or asleep in the kernel. Nothing is guessed by time: a vfork parent is
 * suspended from the event that says so until its child's exec or death; a task sleeps when the kernel says
 * so (proc(5)) within a call that can sleep, while every task that could wake it is stopped. */
#define _GNU_SOURCE
#include "impl/executor/tracer/stops.h"

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

#include "impl/executor/observe/proc.h"
#include "model/scenario/visible.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define YIELDS_PER_LOOK 64
#define YIELDS_BEFORE_LOOK 2 /* a task on this processor has mostly come to its stop by then; looking costs more */

struct tracee tracee[SC_TASKS_MAX];

/* Grows whenever a signal may have been sent. A task whose mask may have changed is marked in signals_seen instead. */
static uint32_t signals;

struct sc_task* task_of(int i) {
  return &shared->trace.task[i];
}

long trace_request(int what, int i, uintptr_t address, void* data) {
  return ptrace((ptrace_request)what, tracee[i].tid, (void*)address, data);
}

void resume_task(int i, int how, int signal) { trace_request(how, i, 0, (void*)(intptr_t)signal); }

int process_of(int i) {
  if (tracee[i].process < 0) tracee[i].process = proc_open(tracee[i].tid);
  return tracee[i].process;
}

static void forget_process(int i) {
  if (tracee[i].process >= 0) close(tracee[i].process);
  if (tracee[i].stat >= 0) close(tracee[i].stat);
  tracee[i].process = tracee[i].stat = -1;
}

char kernel_state_of(int i) {
  if (tracee[i].stat < 0) tracee[i].stat = proc_open_file(tracee[i].tid, "stat");
  return tracee[i].stat >= 0 ? proc_state_again(tracee[i].stat) : 0;
}

/* 'S' alone does not prove that the task sleeps: the kernel sets it before the task checks whether there is something
 * to wait for (kernel/exit.c do_wait), and may preempt the task in between. /proc/TID/syscall can be read only while
 * the task is off the run queue. By then the task may have come to its next stop, which is off the run queue too: so
 * its state is read once more. */
static int is_asleep(int i) {
  struct proc_call call;
  return kernel_state_of(i) == 'S' && process_of(i) >= 0 && proc_read_call(tracee[i].process, &call) &&
         kernel_state_of(i) == 'S';
}

int tracer_may_time_out(int i) {
  struct proc_call call;
  const uint8_t state = task_of(i)->state;
  if (state != SC_TASK_ASLEEP) return 0;
  return process_of(i) < 0 || !proc_read_call(tracee[i].process, &call) || !proc_waits_for_ever(&call);
}

static int stop_signal;

int tracer_stop_signal(void) { return stop_signal; }

enum waited await_task(int i, int may_sleep, int* status) {
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

/* The task waits on a futex of the arena's own, which is no call of the scenario. Returns 1 if the task rests there. */
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
  if (trace_request(GET_CALL_INFO, i, sizeof info, &info) <= 0) return 0;
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

/* The child has exec'd or died: its vfork parent goes on. */
static void wake_parent(int child) {
  const int parent = tracee[child].vfork_parent;
  if (parent < 0) return;
  tracee[child].vfork_parent = -1;
  if (task_of(parent)->state != SC_TASK_SUSPENDED) return;
  watch_resumed(parent);
  run_to_rest(parent, add_step(parent, SC_STEP_WAKES), 0);
}

void end_task(int i, int status, struct sc_step* step) {
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
  if (trace_request(PTRACE_GETREGS, i, 0, &r) == 0) watch_suspended(r.rsp, r.fs_base);
#else
  (void)i;
#endif
}

/* A new task is stopped before its first instruction: lets it run to its first rest. A vfork(2) parent is resumed
 * first, into its wait, from which a child that dies or execs at once wakes it. */
static void begin_child(int parent, int is_vfork, struct sc_step* step) {
  unsigned long tid = 0;
  int status;
  trace_request(PTRACE_GETEVENTMSG, parent, 0, &tid);
  const int i = add_task((pid_t)tid, task_of(parent)->thread, parent);
  if (i < 0) return;
  if (step != NULL && task_of(parent)->call == SC_VISIBLE_clone) task_of(i)->clone_flags = (uint64_t)step->arg[0];
  if (step != NULL && task_of(parent)->call == SC_VISIBLE_clone3) task_of(i)->clone_flags = step->pointee;
  if (is_vfork) {
    tracee[i].vfork_parent = parent;
    task_of(parent)->state = SC_TASK_SUSPENDED;
    if (shared->trace.watches) watch_parent(parent);
    resume_task(parent, PTRACE_SYSCALL, 0);
  }
  const enum waited how = await_task(i, 0, &status);
  if (how == WAITED_DEATH) end_task(i, status, NULL);
  if (how != WAITED_STOP) return;
  resume_task(i, PTRACE_CONT, 0);
  run_to_rest(i, NULL, 0);
}

int is_ignored_sigchld(int signal) {
  if (signal != SIGCHLD || shared->world.handled >> (SIGCHLD - 1) & 1) return 0;
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o)
      if (shared->op[t][o].kind == SC_OP_DISPOSITION && shared->op[t][o].operand[0].value == SIGCHLD) return 0;
  return 1;
}

/* process_vm_readv(2) is refused if the task has changed its identity, or if a filter forbids the call. Then reads word
 * by word with the rights of a tracer (kernel/ptrace.c ptrace_access_vm). Returns 1 if all of it was read. */
int read_memory(int i, int64_t address, void* at, size_t size) {
  struct iovec to = {at, size}, from = {(void*)(uintptr_t)address, size};
  if (process_vm_readv(tracee[i].tid, &to, 1, &from, 1, 0) == (ssize_t)size) return 1;
  for (size_t done = 0; done < size; done += sizeof(long)) {
    errno = 0;
    const long word = trace_request(PTRACE_PEEKDATA, i, (uintptr_t)address + done, NULL);
    if (errno != 0) return 0;
    memcpy((char*)at + done, &word, size - done < sizeof word ? size - done : sizeof word);
  }
  return 1;
}

void read_pointee_at(int i, struct sc_step* step, int64_t address) {
  if (read_memory(i, address, &step->pointee, sizeof step->pointee)) return;
  step->pointee = 0;
  step->is_unread = 1;
}

static void returned(int i, struct sc_step* step) {
  struct call_info info = {0};
  if (trace_request(GET_CALL_INFO, i, sizeof info, &info) <= 0 || step == NULL) return;
  step->outcome = SC_OUTCOME_RETURNED;
  step->result = info.of.exit.value;
  const char* at = strchr(sc_visible_calls[step->call].arguments, 'n');
  if (at != NULL && step->result >= 0) read_pointee_at(i, step, step->arg[at - sc_visible_calls[step->call].arguments]);
}

void run_to_rest(int i, struct sc_step* step, int may_sleep) {
  for (int status;;) {
    const int is_program = task_of(i)->state == SC_TASK_PROGRAM;
    switch (await_task(i, may_sleep || is_program, &status)) {
      case WAITED_OUT:
        return;
      case WAITED_DEATH:
        end_task(i, status, step);
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
        resume_task(i, PTRACE_CONT, 0);
        may_sleep = 0;
        break;
      case PTRACE_EVENT_VFORK:
        if (step != NULL) step->outcome = SC_OUTCOME_SUSPENDED;
        begin_child(i, 1, step);
        return; /* the parent is suspended; or at its next rest, if its child has exec'd or died already */
      case PTRACE_EVENT_CLONE:
      case PTRACE_EVENT_FORK:
        begin_child(i, 0, step);
        resume_task(i, PTRACE_SYSCALL, 0);
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
          trace_request(PTRACE_LISTEN, i, 0, NULL);
          task_of(i)->state = SC_TASK_STOPPED;
          return;
        }
        resume_task(i, PTRACE_CONT, 0);
        break;
      default:
        if (signal == SYSCALL_STOP) {
          returned(i, step);
          resume_task(i, PTRACE_CONT, 0);
          may_sleep = 0;
        } else if (is_program || is_ignored_sigchld(signal)) {
          resume_task(i, PTRACE_CONT, signal);
        } else {
          task_of(i)->state = SC_TASK_AT_SIGNAL;
          tracee[i].signal = signal;
          return;
        }
    }
  }
}

void tracer_signal_sent(void) { ++signals; }

uint32_t tracer_signals(void) { return signals; }

void tracer_begin(void) {
  signals = 0;
  stop_signal = 0;
}

void tracer_forget(void) {
  for (uint32_t i = 0; i < shared->trace.task_count; ++i) forget_process((int)i);
}
