/* SPDX-License-Identifier: MIT
 *
 * Every task is looked at twice. A task that is off the processor both times, and has not been on it in between (its
 * count of switches says so), slept from the first look to the second. If that holds of every task, and both looks find
 * the same tasks, all of them slept at the instant between the looks. Then no task is left that could wake another:
 * each is stopped, dead, or in a call without a timeout. Programs that a spawn was asked to run wait with a timeout far
 * beyond the run's bound, and count as waiting for ever.
 *
 * Rejected: "nothing has moved for 30 ms", which on a busy machine only says that no task got the processor. */
#define _GNU_SOURCE
#include "impl/executor/observe/still.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/observe/proc.h"

#define TASKS_MAX 64

struct seen {
  pid_t tid;
  char state;
  uint64_t switches;
};

struct look {
  struct seen seen[TASKS_MAX];
  int count, is_stopped;
  int without_program; /* processes that have not yet exec'd */
};

static int runs_a_program(int task) {
  char link[SC_PATH_MAX];
  if (proc_link(task, "exe", link) <= 0) return 0;
  for (int i = 0; i < SC_PROGRAM_COUNT; ++i)
    if (strcmp(link, places.executable[i]) == 0) return 1;
  for (int i = 0; i < SC_NAMES_MAX; ++i)
    if (strcmp(link, places.program[i]) == 0) return 1;
  return 0;
}

static int is_dead(char state) { return state == 'Z' || state == 'X'; }

static int is_vfork(const struct proc_call* c) {
#ifdef SYS_vfork
  if (c->number == SYS_vfork) return 1;
#endif
#ifdef SYS_clone3
  if (c->number == SYS_clone3) return 1;
#endif
  return c->number == SYS_clone;
}

/* A task in state D is a vfork(2) parent, or waits for a device: its children tell which, see look_at_task(). */
static int is_still(int task, char state, int has_program) {
  struct proc_call call;
  if (is_dead(state)) return 1;
  if (strchr("SDT", state) == NULL || !proc_read_call(task, &call)) return 0;
  if (state == 'D') return is_vfork(&call);
  return state == 'T' || has_program || proc_waits_for_ever(&call);
}

static int look_at_process(struct look* look, pid_t pid);

static int look_at_children(struct look* look, int task) {
  char text[1024];
  const int size = proc_read(task, "children", text, sizeof text);
  if (size < 0 || size == (int)sizeof text - 1) return 0;
  char* rest = text;
  for (long child; (child = strtol(rest, &rest, 10)) > 0;)
    if (!look_at_process(look, (pid_t)child)) return 0;
  return 1;
}

/* The count of switches is read last. The second look proves first that the task is off the run queue, then reads the
 * count: if it is the same, the task has not run in between. A vfork(2) parent has a child that has not exec'd. */
static int look_at_task(struct look* look, int task, pid_t pid, pid_t tid) {
  struct proc_status status;
  const char state = proc_state(task);
  if (state == 0 || look->count >= TASKS_MAX) return 0;
  const int has_program = pid == tid && runs_a_program(task);
  if (!is_still(task, state, has_program) || !proc_read_status(task, &status) || status.state != state) return 0;
  look->seen[look->count++] = (struct seen){tid, state, is_dead(state) ? 0 : status.switches};
  look->is_stopped |= state == 'T';
  look->without_program += pid == tid && !has_program && !is_dead(state);
  const int before = look->without_program;
  if (!is_dead(state) && !look_at_children(look, task)) return 0;
  return state != 'D' || look->without_program > before;
}

static int look_at_process(struct look* look, pid_t pid) {
  int tids[TASKS_MAX];
  const int process = proc_open(pid);
  if (process < 0) return 0;
  const int count = proc_list(process, "task", tids, TASKS_MAX);
  close(process);
  int ok = count > 0;
  for (int i = 0; i < count && ok; ++i) {
    const int task = proc_open_task(pid, (pid_t)tids[i]);
    ok = task >= 0 && look_at_task(look, task, pid, (pid_t)tids[i]);
    if (task >= 0) close(task);
  }
  return ok;
}

/* Orphans come to the server, which is a subreaper. */
static int look_at_all(struct look* look) {
  const int self = proc_open_task(getpid(), getpid());
  const int ok = self >= 0 && look_at_children(look, self);
  if (self >= 0) close(self);
  return ok;
}

static enum stillness look_twice(pid_t arena) {
  static struct look look[2];
  for (int i = 0; i < 2; ++i) {
    look[i].count = look[i].is_stopped = look[i].without_program = 0;
    if (!look_at_all(&look[i])) return STILL_NOT;
  }
  int is_there = 0;
  if (look[0].count != look[1].count) return STILL_NOT;
  for (int i = 0; i < look[0].count; ++i) {
    const struct seen *a = &look[0].seen[i], *b = &look[1].seen[i];
    if (a->tid != b->tid || a->state != b->state || a->switches != b->switches) return STILL_NOT;
    is_there |= a->tid == arena && !is_dead(a->state);
  }
  if (!is_there) return STILL_NOT; /* the arena has ended: the caller's waitid(2) finds that */
  return look[0].is_stopped ? STILL_STOPPED : STILL_WAITING;
}

/* ---- the scenario's own threads ----------------------------------------------------------------- */

/* Returns the state of a thread of the arena, with its call, if it is S, D or T; 0: the thread may run. Reads
 * /proc/TID: below /proc/PID/task, the end of each thread would search all that was ever looked up there
 * (fs/proc/inode.c proc_invalidate_siblings_dcache). */
static char rest_of_thread(pid_t tid, struct proc_call* call) {
  const int task = proc_open(tid);
  if (task < 0) return 0;
  char state = proc_state(task);
  if (state == 0 || strchr("SDT", state) == NULL || !proc_read_call(task, call) || proc_state(task) != state) state = 0;
  close(task);
  return state;
}

static pid_t thread_of_arena(pid_t arena, uint32_t i) { return i == 0 ? arena : shared->thread[i - 1].tid; }

enum stillness look_whether_still(pid_t arena) {
  struct proc_call call;
  for (uint32_t i = 0; i <= shared->thread_count; ++i)
    if (rest_of_thread(thread_of_arena(arena, i), &call) == 0) return STILL_NOT;
  return look_twice(arena);
}

enum stillness look_whether_signals_are_taken(pid_t arena) {
  struct proc_call call = {0};
  int is_stopped = 0;
  for (uint32_t i = 0; i <= shared->thread_count; ++i) {
    const char state = rest_of_thread(thread_of_arena(arena, i), &call);
    is_stopped |= state == 'T';
    if (state == 'T') continue;
    const int is_last_wait = call.number == SYS_futex && call.argument[0] == (uint64_t)(uintptr_t)&shared->release;
    if (state != 'S' || !is_last_wait) return STILL_NOT;
  }
  return is_stopped ? look_twice(arena) : STILL_WAITING;
}
