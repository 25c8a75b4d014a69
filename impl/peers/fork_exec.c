/* SPDX-License-Identifier: MIT
 *
 * fork(2) and execve(2) with an error pipe: what a good C programmer writes today. During the call the pipe
 * takes two descriptors of the caller's table, which other threads can see (`limits`, below). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peers.h"

struct kernel_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

static long set_mask(const uint64_t* set, uint64_t* old) {
  return syscall(SYS_rt_sigprocmask, SIG_SETMASK, set, old, sizeof *set);
}

static void set_dispositions(const struct spawncheck_request* r) {
  for (int s = 1; s <= 64; ++s) {
    struct kernel_action now, next = {.handler = SIG_DFL};
    if (syscall(SYS_rt_sigaction, s, NULL, &now, sizeof now.mask) != 0) continue;
    if (now.handler == SIG_IGN) next.handler = SIG_IGN;
    if (r->set & SPAWNCHECK_SET_DEFAULT && r->dflt >> (s - 1) & 1) next.handler = SIG_DFL;
    if (r->set & SPAWNCHECK_SET_IGNORE && r->ignore >> (s - 1) & 1) next.handler = SIG_IGN;
    syscall(SYS_rt_sigaction, s, &next, NULL, sizeof next.mask);
  }
}

static int is_kept(const struct spawncheck_request* r, int number) {
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (r->keep[i].target == number) return 1;
  return 0;
}

/* Runs in the child, whose table is private. `report` moves out of the way of a target. */
static int set_descriptors(const struct spawncheck_request* r, int* report) {
  int* aside = r->keep_count ? __builtin_alloca(r->keep_count * sizeof *aside) : NULL;
  int from = 0;
  for (uint32_t i = 0; i < r->keep_count; ++i)
    for (aside[i] = -1; aside[i] < 0;) { /* find a number that is no target */
      const int got = fcntl(r->keep[i].source, F_DUPFD_CLOEXEC, from);
      if (got < 0) {
        if (errno == EINVAL) errno = EMFILE; /* `from` has reached the limit */
        return -1;
      }
      from = got + 1;
      if (is_kept(r, got))
        close(got);
      else
        aside[i] = got;
    }
  while (is_kept(r, *report)) {
    const int moved = fcntl(*report, F_DUPFD_CLOEXEC, *report + 1);
    if (moved < 0) {
      if (errno == EINVAL) errno = EMFILE; /* *report + 1 has reached the limit */
      return -1;
    }
    *report = moved;
  }
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (dup2(aside[i], r->keep[i].target) < 0) return -1;
  for (uint32_t i = 0; i < r->keep_count; ++i) close(aside[i]);
  if (r->fd_policy != SPAWNCHECK_FDS_ONLY) return 0;
  for (unsigned first = 0;;) { /* the gaps between targets; the report is close-on-exec */
    unsigned next = ~0u;
    for (uint32_t i = 0; i < r->keep_count; ++i)
      if ((unsigned)r->keep[i].target >= first && (unsigned)r->keep[i].target < next)
        next = (unsigned)r->keep[i].target;
    if (next > first && syscall(SYS_close_range, first, next == ~0u ? ~0u : next - 1, 4 /* CLOEXEC */) != 0) return -1;
    if (next == ~0u) return 0;
    first = next + 1;
  }
}

static _Noreturn void child(const struct spawncheck_request* r, int report, const uint64_t* caller_mask) {
  set_dispositions(r);
  int failed = r->set & SPAWNCHECK_NEW_SESSION && setsid() < 0;
  failed = failed || (r->set & SPAWNCHECK_SET_PGROUP && setpgid(0, r->pgroup) != 0);
  failed = failed || (r->set & SPAWNCHECK_SET_CWD && chdir(r->cwd) != 0);
  failed = failed || set_descriptors(r, &report) != 0;
  if (!failed) {
    set_mask(r->set & SPAWNCHECK_SET_MASK ? &r->mask : caller_mask, NULL);
    execve(r->path, r->argv, r->envp);
  }
  const int error = errno;
  while (write(report, &error, sizeof error) < 0 && errno == EINTR) continue;
  _exit(127);
}

static int check(const struct spawncheck_request* r) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    const struct spawncheck_keep k = r->keep[i];
    if (k.source < 0 || k.target < 0 || (rlim_t)k.target >= limit.rlim_cur || fcntl(k.source, F_GETFD) < 0)
      return EBADF;
    for (uint32_t j = 0; j < i; ++j)
      if (r->keep[j].target == k.target) return EINVAL;
  }
  return 0;
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const int saved = errno;
  const uint64_t all = ~0ull;
  uint64_t caller_mask;
  int report[2], error = check(r);
  result->pid = result->pidfd = -1;
  if (error == 0 && pipe2(report, O_CLOEXEC) != 0) error = errno;
  if (error == 0) {
    set_mask(&all, &caller_mask);
    const pid_t pid = fork();
    if (pid == 0) child(r, report[1], &caller_mask);
    if (pid < 0) error = errno;
    set_mask(&caller_mask, NULL);
    close(report[1]);
    if (pid > 0) {
      ssize_t size;
      do size = read(report[0], &error, sizeof error);
      while (size < 0 && errno == EINTR);
      if (size != (ssize_t)sizeof error) error = 0;
      if (error != 0)
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
      else
        result->pid = pid;
    }
    close(report[0]);
  }
  errno = saved;
  return result->error = error;
}

const struct spawncheck_implementation* peer_fork_exec(void) {
  static const struct spawncheck_implementation self = {.abi = SPAWNCHECK_ABI,
                                                        .name = "fork_exec",
                                                        .policies = 7,
                                                        .sets = 127 & ~SPAWNCHECK_WANT_PIDFD,
                                                        .promises = "",
                                                        .spawn = spawn};
  return &self;
}

const struct spawncheck_description* peer_fork_exec_description(void) {
  static const struct spawncheck_documented_limit limits[] = {
      {"fd.untouched", "", "the error pipe takes two of the caller's numbers during the call",
       "impl/peers/fork_exec.c spawn"}};
  static const struct spawncheck_description self = {
      .size = sizeof self, .limits = limits, .limit_count = sizeof limits / sizeof *limits};
  return &self;
}
