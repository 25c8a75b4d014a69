/* SPDX-License-Identifier: MIT
 *
 * Processes seen from outside: proc(5) and kcmp(2), nothing else. */
#define _GNU_SOURCE
#include "arena.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBERS_MAX 20001
#define SETTLE_ROUNDS_MAX 2000

static int read_file(int directory, const char *name, char *buffer, size_t size) {
  const int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  size_t used = 0;
  while (used < size - 1) {
    const ssize_t got = read(fd, buffer + used, size - 1 - used);
    if (got <= 0) break;
    used += (size_t)got;
  }
  close(fd);
  buffer[used] = 0;
  return (int)used;
}

static ssize_t read_link(int directory, const char *name, char link[SC_PATH_MAX]) {
  const ssize_t size = readlinkat(directory, name, link, SC_PATH_MAX - 1);
  link[size > 0 ? size : 0] = 0;
  return size;
}

static const char *field(const char *text, const char *name) {
  const char *at = strstr(text, name);
  return at != NULL ? at + strlen(name) : NULL;
}

static uint64_t number_field(const char *text, const char *name, int base) {
  const char *at = field(text, name);
  return at != NULL ? strtoull(at, NULL, base) : 0;
}

static int name_index(const char *link, char paths[SC_NAMES_MAX][SC_PATH_MAX]) {
  for (int i = 0; i < SC_NAMES_MAX; ++i)
    if (strcmp(link, paths[i]) == 0) return i;
  return -1;
}

static struct sc_key key_of(const char *link, const char *info) {
  const unsigned long flags = number_field(info, "flags:", 8);
  const int writes = (flags & O_ACCMODE) == O_WRONLY;
  struct sc_key key = {SC_FILE_OTHER, 0};
  const char *at;
  int name;
  if ((at = field(link, "/memfd:sc-")) != NULL) {
    key = (struct sc_key){SC_FILE_MEMFD, strtoull(at, NULL, 10)};
  } else if (strcmp(link, "/dev/null") == 0) {
    key.kind = SC_FILE_NULL;
  } else if (strncmp(link, "pipe:[", 6) == 0) {
    key = (struct sc_key){writes ? SC_FILE_PIPE_WRITE : SC_FILE_PIPE_READ, strtoull(link + 6, NULL, 10)};
  } else if (strncmp(link, "socket:[", 8) == 0) {
    key = (struct sc_key){SC_FILE_SOCKET, strtoull(link + 8, NULL, 10)};
  } else if (strstr(link, "eventfd") != NULL) {
    key = (struct sc_key){SC_FILE_EVENTFD, number_field(info, "eventfd-count:", 16)};
  } else if (strstr(link, "pidfd") != NULL) {
    key.kind = SC_FILE_PIDFD;
  } else if ((name = name_index(link, places.file)) >= 0) {
    key = (struct sc_key){SC_FILE_REGULAR, (uint64_t)name};
  } else if ((name = name_index(link, places.program)) >= 0) {
    key = (struct sc_key){SC_FILE_PROGRAM, (uint64_t)name};
  } else if ((name = name_index(link, places.fifo)) >= 0) {
    key = (struct sc_key){writes ? SC_FILE_FIFO_WRITE : SC_FILE_FIFO_READ, (uint64_t)name};
  } else {
    for (int i = 0; i < SC_NAMES_MAX; ++i)
      if (link[0] == '/' && strcmp(link + 1, places.queue[i]) == 0) key = (struct sc_key){SC_FILE_MQUEUE, (uint64_t)i};
  }
  return key;
}

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* By getdents64(2): opendir(3) allocates, and asks more than is needed here. */
static int list_numbers(int directory, int *numbers) {
  static _Alignas(8) char records[32768];
  const int fd = openat(directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int count = 0;
  if (fd < 0) return 0;
  /* Until there is nothing more: a signal, such as the tracer's tick, ends a call early (fs/readdir.c filldir64). */
  for (long size; (size = syscall(SYS_getdents64, fd, records, sizeof records)) > 0;)
    for (long at = 0; at < size && count < NUMBERS_MAX;) {
      const struct dirent64 *e = (const struct dirent64 *)(records + at);
      if (isdigit((unsigned char)e->d_name[0])) numbers[count++] = atoi(e->d_name);
      at += e->d_reclen;
    }
  close(fd);
  qsort(numbers, (size_t)count, sizeof *numbers, ascending);
  return count;
}

static int is_same_run(const struct sc_entry *a, const struct sc_entry *b) {
  /* Only long runs of /dev/null are worth joining, and cannot be told apart. */
  return a->last + 1 == b->number && a->key.kind == SC_FILE_NULL && b->key.kind == SC_FILE_NULL && a->cloexec == b->cloexec;
}

static void observe_table(struct sc_process *out, int directory) {
  static int numbers[NUMBERS_MAX];
  const int count = list_numbers(directory, numbers);
  for (int i = 0; i < count; ++i) {
    char name[32], link[SC_PATH_MAX], info[1024];
    snprintf(name, sizeof name, "fd/%d", numbers[i]);
    if (read_link(directory, name, link) < 0) continue;
    snprintf(name, sizeof name, "fdinfo/%d", numbers[i]);
    if (read_file(directory, name, info, sizeof info) < 0) continue;
    struct sc_entry entry = {.number = numbers[i], .last = numbers[i], .key = key_of(link, info), .same_as_parent = -1};
    entry.cloexec = (number_field(info, "flags:", 8) & O_CLOEXEC) != 0;
    if (entry.key.kind == SC_FILE_PIDFD) entry.pidfd_of = (int32_t)strtol(field(info, "\nPid:") ? field(info, "\nPid:") : "0", NULL, 10);
    if (out->entry_count > 0 && is_same_run(&out->entry[out->entry_count - 1], &entry)) {
      out->entry[out->entry_count - 1].last = entry.last;
    } else if (out->entry_count < SC_ENTRIES_MAX) {
      out->entry[out->entry_count++] = entry;
    } else {
      out->truncated = 1;
      return;
    }
  }
}

/* Last of all: whether it was alive until now. The file begins with its state; one that is released while it is read has no session
 * and no dispositions any more, and then no threads (kernel/exit.c __exit_signal; fs/proc/array.c task_sig). */
static int observe_status(struct sc_process *out, int directory) {
  char text[8192];
  if (read_file(directory, "status", text, sizeof text) < 0) return 0;
  out->ppid = (int32_t)number_field(text, "\nPPid:", 10);
  out->pending = number_field(text, "\nSigPnd:", 16);
  out->shared_pending = number_field(text, "\nShdPnd:", 16);
  out->mask = number_field(text, "\nSigBlk:", 16);
  out->ignored = number_field(text, "\nSigIgn:", 16);
  out->caught = number_field(text, "\nSigCgt:", 16);
  out->pgid = (int32_t)number_field(text, "\nNSpgid:", 10);
  out->sid = (int32_t)number_field(text, "\nNSsid:", 10);
  const char *at = field(text, "\nState:\t"), state = at != NULL ? *at : 'X';
  const int is_released = number_field(text, "\nThreads:", 10) == 0;
  return state != 'Z' && state != 'X' && !is_released;
}

static uint32_t count_arguments(int directory) {
  const int fd = openat(directory, "cmdline", O_RDONLY | O_CLOEXEC);
  char buffer[4096];
  uint32_t count = 0;
  if (fd < 0) return 0;
  for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;)
    for (ssize_t i = 0; i < got; ++i) count += buffer[i] == 0;
  close(fd);
  return count;
}

