/* SPDX-License-Identifier: MIT
 *
 * Threads (and processes) that an implementation has of its own in a scheduled run (SPAWNCHECK_STARTS_THREADS). They
 * are traced, as all tasks are, and the filter stops them, but no schedule says when they go: whenever the server waits
 * for a task, it continues each stopped helper. So what helpers do between two steps differs from run to run.
 *
 * Rejected: to make them tasks of the schedule. The library decides how many there are and when they come to rest, so a
 * schedule that names them would hold for one version of it. Rejected as well: to leave them untraced. Without a tracer
 * the filter's verdict gives them ENOSYS. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "impl/executor/observe/proc.h"
#include "impl/executor/tracer/tracer.h"

#define HELPERS_MAX 128

static struct helper {
  pid_t tid;
  int is_over;
} helpers[HELPERS_MAX];
static uint32_t helper_count;

void helpers_begin(void) { helper_count = 0; }

int helpers_are_there(void) { return helper_count != 0; }

int helpers_have(pid_t tid) {
  for (uint32_t i = 0; i < helper_count; ++i)
    if (helpers[i].tid == tid) return 1;
  return 0;
}

/* A helper beyond HELPERS_MAX is never continued, and the run times out. */
void helpers_add(pid_t tid) {
  if (helper_count < HELPERS_MAX && !helpers_have(tid)) helpers[helper_count++] = (struct helper){tid, 0};
}

static void let_go(pid_t tid, int status) {
  const int event = status >> 16, signal = WSTOPSIG(status);
  unsigned long started = 0;
  if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
    ptrace(PTRACE_GETEVENTMSG, tid, NULL, &started);
    helpers_add((pid_t)started);
  }
  if (event == PTRACE_EVENT_STOP && is_stop_signal(signal))
    ptrace(PTRACE_LISTEN, tid, NULL, NULL);
  else
    ptrace(PTRACE_CONT, tid, NULL, (void*)(intptr_t)(event == 0 ? signal : 0));
}

void helpers_serve(void) {
  for (uint32_t i = 0; i < helper_count; ++i) {
    int status;
    if (helpers[i].is_over || waitpid(helpers[i].tid, &status, __WALL | WNOHANG) != helpers[i].tid) continue;
    helpers[i].is_over = !WIFSTOPPED(status);
    if (!helpers[i].is_over) let_go(helpers[i].tid, status);
  }
}

static int is_at_rest(pid_t tid) {
  struct proc_call call;
  const int process = proc_open(tid);
  if (process < 0) return 1; /* gone */
  const char state = proc_state(process);
  const int rests = state == 'Z' || state == 'X' || state == 0 ||
                    (state == 'S' && proc_read_call(process, &call) && proc_waits_for_ever(&call));
  close(process);
  return rests;
}

int helpers_are_at_rest(void) {
  helpers_serve();
  for (uint32_t i = 0; i < helper_count; ++i)
    if (!helpers[i].is_over && !is_at_rest(helpers[i].tid)) return 0;
  return 1;
}
