/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "impl/executor/observe/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS_MAX 5000
#define ROUNDS_WITHOUT_SLEEP 100
#define KILL_BIT (1ull << (SIGKILL - 1))

static int open_path(const char* path, int flags) {
  int fd;
  do fd = open(path, flags | O_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  return fd;
}

int proc_is_ours(void) {
  char link[32];
  const ssize_t size = readlink("/proc/self", link, sizeof link - 1);
  link[size > 0 ? size : 0] = 0;
  return atoi(link) == (int)getpid();
}

int proc_open(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d", (int)pid);
  return open_path(path, O_RDONLY | O_DIRECTORY);
}

int proc_open_task(pid_t pid, pid_t tid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task/%d", (int)pid, (int)tid);
  return open_path(path, O_RDONLY | O_DIRECTORY);
}

int proc_open_file(pid_t pid, const char* name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  return open_path(path, O_RDONLY);
}

int proc_read(int process, const char* name, char* buffer, size_t size) {
  const int fd = openat(process, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  size_t used = 0;
  ssize_t got = 0;
  while (used < size - 1) {
    got = read(fd, buffer + used, size - 1 - used);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    used += (size_t)got;
  }
  const int error = errno;
  close(fd);
  errno = error;
  buffer[used] = 0;
  return got < 0 ? -1 : (int)used;
}

ssize_t proc_link(int process, const char* name, char link[SC_PATH_MAX]) {
  const ssize_t size = readlinkat(process, name, link, SC_PATH_MAX - 1);
  link[size > 0 ? size : 0] = 0;
  return size;
}

static int ascending(const void* a, const void* b) { return *(const int*)a - *(const int*)b; }

/* Calls getdents64(2), because opendir(3) allocates and makes more calls than are needed here. */
int proc_list(int process, const char* name, int* numbers, int max) {
  static _Alignas(8) char records[32768];
  struct record {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
  };
  const int fd = openat(process, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int count = 0;
  long size;
  if (fd < 0) return -1;
  /* Reads until nothing is left: a signal, such as the tracer's tick, ends a call early (fs/readdir.c filldir64). */
  while ((size = syscall(SYS_getdents64, fd, records, sizeof records)) != 0) {
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) break;
    for (long at = 0; at < size && count < max;) {
      const struct record* r = (const struct record*)(records + at);
      if (isdigit((unsigned char)r->name[0])) numbers[count++] = atoi(r->name);
      at += r->length;
    }
  }
  const int error = errno;
  close(fd);
  errno = error;
  if (size < 0) return -1;
  qsort(numbers, (size_t)count, sizeof *numbers, ascending);
  return count;
}

uint32_t proc_count_arguments(int process) {
  const int fd = openat(process, "cmdline", O_RDONLY | O_CLOEXEC);
  char buffer[4096];
  uint32_t count = 0;
  if (fd < 0) return 0;
  for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR);)
    for (ssize_t i = 0; i < got; ++i) count += buffer[i] == 0;
  close(fd);
  return count;
}

/* ---- state and status --------------------------------------------------------------------------- */

static char state_in_stat(const char* text) {
  const char* after = strrchr(text, ')');
  return after != NULL && after[1] == ' ' ? after[2] : 0;
}

char proc_state(int process) {
  char text[1024];
  return proc_read(process, "stat", text, sizeof text) > 0 ? state_in_stat(text) : 0;
}

char proc_state_again(int stat) {
  char text[1024];
  const ssize_t size = pread(stat, text, sizeof text - 1, 0);
  text[size > 0 ? size : 0] = 0;
  return state_in_stat(text);
}

static uint64_t number_after(const char* text, const char* name, int base) {
  const char* at = strstr(text, name);
  return at != NULL ? strtoull(at + strlen(name), NULL, base) : 0;
}

int proc_read_status(int process, struct proc_status* s) {
  char text[PROC_STATUS_MAX];
  return proc_read_status_text(process, text, s);
}

int proc_read_status_text(int process, char text[PROC_STATUS_MAX], struct proc_status* s) {
  if (proc_read(process, "status", text, PROC_STATUS_MAX) <= 0) return 0;
  const char* state = strstr(text, "\nState:\t");
  s->state = state != NULL ? state[8] : 'X';
  s->ppid = (int32_t)number_after(text, "\nPPid:", 10);
  s->threads = (uint32_t)number_after(text, "\nThreads:", 10);
  s->pending = number_after(text, "\nSigPnd:", 16);
  s->shared_pending = number_after(text, "\nShdPnd:", 16);
  s->mask = number_after(text, "\nSigBlk:", 16);
  s->ignored = number_after(text, "\nSigIgn:", 16);
  s->caught = number_after(text, "\nSigCgt:", 16);
  s->pgid = (int32_t)number_after(text, "\nNSpgid:", 10);
  s->sid = (int32_t)number_after(text, "\nNSsid:", 10);
  s->switches = number_after(text, "\nvoluntary_ctxt_switches:", 10);
  s->switches += number_after(text, "\nnonvoluntary_ctxt_switches:", 10);
  return 1;
}

