/* SPDX-License-Identifier: MIT
 *
 * Reads the state that a run has left, by calls that cost little: F_GETFD says which numbers are open, F_DUPFD_QUERY
 * (Linux 6.10) or kcmp(2) which description each refers to, fstat(2) what kind of file a new one is. Nothing below
 * /proc is read, except the name of a memfd, if two operations make one. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "litmus.h"

#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif

static int has_query, has_kcmp;
static dev_t memfd_device, queue_device, pipe_device;
static ino_t program_inode[SC_NAMES_MAX];
static dev_t program_device;

static struct stat status_of(int fd) {
  struct stat status;
  memset(&status, 0, sizeof status);
  if (fd >= 0) fstat(fd, &status);
  return status;
}

/* Finds out, in the server and before any test, how to tell kinds of files apart, and whether descriptions can be
 * compared. */
void look_prepare(void) {
  int fd = memfd_create("probe", MFD_CLOEXEC), ends[2];
  memfd_device = status_of(fd).st_dev;
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  has_query = fcntl(fd, F_DUPFD_QUERY, copy) == 1;
  has_kcmp = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, fd, copy) == 0;
  close(copy);
  close(fd);
  fd = (int)syscall(SYS_mq_open, places.queue[0], O_RDWR | O_CREAT | O_CLOEXEC, 0600, &queue_attributes);
  queue_device = status_of(fd).st_dev;
  if (fd >= 0) close(fd);
  if (pipe2(ends, O_CLOEXEC) == 0) {
    pipe_device = status_of(ends[0]).st_dev;
    close(ends[0]);
    close(ends[1]);
  }
  for (int i = 0; i < SC_NAMES_MAX; ++i) {
    struct stat status;
    if (stat(places.program[i], &status) != 0) continue;
    program_device = status.st_dev;
    program_inode[i] = status.st_ino;
  }
}

int look_is_supported(void) { return has_kcmp; }

/* Returns true if two numbers refer to one open file description. tid 0: in the calling thread's table. */
static int is_same(pid_t tid_a, int a, pid_t tid_b, int b) {
  if (has_query && tid_a == 0 && tid_b == 0) return syscall(SYS_fcntl, a, F_DUPFD_QUERY, b) == 1;
  const pid_t own = (pid_t)syscall(SYS_gettid);
  return syscall(SYS_kcmp, tid_a != 0 ? tid_a : own, tid_b != 0 ? tid_b : own, KCMP_FILE, a, b) == 0;
}

static uint8_t kind_of_regular(const struct stat* status) {
  if (status->st_dev == memfd_device) return SC_FILE_MEMFD;
  if (status->st_dev == queue_device) return SC_FILE_MQUEUE;
  for (int i = 0; i < SC_NAMES_MAX; ++i)
    if (status->st_dev == program_device && status->st_ino == program_inode[i]) return SC_FILE_PROGRAM;
  return SC_FILE_REGULAR;
}

static uint8_t kind_of(int fd) {
  const struct stat status = status_of(fd);
  int listens = 0;
  socklen_t size = sizeof listens;
  switch (status.st_mode & S_IFMT) {
    case S_IFIFO: {
      const int writes = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
      if (status.st_dev == pipe_device) return writes ? SC_FILE_PIPE_WRITE : SC_FILE_PIPE_READ;
      return writes ? SC_FILE_FIFO_WRITE : SC_FILE_FIFO_READ;
    }
    case S_IFSOCK:
      return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens ? SC_FILE_LISTENER
                                                                                        : SC_FILE_SOCKET;
    case S_IFCHR:
      return SC_FILE_NULL;
    case S_IFREG:
      return kind_of_regular(&status);
    default:
      return SC_FILE_EVENTFD;
  }
}

/* Returns 1 + thread * SC_LITMUS_OPS_MAX + operation of the one that made the file (sc_identity_of_op); 0: unknown. */
static uint8_t creator_of(int fd, uint8_t kind) {
  uint64_t identity = 0;
  char path[64], name[64];
  if (kind == SC_FILE_EVENTFD && read(fd, &identity, sizeof identity) != (ssize_t)sizeof identity) return 0;
  if (kind == SC_FILE_MEMFD) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(path, name, sizeof name - 1);
    name[size > 0 ? size : 0] = 0;
    const char* number = strstr(name, "sc-");
    if (number != NULL) identity = strtoull(number + 3, NULL, 10);
  }
  if (identity < 1000) return 0;
  return (uint8_t)(1 + (identity - 1000) / 100 * SC_LITMUS_OPS_MAX + (identity - 1000) % 100);
}

/* The descriptions that the run has made, and how to compare others with them. */
struct naming {
  struct sc_litmus_outcome* out;
  pid_t holder; /* the process that keeps duplicates of the world's descriptions; 0: the calling thread does */
  uint32_t fresh_count;
  pid_t fresh_tid[SC_LITMUS_FRESH_MAX]; /* a thread, and a number in its table, that refers to the description */
  int fresh_number[SC_LITMUS_FRESH_MAX];
};

static int world_description(const struct naming* n, pid_t tid, int number, int expected, int marked) {
  if (world_is_marked()) return marked;
  if (expected >= 0 && is_same(tid, number, n->holder, saved_number(expected))) return expected;
  for (int d = 0; d < saved_count; ++d)
    if (d != expected && is_same(tid, number, n->holder, saved_number(d))) return d;
  return -1;
}

