/* SPDX-License-Identifier: MIT
 *
 * vfork(2) and execve(2). The child runs on its caller's memory and stack until exec, so it calls only
 * async-signal-safe functions and writes only its own frames and the variables passed to `run`; the caller blocks
 * every signal meanwhile, so that none of its handlers runs in the child. The errno comes back in memory: no pipe, and
 * no descriptor in the caller's table. */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "by_hand.h"

#define CLOSE_RANGE_CLOEXEC_FLAG 4u

static int close_the_rest(const struct spawncheck_request* r) {
  for (unsigned first = 0;;) { /* the gaps between targets */
    unsigned next = ~0u;
    for (uint32_t i = 0; i < r->keep_count; ++i) {
      const unsigned target = (unsigned)r->keep[i].target;
      if (target >= first && target < next) next = target;
    }
    if (next > first && syscall(SYS_close_range, first, next == ~0u ? ~0u : next - 1, CLOSE_RANGE_CLOEXEC_FLAG) != 0)
      return -1;
    if (next == ~0u) return 0;
    first = next + 1;
  }
}

/* Runs in the child. Returns only if a step failed, with its errno. */
static __attribute__((noinline)) int run(const struct spawncheck_request* r, const uint64_t* caller_mask, int* aside) {
  by_hand_dispositions(r);
  if (by_hand_surroundings(r) != 0 || by_hand_place(r, aside) != 0) return errno;
  if (r->fd_policy == SPAWNCHECK_FDS_ONLY && close_the_rest(r) != 0) return errno;
  by_hand_mask(r->set & SPAWNCHECK_SET_MASK ? &r->mask : caller_mask, NULL);
  execve(r->path, r->argv, r->envp);
  const int error = errno;
  const uint64_t all = ~0ull;
  by_hand_mask(&all, NULL);
  return error;
}

static __attribute__((noinline)) int start(const struct spawncheck_request* r, int* aside,
                                           struct spawncheck_result* result) {
  const uint64_t all = ~0ull;
  uint64_t caller_mask;
  volatile int error = 0;
  by_hand_mask(&all, &caller_mask);
  const pid_t pid = vfork();
  if (pid == 0) {
    error = run(r, &caller_mask, aside);
    _exit(127);
  }
  if (pid < 0) error = errno;
  by_hand_mask(&caller_mask, NULL);
  if (pid > 0 && error != 0)
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  if (error == 0) result->pid = pid;
  return error;
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  int aside[BY_HAND_KEPT_MAX];
  const int saved = errno;
  result->pid = result->pidfd = -1;
  int error = by_hand_check(r);
  if (error == 0) error = start(r, aside, result);
  errno = saved;
  return result->error = error;
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {.abi = SPAWNCHECK_ABI,
                                                        .name = "vfork_exec",
                                                        .policies = 7,
                                                        .sets = 127 & ~SPAWNCHECK_WANT_PIDFD,
                                                        .promises = "",
                                                        .spawn = spawn};
  return &self;
}

const struct spawncheck_description* spawncheck_description_v1(void) {
  static const struct spawncheck_description self = {.size = sizeof self, .version = "written out by hand"};
  return &self;
}
