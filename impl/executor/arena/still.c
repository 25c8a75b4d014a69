/* SPDX-License-Identifier: MIT
 *
 * Every task is looked at twice. One that is off the processor both times, and has not been on it in between (its count of
 * switches says so), slept all the while from the first look to the second; when that holds of every task there is, and both
 * looks find the same tasks, all of them slept at the instant between the looks. Then nobody is left who could wake another:
 * each is stopped, dead, or in a call without a timeout. Programs that a spawn was asked to run wait with a timeout far beyond
 * the run's bound, and count as waiting for ever.
 *
 * Rejected: "nothing has moved for 30 ms", which on a busy machine only says that nobody got the processor. */
#define _GNU_SOURCE
#include "still.h"

#include "proc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static int is_vfork(const struct proc_call *c) {
#ifdef SYS_vfork
  if (c->number == SYS_vfork) return 1;
#endif
#ifdef SYS_clone3
  if (c->number == SYS_clone3) return 1;
#endif
  return c->number == SYS_clone;
}

/* D is a vfork(2) parent, or somebody who waits for a device: its children tell which. */
static int is_still(int task, char state, int has_program) {
  struct proc_call call;
  if (is_dead(state)) return 1;
  if (strchr("SDT", state) == NULL || !proc_read_call(task, &call)) return 0;
  if (state == 'D') return is_vfork(&call);
  return state == 'T' || has_program || proc_waits_for_ever(&call);
}

static int look_at_process(struct look *look, pid_t pid, int with_children);

static int look_at_children(struct look *look, int task) {
  char text[1024];
  const int size = proc_read(task, "children", text, sizeof text);
  if (size < 0 || size == (int)sizeof text - 1) return 0;
  char *rest = text;
  for (long child; (child = strtol(rest, &rest, 10)) > 0;)
    if (!look_at_process(look, (pid_t)child, 1)) return 0;
  return 1;
}

/* The count of switches is read last: what it was then, it still is at the second look's proof that the task is off the run
 * queue, and so the task has not run in between. */
static int look_at_task(struct look *look, int task, pid_t pid, pid_t tid, int with_children) {
  struct proc_status status;
  const char state = proc_state(task);
  if (state == 0 || look->count >= TASKS_MAX) return 0;
  const int has_program = pid == tid && runs_a_program(task);
  if (!is_still(task, state, has_program) || !proc_read_status(task, &status) || status.state != state) return 0;
  look->seen[look->count++] = (struct seen){tid, state, is_dead(state) ? 0 : status.switches};
  look->is_stopped |= state == 'T';
  look->without_program += pid == tid && !has_program && !is_dead(state);
  const int before = look->without_program;
  if (with_children && !is_dead(state) && !look_at_children(look, task)) return 0;
  return state != 'D' || look->without_program > before;
}

static int look_at_process(struct look *look, pid_t pid, int with_children) {
  int tids[TASKS_MAX];
  const int process = proc_open(pid);
  if (process < 0) return 0;
  const int count = proc_list(process, "task", tids, TASKS_MAX);
  close(process);
  int ok = count > 0;
  for (int i = 0; i < count && ok; ++i) {
    const int task = proc_open_task(pid, (pid_t)tids[i]);
    ok = task >= 0 && look_at_task(look, task, pid, (pid_t)tids[i], with_children);
    if (task >= 0) close(task);
  }
  return ok;
}

/* Orphans come to the server, which is a subreaper. */
static int look_at_all(struct look *look) {
  const int self = proc_open_task(getpid(), getpid());
  const int ok = self >= 0 && look_at_children(look, self);
  if (self >= 0) close(self);
  return ok;
}

static enum stillness look_twice(pid_t arena, int with_children) {
  static struct look look[2];
  for (int i = 0; i < 2; ++i) {
    look[i].count = look[i].is_stopped = look[i].without_program = 0;
    if (!(with_children ? look_at_all(&look[i]) : look_at_process(&look[i], arena, 0))) return STILL_NOT;
  }
  int is_there = 0;
  if (look[0].count != look[1].count) return STILL_NOT;
  for (int i = 0; i < look[0].count; ++i) {
    const struct seen *a = &look[0].seen[i], *b = &look[1].seen[i];
    if (a->tid != b->tid || a->state != b->state || a->switches != b->switches) return STILL_NOT;
    is_there |= a->tid == arena && !is_dead(a->state);
  }
  if (!is_there) return STILL_NOT; /* that it has ended is found elsewhere */
  return look[0].is_stopped ? STILL_STOPPED : STILL_WAITING;
}

enum stillness look_whether_still(pid_t arena) { return look_twice(arena, 1); }
enum stillness look_whether_threads_are_still(pid_t arena) { return look_twice(arena, 0); }
