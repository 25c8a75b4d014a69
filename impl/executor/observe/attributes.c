/* SPDX-License-Identifier: MIT
 *
 * THE reader of attributes (model/scenario/attributes.h), in the server.
 *
 * A thread starts with the server's own attributes, except those that the arena reports: its processors, the limit that
 * the world sets, and what a filter needs. The server reads its own attributes when it starts, and again when something
 * differs: another process may have changed them in all tasks. Which attributes a program inherits, the server finds
 * out once, by a plain fork(2) and execve(2). */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "impl/executor/observe/proc.h"

#define THOROUGH_ONE_IN 4

enum where { FROM_STATUS, FROM_TEXT, FROM_FILE, FROM_FILE_TEXT, FROM_LINK, FROM_LIMIT, FROM_TASK, FROM_SPACES };

static const struct row {
  enum where where;
  const char* name;
  int at;
} rows[SC_ATTRIBUTE_COUNT] = {
#define SC_ROW(id, text, where, name, at, shown, source) {FROM_##where, name, at},
    SC_ATTRIBUTES(SC_ROW)
#undef SC_ROW
};

static const char* const spaces[] = {"ns/mnt", "ns/pid",  "ns/pid_for_children", "ns/net",  "ns/ipc",
                                     "ns/uts", "ns/user", "ns/cgroup",           "ns/time", "ns/time_for_children"};

static uint64_t hash(uint64_t from, const char* text) {
  for (; *text != 0 && *text != '\n'; ++text) from = (from ^ (unsigned char)*text) * 0x100000001b3u;
  return from;
}

/* Bit n is processor n, below 64. The sets of a larger machine are hashed: two that differ may then look alike. Returns
 * 0 if the set is not known. */
uint64_t attributes_processors(pid_t pid) {
  uint64_t words[16] = {0}, set = 0;
  if (syscall(SYS_sched_getaffinity, pid, sizeof words, words) < 0) return 0;
  for (size_t i = sizeof words / sizeof *words; i-- > 0;) set = set * 0x9e3779b97f4a7c15u ^ words[i];
  return set;
}

static uint64_t number_at(const char* text, int place, int base) {
  char* rest = (char*)(uintptr_t)text;
  for (int i = 0; i < place; ++i) (void)strtoull(rest, &rest, base);
  return strtoull(rest, NULL, base);
}

static void know(struct sc_attributes* a, int i, uint64_t value) {
  a->known |= 1ull << i;
  a->value[i] = value;
}

/* The table has the lines in the kernel's order (fs/proc/array.c proc_pid_status), so the search for each line starts
 * at the line found last. */
void attributes_of_status(const char* text, struct sc_attributes* out) {
  const char* at = text;
  for (int i = 0; i < SC_ATTRIBUTE_COUNT; ++i) {
    const struct row* r = &rows[i];
    if (r->where > FROM_TEXT) continue;
    const char* line = at;
    const size_t length = strlen(r->name);
    while (line != NULL && strncmp(line, r->name, length) != 0)
      line = (line = strchr(line, '\n')) != NULL ? line + 1 : NULL;
    if (line == NULL) continue;
    at = line;
    line += length;
    while (*line == '\t' || *line == ' ') ++line;
    know(out, i, r->where == FROM_TEXT ? hash(1, line) : number_at(line, r->at >> 8, r->at & 0xff));
  }
}

static void read_link(int process, const char* name, int i, struct sc_attributes* out) {
  char link[SC_PATH_MAX];
  if (proc_link(process, name, link) > 0) know(out, i, hash(1, link));
}

static void read_spaces(int process, int i, struct sc_attributes* out) {
  char link[SC_PATH_MAX];
  uint64_t all = 1;
  for (size_t s = 0; s < sizeof spaces / sizeof *spaces; ++s) {
    const int is_read = proc_link(process, spaces[s], link) > 0;
    if (!is_read && errno != ENOENT) return; /* the link may not be read; ENOENT: an older kernel has no such link */
    all = hash(all, is_read ? link : "none");
  }
  know(out, i, all);
}

static void read_file(int process, const struct row* r, int i, struct sc_attributes* out) {
  char text[1024];
  if (proc_read(process, r->name, text, sizeof text) <= 0) return;
  know(out, i, r->where == FROM_FILE_TEXT ? hash(1, text) : strtoull(text, NULL, r->at));
}

static void read_limit(pid_t pid, int i, struct sc_attributes* out) {
  struct rlimit limit;
  if (i + 1 >= SC_ATTRIBUTE_COUNT || rows[i + 1].at != rows[i].at) return;
  if (syscall(SYS_prlimit64, pid, rows[i].at, NULL, &limit) != 0) return;
  know(out, i, limit.rlim_cur);
  know(out, i + 1, limit.rlim_max);
}

/* Class none means "by the nice value" at any level: kernels before 5.18 show two levels for it (block/ioprio.c
 * get_task_ioprio). */
static long io_priority(pid_t pid) {
  const long value = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, pid);
  return value >= 0 && IOPRIO_PRIO_CLASS(value) == IOPRIO_CLASS_NONE ? 0 : value;
}