/* kind -1: the number is in the calling thread's table, and its kind is read if needed. */
static uint8_t name_of(struct naming* n, pid_t tid, int number, int expected, int marked, int kind) {
  const int known = world_description(n, tid, number, expected, marked);
  if (known >= 0) return (uint8_t)(1 + known);
  for (uint32_t i = 0; i < n->fresh_count; ++i)
    if (is_same(tid, number, n->fresh_tid[i], n->fresh_number[i])) return (uint8_t)(SC_LITMUS_FIRST_FRESH + i);
  if (n->fresh_count >= SC_LITMUS_FRESH_MAX) return SC_LITMUS_UNKNOWN;
  const uint32_t i = n->fresh_count++;
  n->fresh_tid[i] = tid;
  n->fresh_number[i] = number;
  struct sc_litmus_fresh* fresh = &n->out->fresh[i];
  fresh->kind = kind >= 0 ? (uint8_t)kind : kind_of(number);
  const int is_told = (litmus->test.looks & SC_LITMUS_CREATORS) != 0 &&
                      (fresh->kind == SC_FILE_MEMFD || fresh->kind == SC_FILE_EVENTFD);
  fresh->creator = is_told && kind < 0 ? creator_of(number, fresh->kind) : 0;
  return (uint8_t)(SC_LITMUS_FIRST_FRESH + i);
}

static int expected_at(uint32_t i) { return wanted[i] == 0 ? -1 : (wanted[i] & ~SC_LITMUS_CLOEXEC) - 1; }

static void look(struct naming* n) {
  for (uint32_t i = 0; i < litmus->test.number_count; ++i) {
    const int number = litmus->test.number[i];
    const long flags = syscall(SYS_fcntl, number, F_GETFD, 0);
    if (flags < 0) continue;
    const int marked = world_is_marked() ? world_marked(number) : -1;
    n->out->slot[i] = (uint8_t)(name_of(n, 0, number, expected_at(i), marked, -1) |
                                ((flags & FD_CLOEXEC) != 0 ? SC_LITMUS_CLOEXEC : 0));
  }
}

void look_own(struct litmus_thread* own) {
  for (uint32_t i = 0; i < litmus->test.number_count; ++i) {
    const int number = litmus->test.number[i];
    own->flags[i] = (int8_t)syscall(SYS_fcntl, number, F_GETFD, 0);
    if (own->flags[i] < 0) continue;
    own->kind[i] = kind_of(number);
    own->marked[i] = (int8_t)(world_is_marked() ? world_marked(number) : -1);
  }
}

void look_main(struct sc_litmus_outcome* out) {
  struct naming n = {.out = out};
  look(&n);
}

void look_fresh(struct sc_litmus_outcome* out, pid_t holder) {
  struct naming n = {.out = out, .holder = holder};
  const pid_t own = (pid_t)syscall(SYS_gettid);
  look(&n);
  for (uint32_t t = 0; t < litmus->test.thread_count && (litmus->test.looks & SC_LITMUS_PRIVATE) != 0; ++t) {
    const struct litmus_thread* thread = &control->thread[t];
    if (!thread->has_arrived || syscall(SYS_kcmp, own, thread->tid, KCMP_FILES, 0, 0) == 0) continue;
    out->has_own_table |= (uint8_t)(1u << t);
    for (uint32_t i = 0; i < litmus->test.number_count; ++i)
      if (thread->flags[i] >= 0)
        out->own_slot[t][i] = (uint8_t)(name_of(&n, thread->tid, litmus->test.number[i], expected_at(i),
                                                thread->marked[i], thread->kind[i]) |
                                        ((thread->flags[i] & FD_CLOEXEC) != 0 ? SC_LITMUS_CLOEXEC : 0));
  }
}

static void tell_signals(struct sc_litmus_outcome* out) {
  const struct sc_litmus_test* test = &litmus->test;
  const struct sc_history* h = &shared->history;
  for (uint32_t i = 0; i < test->signal_count; ++i) {
    struct {
      void (*handler)(int);
      unsigned long rest[3];
    } action;
    for (uint32_t r = 0; r < h->handled_count && r < SC_HANDLED_MAX; ++r)
      out->handled[i] = (uint8_t)(out->handled[i] + (h->handled[r].signal == test->signal[i]));
    if (syscall(SYS_rt_sigaction, test->signal[i], NULL, &action, sizeof(uint64_t)) != 0) continue;
    if (action.handler == SIG_IGN)
      out->ignored |= 1ull << (test->signal[i] - 1);
    else if (action.handler != SIG_DFL)
      out->caught |= 1ull << (test->signal[i] - 1);
  }
  for (uint32_t t = 0; t < test->thread_count; ++t) {
    if (control->thread[t].is_blocked) continue;
    out->mask[t] = control->thread[t].mask;
    out->pending[t] = control->thread[t].pending;
  }
}

void tell_results(struct sc_litmus_outcome* out) {
  const struct sc_litmus_test* test = &litmus->test;
  for (uint32_t t = 0; t < test->thread_count; ++t)
    for (uint32_t o = 0; o < test->op_count[t]; ++o) {
      const struct sc_op_record* r = &shared->history.op[t][o];
      struct sc_litmus_result* to = &out->result[t][o];
      to->value[0] = to->value[1] = -1;
      if (__atomic_load_n(&r->end, __ATOMIC_ACQUIRE) == 0) continue;
      to->has_returned = 1;
      to->error = (uint8_t)r->error;
      for (int i = 0; i < 2 && r->error == 0; ++i) to->value[i] = (int16_t)r->value[i];
    }
  if ((test->looks & SC_LITMUS_SIGNALS) != 0) tell_signals(out);
  for (uint32_t t = 0; t < test->thread_count && (test->looks & SC_LITMUS_ALTSTACK) != 0; ++t)
    if (!control->thread[t].is_blocked && control->thread[t].has_altstack) out->altstacks |= (uint8_t)(1u << t);
  struct rlimit limit;
  if ((test->looks & SC_LITMUS_LIMIT) != 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0)
    out->limit = (int32_t)limit.rlim_cur;
}
