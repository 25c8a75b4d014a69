/* SPDX-License-Identifier: MIT
 *
 * The end of a run: nothing that it started is left. */
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
#define STRAYS_MAX 32 /* told apart */

/* By a spawn that succeeded: more of them than are observed may have. */
static int is_reported(pid_t pid) {
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o) {
      const struct sc_op_record* r = &shared->history.op[t][o];
      if (shared->op[t][o].kind == SC_OP_SPAWN && r->error == 0 && r->value[0] == pid) return 1;
    }
  return 0;
}

/* Kills what is still a child of ours: what the arena leaves comes to us, its subreaper. */
static void kill_children(void) {
  char text[4096] = "";
  const int self = proc_open_task(getpid(), getpid());
  if (self < 0) return;
  proc_read(self, "children", text, sizeof text);
  close(self);
  char* rest = text;
  for (long pid; (pid = strtol(rest, &rest, 10)) > 0;) kill((pid_t)pid, SIGKILL);
}

/* The end of a traced process is told twice: to its tracer and to its parent. */
static int is_seen(const pid_t* pids, uint32_t count, pid_t pid) {
  for (uint32_t i = 0; i < count && i < STRAYS_MAX; ++i)
    if (pids[i] == pid) return 1;
  return 0;
}

/* Asked of one that has ended and is not waited for yet. A thread that an implementation started just before the end
 * may be known to nobody: its PTRACE_EVENT_CLONE was still to be served. The leader stays until its threads are gone
 * (kernel/exit.c delay_group_leader). */
static int is_thread_of(pid_t process, pid_t tid) {
  const int task = proc_open_task(process, tid);
  if (task < 0) return 0;
  close(task);
  return 1;
}

/* Waits for a task that has ended, or stops for its tracer: its pid, 0: none now, -1: errno. `is_thread`: of the arena.
 */
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
  /* Not the arena first: a traced process is not over before its tracer has waited for each of its threads. */
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
      kill_children(); /* orphans may have come to us since */
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