/* exec wakes a vfork parent in its middle (fs/exec.c exec_mmap), before it closes close-on-exec descriptors
 * and resets handlers. The argument list appears at its very end (create_elf_tables): only then is the
 * child what the program sees. Bounded; 0 for a child that exits meanwhile. */
static uint32_t wait_for_arguments(int directory) {
  char link[SC_PATH_MAX];
  for (int round = 0; round < SETTLE_ROUNDS_MAX; ++round) {
    const uint32_t count = count_arguments(directory);
    if (read_link(directory, "exe", link) <= 0) return 0; /* it is exiting: the list may have been cut short */
    if (count != 0) return count;
    if (round < 100) sched_yield();
    else usleep(100);
  }
  return 0;
}

int observe_error;

void observe_process(struct sc_process *out, pid_t pid, const char *expected) {
  char path[64], link[SC_PATH_MAX];
  snprintf(path, sizeof path, "/proc/%d", (int)pid);
  const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  out->pid = pid;
  out->observed = out->has_execed = out->truncated = 0;
  out->entry_count = out->argument_count = 0;
  if (directory < 0 && errno != ENOENT && errno != ESRCH) observe_error = errno;
  if (directory < 0) return;
  if (expected != NULL) {
    if (read_link(directory, "exe", link) <= 0) { /* it is exiting: its memory is gone */
      close(directory);
      return;
    }
    out->has_execed = strcmp(link, expected) == 0;
    if (out->has_execed && (out->argument_count = wait_for_arguments(directory)) == 0) {
      close(directory);
      return;
    }
  }
  read_link(directory, "cwd", link);
  out->cwd = name_index(link, places.directory);
  observe_table(out, directory);
  out->observed = (uint8_t)observe_status(out, directory);
  close(directory);
}

static int is_like(const struct sc_key *a, const struct sc_key *b) { return a->kind == b->kind && a->id == b->id; }

void compare_descriptions(struct sc_process *child, const struct sc_process *parent) {
  for (uint32_t i = 0; i < child->entry_count; ++i) {
    struct sc_entry *mine = &child->entry[i];
    if (mine->number != mine->last) continue;
    int tries = 0;
    mine->compared = 1;
    for (uint32_t j = 0; j < parent->entry_count; ++j) {
      const struct sc_entry *theirs = &parent->entry[j];
      if (!is_like(&mine->key, &theirs->key)) continue;
      if (theirs->number != theirs->last || ++tries > 16) {
        mine->compared = 0;
        break;
      }
      const long order = syscall(SYS_kcmp, child->pid, parent->pid, KCMP_FILE, mine->number, theirs->number);
      if (order < 0) mine->compared = 0;
      if (order == 0) mine->same_as_parent = theirs->number;
      if (order <= 0) break;
    }
  }
}

char state_in_stat(const char *text) {
  const char *after = strrchr(text, ')');
  return after != NULL && after[1] == ' ' ? after[2] : 0;
}

char observe_thread_state(pid_t pid, pid_t tid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)tid);
  return read_file(AT_FDCWD, path, text, sizeof text) > 0 ? state_in_stat(text) : 0;
}
