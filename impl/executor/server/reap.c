/* SPDX-License-Identifier: MIT
 *
 * The end of a run: no process that it started is left. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "impl/executor/observe/proc.h"
#include "impl/executor/server/server.h"
#include "impl/executor/tracer/tracer.h"

#define REAP_ROUNDS_MAX 1000
#define STRAYS_MAX 32 /* strays whose pids are remembered, so that each counts once */

/* Returns true if a spawn succeeded and returned this pid. The records have it also if the run has more children than
 * are observed. */
static int is_reported(pid_t pid) {
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o) {
      const struct sc_op_record* r = &shared->history.op[t][o];
      if (shared->op[t][o].kind == SC_OP_SPAWN && r->error == 0 && r->value[0] == pid) return 1;
    }
  return 0;
}

/* Kills every child of the server, which as subreaper is the parent of all that the arena leaves. */
static void kill_children(void) {
  char text[4096] = "";
  const int self = proc_open_task(getpid(), getpid());
  if (self < 0) return;
  proc_read(self, "children", text, sizeof text);
  close(self);
  char* rest = text;
  for (long pid; (pid = strtol(rest, &rest, 10)) > 0;) kill((pid_t)pid, SIGKILL);
}

/* Returns true if the pid has been counted: the end of a traced process is reported to its tracer and to its parent. */
static int is_seen(const pid_t* pids, uint32_t count, pid_t pid) {
  for (uint32_t i = 0; i < count && i < STRAYS_MAX; ++i)
    if (pids[i] == pid) return 1;
  return 0;
}

/* Returns true if `tid` is a thread of `process`. It must have ended and not been reaped yet. The tracer may not know a
 * thread that an implementation started just before the end: its PTRACE_EVENT_CLONE was still pending. The thread group
 * leader stays until its threads are gone (kernel/exit.c delay_group_leader). */
static int is_thread_of(pid_t process, pid_t tid) {
  const int task = proc_open_task(process, tid);
  if (task < 0) return 0;
  close(task);
  return 1;
}

/* Waits for a task that has ended, or is in a ptrace-stop. Returns its pid, 0: none now, -1: errno. `is_thread`: the
 * task is a thread of the arena. */
static pid_t wait_for_any(pid_t arena, int no_hang, int* is_thread) {
  siginfo_t info = {.si_pid = 0};
  if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | __WALL | no_hang) != 0) return -1;
  if (info.si_pid == 0) return 0;
  *is_thread = is_thread_of(arena, info.si_pid);
  return waitpid(info.si_pid, NULL, __WALL);
}

void end_run(pid_t arena, int is_judged) {
  struct sc_history* h = &shared->history;
  pid_t strays[STRAYS_MAX];
  /* Killed first, but not waited for first: the kernel does not report the end of a traced process before its tracer
   * has waited for each of its threads. */
  kill(arena, SIGKILL);
  int dying = 0;
  if (shared->policy.is_scheduled)
    dying = tracer_kill_all();
  else
    kill_children();
  for (int round = 0; round < REAP_ROUNDS_MAX; ++round) {
    int is_thread = 0;
    pid_t pid = wait_for_any(arena, round < dying ? 0 : WNOHANG, &is_thread);
    if (pid == 0) {
      kill_children(); /* orphans may have become children of the server since */
      pid = wait_for_any(arena, 0, &is_thread);
    }
    if (pid < 0 && errno == ECHILD) return;
    if (pid <= 0 || pid == arena || is_reported(pid) || !is_judged || tracer_thread(pid) >= 0 || is_thread ||
        helpers_have(pid) || is_seen(strays, h->stray_count, pid))
      continue;
    if (h->stray_count < STRAYS_MAX) strays[h->stray_count] = pid;
    if (h->stray_count++ == 0) h->stray_pid = pid;
  }
}
