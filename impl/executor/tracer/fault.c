/* SPDX-License-Identifier: MIT
 *
 * One thing that goes wrong, at one visible call of one spawn. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/tracer/tracer.h"

static uint32_t calls_seen;
static int was_sent, stopped;

void fault_reset(void) {
  calls_seen = 0;
  was_sent = 0;
  stopped = -1;
}

int fault_sent(void) {
  const int sent = was_sent;
  was_sent = 0;
  return sent;
}

/* The youngest living process that the spawn has started, -1: none. */
static int child_of(const struct sc_fault* f) {
  for (int i = (int)shared->trace.task_count - 1; i >= (int)shared->thread_count; --i)
    if (shared->trace.task[i].thread == f->thread && shared->trace.task[i].operation == f->operation &&
        shared->trace.task[i].state != SC_TASK_DEAD)
      return i;
  return -1;
}

static void send_to(pid_t pid, int signal) {
  if (pid > 0) kill(pid, signal);
  tracer_signal_sent();
  was_sent = 1;
}

static void send_to_child(const struct sc_fault* f, int signal) {
  const int child = child_of(f);
  if (child >= 0) send_to(tracee[child].tid, signal);
}

int fault_before(int task) {
  const struct sc_fault* f = &shared->policy.fault;
  if (f->kind == SC_FAULT_NONE || shared->trace.task[task].thread != f->thread ||
      shared->trace.task[task].state != SC_TASK_AT_CALL)
    return 0;
  if (shared->trace.task[task].operation != f->operation || shared->trace.task[task].outside) return 0;
  if (calls_seen++ != f->at) return 0;
  shared->trace.step[shared->trace.step_count - 1].fault = 1;
  shared->history.fault = *f;
  switch (f->kind) {
    case SC_FAULT_ERROR:
      return f->value;
    case SC_FAULT_SIGNAL:
      send_to(shared->arena_pid, f->value);
      break;
    case SC_FAULT_SIGNAL_CHILD:
      send_to_child(f, f->value);
      break;
    case SC_FAULT_KILL_CHILD:
      send_to_child(f, SIGKILL);
      break;
    case SC_FAULT_STOP_CHILD:
      stopped = child_of(f);
      if (stopped >= 0) send_to(tracee[stopped].tid, SIGSTOP);
      break;
    case SC_FAULT_KILL_PARENT:
      send_to(shared->arena_pid, SIGKILL);
      break;
    default:
      break;
  }
  return 0;
}

void fault_continue(void) {
  if (stopped < 0) return;
  send_to(tracee[stopped].tid, SIGCONT);
  stopped = -1;
}