static void read_of_task(pid_t pid, int what, int i, struct sc_attributes* out) {
  struct sched_param parameters;
  long value = -1;
  errno = 0;
  if (what == SC_TASK_PROCESSORS)
    value = (long)attributes_processors(pid);
  else if (what == SC_TASK_NICE)
    value = getpriority(PRIO_PROCESS, (id_t)pid);
  else if (what == SC_TASK_POLICY)
    value = syscall(SYS_sched_getscheduler, pid);
  else if (what == SC_TASK_IO_PRIORITY)
    value = io_priority(pid);
  else
    value = syscall(SYS_sched_getparam, pid, &parameters) == 0 ? parameters.sched_priority : -1;
  if (errno == 0 && (what != SC_TASK_PROCESSORS || value != 0)) know(out, i, (uint64_t)value);
}

void attributes_read(int process, pid_t pid, int is_thorough, struct sc_attributes* out) {
  for (int i = 0; i < SC_ATTRIBUTE_COUNT; ++i) {
    const struct row* r = &rows[i];
    switch (r->where) {
      case FROM_STATUS:
      case FROM_TEXT:
        break; /* attributes_of_status */
      case FROM_LINK:
        if (is_thorough || i == SC_ATTRIBUTE_DIRECTORY) read_link(process, r->name, i, out);
        break;
      case FROM_LIMIT:
        if (i == 0 || rows[i - 1].where != FROM_LIMIT || rows[i - 1].at != r->at) read_limit(pid, i, out);
        break;
      case FROM_TASK:
        read_of_task(pid, r->at, i, out);
        break;
      case FROM_FILE:
      case FROM_FILE_TEXT:
        if (is_thorough) read_file(process, r, i, out);
        break;
      case FROM_SPACES:
        if (is_thorough) read_spaces(process, i, out);
        break;
    }
  }
}

/* ---- what the arena was made with --------------------------------------------------------------- */

static struct sc_attributes own;
static uint64_t inherited;

static void read_all(int process, pid_t pid, struct sc_attributes* out) {
  char text[PROC_STATUS_MAX];
  out->known = 0;
  if (proc_read(process, "status", text, sizeof text) > 0) attributes_of_status(text, out);
  attributes_read(process, pid, 1, out);
}

static void read_own(void) {
  const int self = proc_open(getpid());
  own.known = 0;
  if (self < 0) return;
  read_all(self, getpid(), &own);
  close(self);
}

static uint64_t differences(const struct sc_attributes* a, const struct sc_attributes* b) {
  uint64_t set = 0;
  for (int i = 0; i < SC_ATTRIBUTE_COUNT; ++i)
    if ((a->known & b->known) >> i & 1 && a->value[i] != b->value[i]) set |= 1ull << i;
  return set;
}

void attributes_begin(const char* program) {
  struct sc_attributes of_program;
  read_own();
  const pid_t pid = fork();
  if (pid == 0) {
    char* const arguments[] = {(char*)(uintptr_t)program, NULL};
    execve(program, arguments, arguments + 1);
    _exit(1);
  }
  if (pid < 0) return;
  const int process = proc_open(pid);
  if (process >= 0 && proc_waits_in_program(process, program)) {
    read_all(process, pid, &of_program);
    inherited = own.known & of_program.known & ~differences(&own, &of_program);
  }
  if (process >= 0) close(process);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

int attributes_are_thorough(void) {
  uint64_t random = shared->seed ^ shared->policy.seed * (shared->policy.is_scheduled != 0);
  return random == 0 || draw(&random) % THOROUGH_ONE_IN == 0;
}

/* value ~0: the arena could not read it. */
static void set_if_told(struct sc_attributes* a, int i, uint32_t value) {
  if (value == ~0u)
    a->known &= ~(1ull << i);
  else
    a->value[i] = value;
}

static void made_with(uint32_t thread, struct sc_attributes* out) {
  const struct sc_thread_state* state = &shared->thread[thread];
  *out = own;
  out->value[SC_ATTRIBUTE_PROCESSORS] = state->processors;
  if (state->processors == 0) out->known &= ~(1ull << SC_ATTRIBUTE_PROCESSORS);
  out->value[SC_ATTRIBUTE_SOFT_NOFILE] = shared->limit;
  set_if_told(out, SC_ATTRIBUTE_NO_NEW_PRIVS, shared->no_new_privs);
  set_if_told(out, SC_ATTRIBUTE_SECCOMP, shared->seccomp);
}

static int spawns(uint32_t thread) {
  for (uint32_t o = 0; o < shared->op_count[thread]; ++o)
    if (shared->op[thread][o].kind == SC_OP_SPAWN && shared->history.op[thread][o].begin != 0) return 1;
  return 0;
}

/* Reads each thread in /proc/TID, not below /proc/PID/task: there the end of each thread would walk all that was looked
 * up (fs/proc/base.c proc_flush_pid), which took three times as long as a run. */
void attributes_of_threads(void) {
  struct sc_history* h = &shared->history;
  const int reads_left = attributes_are_thorough();
  h->inherited = inherited;
  for (uint32_t t = 0; t < shared->thread_count; ++t) {
    if (!spawns(t)) continue;
    made_with(t, &h->made[t]);
    const int task = reads_left ? proc_open(shared->thread[t].tid) : -1;
    if (task < 0) continue;
    read_all(task, shared->thread[t].tid, &h->left[t]);
    close(task);
    if (differences(&h->made[t], &h->left[t]) == 0) continue;
    read_own(); /* another process may have changed the server too */
    made_with(t, &h->made[t]);
  }
}
