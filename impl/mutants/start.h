/* SPDX-License-Identifier: MIT
 *
 * Part of mutant.c: the caller's side: it blocks signals, clones, reads the outcome and releases everything. */
#ifndef SPAWNCHECK_MUTANTS_START_H
#define SPAWNCHECK_MUTANTS_START_H

#include <sys/mman.h>
#include <sys/wait.h>

#include "impl/mutants/child.h"

struct stack {
  char* area; /* NULL: must not be unmapped */
  char* top;
  size_t size;
};

static int make_stack(struct stack* stack) {
  static _Alignas(64) char shared[HAS(ONE_STACK) ? 65536 : 64];
  stack->size = HAS(ONE_STACK) ? sizeof shared : HAS(SMALL_STACK) ? 8192 : 262144;
  stack->area = NULL;
  stack->top = shared + sizeof shared;
  if (HAS(ONE_STACK)) return 0;
  stack->area = mmap(NULL, stack->size + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack->area == MAP_FAILED) return ENOMEM;
  mprotect(stack->area + 4096, stack->size, PROT_READ | PROT_WRITE);
  stack->top = stack->area + 4096 + stack->size;
  return 0;
}

static int clone_flags(const struct spawncheck_request* r) {
  int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | (HAS(CLONE_CHILD_MISSED) ? 0 : SIGCHLD);
  if (IS_NOT_SUSPENDED) flags &= ~CLONE_VFORK;
  if (!SHARES_TABLE) flags &= ~CLONE_FILES;
  if (HAS(EXIT_IN_COPY)) flags &= ~CLONE_VM;
  if (HAS(HANDLERS_SHARED)) flags |= CLONE_SIGHAND;
  if (HAS(FS_SHARED)) flags |= CLONE_FS;
  if ((r->set & SPAWNCHECK_WANT_PIDFD || HAS(PIDFD_UNASKED)) && !HAS(PIDFD_CHILD_LEFT)) flags |= CLONE_PIDFD;
  return flags;
}

static uint64_t known; /* MASK_IN_STATIC, MASK_ONCE */

static void block_signals(struct job* job) {
  static int is_known;
  const uint64_t all = ~0ull;
  set_mask(SIG_SETMASK, HAS(NEVER_BLOCKED) ? NULL : &all, &job->caller_mask);
  if (HAS(MASK_IN_STATIC) || (HAS(MASK_ONCE) && !is_known)) known = job->caller_mask;
  is_known = 1;
  if (HAS(MASK_ONCE)) job->caller_mask = known;
  if (HAS(LIBC_FILL)) {
    sigset_t fill;
    sigfillset(&fill);
    set_mask(SIG_SETMASK, &job->caller_mask, NULL);
    sigprocmask(SIG_SETMASK, &fill, NULL);
  }
}

static void restore_mask(const struct job* job, int pid, int error) {
  const struct spawncheck_request* r = &job->request;
  if ((HAS(MASK_LEFT) && error != 0) || (HAS(CLONE_MASK_LEFT) && pid < 0)) return;
  if (HAS(MASK_IN_STATIC))
    set_mask(SIG_SETMASK, &known, NULL);
  else
    set_mask(SIG_SETMASK, HAS(MASK_RETURNED) && r->set & SPAWNCHECK_SET_MASK ? &r->mask : &job->caller_mask, NULL);
}

static int make_channel(struct job* job) {
  int flags = HAS(PIPE_MARKED_LATER) ? 0 : O_CLOEXEC;
  if (pipe2(job->channel, flags) != 0) return errno;
  for (int i = 0; HAS(PIPE_MARKED_LATER) && i < 2; ++i) fcntl(job->channel[i], F_SETFD, FD_CLOEXEC);
  if (HAS(PIPE_PASSED)) fcntl(job->channel[1], F_SETFD, 0);
  return 0;
}

/* Reads the outcome from the pipe or from memory. */
static int read_channel(struct job* job) {
  int error = 0;
  close(job->channel[1]);
  if (HAS(PIPE_CLOSED_TWICE)) {
    for (volatile int spin = 0; spin < 2000; ++spin) continue;
    close(job->channel[1]);
  }
  if (HAS(PIPE_OVERWRITTEN) && read(job->channel[0], &error, sizeof error) == sizeof error) job->error = error;
  if (!HAS(PIPE_LEFT)) close(job->channel[0]);
  return job->error;
}

static void reap(const struct job* job, int pid) {
  if (HAS(WAIT_ONCE)) set_mask(SIG_SETMASK, &job->caller_mask, NULL);
  const int options = HAS(CLONE_CHILD_MISSED) ? 0 : __WALL;
  while (!HAS(ZOMBIE) && syscall(SYS_wait4, HAS(WAITED_FOR_ANY) ? -1 : pid, NULL, options, NULL) < 0 &&
         errno == EINTR && !HAS(WAIT_ONCE))
    continue;
}

static int open_pidfd(struct job* job, int pid) {
  job->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  return job->pidfd < 0 ? errno : 0;
}

static void give(const struct job* job, int pid, struct spawncheck_result* result) {
  const int is_asked = (job->request.set & SPAWNCHECK_WANT_PIDFD) != 0;
  result->pid = HAS(PID_ZERO) ? 0 : pid;
  result->pidfd = is_asked || HAS(PIDFD_UNASKED) ? job->pidfd : HAS(PIDFD_ZERO) ? 0 : -1;
  if (!is_asked) return;
  if (HAS(PIDFD_INHERITABLE)) fcntl(job->pidfd, F_SETFD, 0);
  if (HAS(PIDFD_MISSING)) {
    close(job->pidfd);
    result->pidfd = -1;
  }
  if (HAS(PIDFD_OF_CALLER)) {
    const int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (own >= 0 && dup3(own, job->pidfd, O_CLOEXEC) >= 0) close(own);
  }
}

static int start(struct job* job, struct spawncheck_result* result) {
  const uint32_t set = job->request.set;
  struct stack stack;
  int error = make_stack(&stack);
  if (error == 0 && HAS_CHANNEL) error = make_channel(job);
  if (error != 0) return error;
  block_signals(job);
  const int pid = clone(child_main, stack.top, clone_flags(&job->request), job, &job->pidfd);
  error = pid < 0 ? errno : job->error;
  if (HAS_CHANNEL && (error = read_channel(job)) == 0 && pid < 0) error = EAGAIN;
  if (pid >= 0 && error != 0) {
    reap(job, pid);
    if (!HAS(PIDFD_LEFT) && job->pidfd >= 0) close_number(job->pidfd);
  }
  for (; HAS(NEVER_RETURNS) && error != 0;) pause();
  if (HAS(PIDFD_CHILD_LEFT) && error == 0 && set & SPAWNCHECK_WANT_PIDFD) error = open_pidfd(job, pid);
  if (error == 0) give(job, pid, result);
  if (HAS(CHILD_LEFT) && error == 0 && set & SPAWNCHECK_WANT_PIDFD && set & SPAWNCHECK_SET_CWD) {
    close(job->pidfd);
    result->pid = result->pidfd = -1;
    error = ENOTSUP;
  }
  restore_mask(job, pid, error);
  if (stack.area && !IS_NOT_SUSPENDED) munmap(stack.area, stack.size + 4096);
  return error;
}

#endif
