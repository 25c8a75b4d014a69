/* SPDX-License-Identifier: MIT
 *
 * Two spawns that fail only with several threads: programs reorder and twostage of SCTBench (Thomson, Donaldson, Betts,
 * PPoPP 2014), translated to descriptors. They take one request: policy only, standard input kept at its place.
 *
 * With CROWD: the child closes what is open and not close-on-exec, but its list holds only CROWD - 1 numbers. To fail,
 * CROWD threads must each have opened a number, and not yet marked it, when the child gets its table.
 *
 * Without CROWD: two numbers form a pair, opened one after the other. If the caller has seen the first, the child
 * closes it only if it also has the second. To fail, a thread must have opened the first when the caller looks, and no
 * thread the second when the child gets its table. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "impl/peers/implementation.h"

#ifndef CROWD
enum { first_of_pair = 9, second_of_pair = 10 };
static int is_open(int number) { return fcntl(number, F_GETFD) >= 0; }
#endif

static void close_from(unsigned number) { syscall(SYS_close_range, number, ~0u, 0); }

/* Runs in the child. */
static void close_the_rest(int has_seen_first) {
#ifdef CROWD
  int room = CROWD - 1;
  (void)has_seen_first;
  for (int n = 1; n <= CROWD; ++n)
    if (fcntl(n, F_GETFD) == 0 && room-- > 0) close(n);
  close_from(CROWD + 1);
#else
  if (has_seen_first && !is_open(second_of_pair)) {
    syscall(SYS_close_range, 1, first_of_pair - 1, 0);
    close_from(second_of_pair);
  } else {
    close_from(1);
  }
#endif
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const int callers_errno = errno;
  const uint64_t all = ~0ull;
  uint64_t callers_mask = 0;
  volatile int error = 0;
  int has_seen_first = 0;
  result->pid = result->pidfd = -1;
  if (r->keep_count != 1 || r->keep[0].source != 0 || r->keep[0].target != 0)
    return result->error = SPAWNCHECK_DECLINED;
#ifndef CROWD
  has_seen_first = is_open(first_of_pair);
#endif
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &callers_mask, sizeof all);
  const pid_t pid = vfork();
  if (pid == 0) {
    close_the_rest(has_seen_first);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &callers_mask, NULL, sizeof callers_mask);
    execve(r->path, r->argv, r->envp);
    error = errno;
    _exit(127);
  }
  if (pid < 0) error = errno;
  if (pid > 0 && error != 0)
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &callers_mask, NULL, sizeof callers_mask);
  if (error == 0) result->pid = pid;
  errno = callers_errno;
  return result->error = error;
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {.abi = SPAWNCHECK_ABI,
                                                        .name = "crowd",
                                                        .policies = 1u << SPAWNCHECK_FDS_ONLY,
                                                        .sets = 0,
                                                        .promises = "",
                                                        .spawn = spawn};
  return &self;
}