/* Reads the last field of `stat` (fs/proc/array.c do_task_stat). A reader without the right to see it reads 0 there;
 * `exe` then fails with EACCES, while for a process without memory it fails with ENOENT. */
int proc_end_status(int process, int32_t* status) {
  char text[1024], link[SC_PATH_MAX];
  if (proc_read(process, "stat", text, sizeof text) <= 0 || state_in_stat(text) != 'Z') return 0;
  if (proc_link(process, "exe", link) >= 0 || errno != ENOENT) return 0;
  const char* last = strrchr(text, ' ');
  const long code = last != NULL ? strtol(last + 1, NULL, 10) : 0;
  *status = (code & 0x7f) == 0 ? (int32_t)(code >> 8 & 0xff) : -(int32_t)(code & 0x7f);
  return 1;
}

/* A process begins to end under its lock, where the kernel sends SIGKILL to every thread and wakes it (kernel/signal.c
 * complete_signal, zap_other_threads), so its main thread does not sleep any more afterwards. Between the flag and the
 * wake-up it still does: but then a reader of its pending signals, under the same lock, finds SIGKILL among them. If
 * the main thread has taken SIGKILL by then, it is awake. */
enum proc_life proc_life_of(int process) {
  struct proc_status status;
  for (int round = 0; round < ROUNDS_MAX; ++round) {
    if (round > ROUNDS_WITHOUT_SLEEP)
      usleep(100);
    else if (round > 0)
      sched_yield();
    const char before = proc_state(process);
    if (before == 0 || before == 'Z' || before == 'X') return PROC_ENDS;
    if (strchr("StT", before) == NULL || !proc_read_status(process, &status)) continue;
    if ((status.pending & KILL_BIT) != 0) return PROC_ENDS;
    if (status.state == before && proc_state(process) == before) return PROC_LIVES;
  }
  return PROC_UNKNOWN;
}

enum proc_life proc_life_of_pid(pid_t pid) {
  const int process = proc_open(pid);
  if (process < 0) return PROC_ENDS;
  const enum proc_life life = proc_life_of(process);
  close(process);
  return life;
}

/* ---- calls -------------------------------------------------------------------------------------- */

int proc_read_call(int process, struct proc_call* c) {
  char text[512], *at = text;
  const int size = proc_read(process, "syscall", text, sizeof text);
  if (size <= 0 || text[0] == 'r') return 0; /* "running" */
  *c = (struct proc_call){.number = strtol(at, &at, 10)};
  for (int i = 0; i < PROC_ARGUMENTS && c->number >= 0; ++i) c->argument[i] = strtoull(at, &at, 16);
  c->stack = strtoull(at, &at, 16);
  c->instruction = strtoull(at, &at, 16);
  return 1;
}

int proc_is_outside_exec(const struct proc_call* c) { return c->number != SYS_execve && c->number != SYS_execveat; }

int proc_waits_for_ever(const struct proc_call* c) {
  switch (c->number) {
    case SYS_openat:
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_recvmsg:
    case SYS_recvfrom:
    case SYS_sendmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_flock:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_rt_sigsuspend:
    case SYS_clone:
#ifdef SYS_clone3
    case SYS_clone3:
#endif
#ifdef SYS_open
    case SYS_open:
    case SYS_vfork:
    case SYS_pause:
#endif
      return 1;
#ifdef SYS_poll
    case SYS_poll:
      return (int32_t)c->argument[2] < 0;
    case SYS_epoll_wait:
      return (int32_t)c->argument[3] < 0;
    case SYS_select:
#endif
    case SYS_pselect6:
      return c->argument[4] == 0;
    case SYS_fcntl:
      return c->argument[1] == F_SETLKW || c->argument[1] == F_OFD_SETLKW;
    case SYS_ppoll:
    case SYS_rt_sigtimedwait:
      return c->argument[2] == 0;
    case SYS_epoll_pwait:
      return (int32_t)c->argument[3] < 0;
    case SYS_futex:
      return c->argument[3] == 0; /* a waiter: the other operations of futex(2) do not sleep */
    default:
      return 0;
  }
}
