/* SPDX-License-Identifier: MIT
 *
 * fork(2), a sweep over /proc/self/fd that closes all numbers not kept, execve(2): what programs do that cannot rely on
 * close_range(2). A pipe returns the errno of a failed step; it takes two numbers of the caller's table
 * during the call. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "adapter.h"
#include "by_hand.h"

/* opendir(3) allocates: fork(2) of glibc leaves malloc usable in the child. Closing numbers during the
 * walk skips no entry: the kernel's position in the directory is the number (fs/proc/fd.c proc_readfd_common). */
static int close_the_rest(const struct spawncheck_request* r, int report) {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == NULL) return -1;
  const int own = dirfd(directory);
  for (struct dirent* entry; (entry = readdir(directory)) != NULL;) {
    char* end;
    const long number = strtol(entry->d_name, &end, 10);
    if (end == entry->d_name || *end != 0 || number == own || number == report) continue;
    if (!by_hand_is_target(r, (int)number)) close((int)number);
  }
  return closedir(directory);
}

/* The directory may get the number of a target that is not yet written, so the sweep comes last. */
static int set_descriptors(const struct spawncheck_request* r, int* report) {
  int aside[BY_HAND_KEPT_MAX];
  if (by_hand_is_target(r, *report)) {
    const int moved = by_hand_aside(r, *report);
    if (moved < 0) return -1;
    *report = moved;
  }
  if (by_hand_place(r, aside) != 0) return -1;
  return r->fd_policy == SPAWNCHECK_FDS_ONLY ? close_the_rest(r, *report) : 0;
}

static _Noreturn void child(const struct spawncheck_request* r, int report, const uint64_t* caller_mask) {
  by_hand_dispositions(r);
  if (by_hand_surroundings(r) == 0 && set_descriptors(r, &report) == 0) {
    by_hand_mask(r->set & SPAWNCHECK_SET_MASK ? &r->mask : caller_mask, NULL);
    execve(r->path, r->argv, r->envp);
  }
  const int error = errno;
  const uint64_t all = ~0ull;
  by_hand_mask(&all, NULL);
  while (write(report, &error, sizeof error) < 0 && errno == EINTR) continue;
  _exit(127);
}

static int read_error(int pipe_end) {
  int error = 0;
  ssize_t size;
  do size = read(pipe_end, &error, sizeof error);
  while (size < 0 && errno == EINTR);
  return size == (ssize_t)sizeof error ? error : 0;
}

static int start(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const uint64_t all = ~0ull;
  uint64_t caller_mask;
  int report[2], error = 0;
  if (pipe2(report, O_CLOEXEC) != 0) return errno;
  if (by_hand_is_source(r, report[0]) || by_hand_is_source(r, report[1])) { /* a source was closed since */
    close(report[0]);
    close(report[1]);
    return EBADF;
  }
  by_hand_mask(&all, &caller_mask);
  const pid_t pid = fork();
  if (pid == 0) child(r, report[1], &caller_mask);
  if (pid < 0) error = errno;
  by_hand_mask(&caller_mask, NULL);
  close(report[1]);
  if (pid > 0) error = read_error(report[0]);
  close(report[0]);
  if (pid > 0 && error != 0)
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  if (error == 0) result->pid = pid;
  return error;
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const int saved = errno;
  result->pid = result->pidfd = -1;
  int error = by_hand_check(r);
  if (error == 0) error = start(r, result);
  errno = saved;
  return result->error = error;
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {.abi = SPAWNCHECK_ABI,
                                                        .name = "sweep",
                                                        .policies = 7,
                                                        .sets = 127 & ~SPAWNCHECK_WANT_PIDFD,
                                                        .promises = "",
                                                        .spawn = spawn};
  return &self;
}

const struct spawncheck_description* spawncheck_description_v1(void) {
  static const struct spawncheck_documented_limit limits[] = {
      ADAPTER_TAKES_NUMBERS("the error pipe takes two of the caller's numbers during the call",
                            "impl/peers/sweep.c start"),
  };
  static const struct spawncheck_description self = {.size = sizeof self,
                                                     .version = "written out by hand",
                                                     .limits = limits,
                                                     .limit_count = sizeof limits / sizeof *limits};
  return &self;
}
