/* SPDX-License-Identifier: MIT
 *
 * A small, correct spawn (clone with CLONE_VM, CLONE_VFORK and CLONE_FILES, then close_range UNSHARE), and
 * every planted bug as one deviation from it. SPAWNCHECK_FAULT, a number of the table in faults.h, is set
 * when it is compiled, so that each shared object contains one bug and nothing of the others.
 *
 * It is written apart from the reference on purpose: the suite must accept a second implementation, and
 * planted bugs must not be tuned to the reference. */
#define _GNU_SOURCE
#include "impl/mutants/faults.h"
#include "impl/peers/implementation.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

#define HAS(fault) (SPAWNCHECK_FAULT == SPAWNCHECK_FAULT_##fault)
#define KEEP_MAX (HAS(SMALL_STACK) ? 64 : 1024)
#define LISTED_MAX 8192

struct kernel_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

struct job {
  const struct spawncheck_request *request;
  uint64_t caller_mask;
  int error;
  int pidfd;
  int temporary;
  uint32_t listed_count;
  int listed[HAS(LISTED_BEFORE) ? LISTED_MAX : 1];
};

static long set_mask(int how, const uint64_t *set, uint64_t *old) {
  return syscall(SYS_rt_sigprocmask, how, set, old, sizeof *set);
}

static uint64_t bit(int signal) { return 1ull << (signal - 1); }

static void set_dispositions(const struct spawncheck_request *r) {
  const uint64_t dflt = r->set & SPAWNCHECK_SET_DEFAULT ? r->dflt : 0;
  const uint64_t ignore = r->set & SPAWNCHECK_SET_IGNORE ? r->ignore : 0;
  for (int s = 1; s <= 64; ++s) {
    struct kernel_action now, next = {0};
    if (s == SIGKILL || s == SIGSTOP || syscall(SYS_rt_sigaction, s, NULL, &now, sizeof now.mask) != 0) continue;
    next.handler = now.handler == SIG_IGN && !HAS(IGNORE_RESET) ? SIG_IGN : SIG_DFL;
    if (dflt & bit(s) && !(HAS(DEFAULT_IGNORED) && now.handler == SIG_IGN)) next.handler = SIG_DFL;
    if (ignore & bit(s)) next.handler = SIG_IGN;
    syscall(SYS_rt_sigaction, s, &next, NULL, sizeof next.mask);
  }
}

static int close_gap(unsigned first, unsigned last, unsigned flags) {
  if (HAS(RANGE_IGNORED) || HAS(NO_SWEEP) || HAS(LISTED_BEFORE)) return 0;
  if (HAS(LOOP_SHARED)) {
    for (unsigned n = first; n <= last && n < 4096; ++n) close((int)n);
    return 0;
  }
  if (HAS(NO_UNSHARE)) flags = 0;
  if (HAS(DROPPED_LATE)) flags |= CLOSE_RANGE_CLOEXEC;
  return (int)syscall(SYS_close_range, first, last, flags);
}

static int is_in(const int *numbers, uint32_t count, int number) {
  for (uint32_t i = 0; i < count; ++i)
    if (numbers[i] == number) return 1;
  return 0;
}

/* Closes all but the sources, the highest range first: it makes the table private. */
static int keep_sources(const struct spawncheck_request *r) {
  int sorted[KEEP_MAX], count = 0;
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (!is_in(sorted, (uint32_t)count, r->keep[i].source)) sorted[count++] = r->keep[i].source;
  for (int i = 1; i < count && !HAS(NOT_SORTED); ++i)
    for (int j = i; j > 0 && sorted[j - 1] > sorted[j]; --j) {
      const int swap = sorted[j];
      sorted[j] = sorted[j - 1];
      sorted[j - 1] = swap;
    }
  if (HAS(SWEEP_FIRST)) return close_gap(3, ~0u, CLOSE_RANGE_UNSHARE);
  unsigned flags = HAS(UNSHARE_LAST) && count > 0 ? 0 : CLOSE_RANGE_UNSHARE;
  if (close_gap(count ? (unsigned)sorted[count - 1] + 1 : 0, ~0u, flags) != 0) return -1;
  int first = 0;
  for (int i = 0; i < count; ++i) {
    flags = HAS(UNSHARE_LAST) && i == count - 1 ? CLOSE_RANGE_UNSHARE : 0;
    const int last = HAS(GAP_INCLUSIVE) ? sorted[i] : sorted[i] - 1;
    if (first <= last && close_gap((unsigned)first, (unsigned)last, flags) != 0) return -1;
    first = sorted[i] + 1;
  }
  return 0;
}

static int move_in_order(const struct spawncheck_request *r) {
  for (uint32_t n = 0; n < r->keep_count; ++n) {
    const struct spawncheck_keep *k = &r->keep[HAS(REVERSED) ? r->keep_count - 1 - n : n];
    if (k->source == k->target ? fcntl(k->source, F_SETFD, 0) : dup2(k->source, k->target) < 0) return -1;
  }
  return 0;
}

static int reopen(int number, int target) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", number);
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return dup2(number, target);
  if (fd != target && (dup2(fd, target) < 0 || close(fd) != 0)) return -1;
  return fd == target ? fcntl(fd, F_SETFD, 0) : target;
}

/* All sources are duplicated out of the way, then put where they belong. */
static int move_all(const struct spawncheck_request *r) {
  int temporary[KEEP_MAX], above = 0;
  if (HAS(SEQUENTIAL) || HAS(REVERSED)) return move_in_order(r);
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    if (r->keep[i].target >= above) above = r->keep[i].target + 1;
    if (r->keep[i].source >= above) above = r->keep[i].source + 1;
  }
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t)above + r->keep_count) {
    above = 0; /* no room above: the lowest free numbers, which no target may be then */
  }
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    const struct spawncheck_keep *k = &r->keep[i];
    temporary[i] = -1;
    if (k->source == k->target) {
      if (!HAS(IDENTITY_CLOEXEC) && fcntl(k->source, F_SETFD, 0) != 0) return -1;
      continue;
    }
    for (;;) {
      temporary[i] = fcntl(k->source, HAS(TEMPORARY_LEFT) ? F_DUPFD : F_DUPFD_CLOEXEC, above);
      if (temporary[i] < 0) {
        if (errno == EINVAL) errno = EMFILE; /* `above` has reached the limit: there is no number */
        return -1;
      }
      int taken = 0;
      for (uint32_t j = 0; j < r->keep_count; ++j) taken |= r->keep[j].target == temporary[i];
      if (!taken) break;
      above = temporary[i] + 1;
      close(temporary[i]);
    }
  }
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    const struct spawncheck_keep *k = &r->keep[i];
    if (temporary[i] < 0) continue;
    const int placed = HAS(CLOEXEC_KEPT) ? dup3(temporary[i], k->target, O_CLOEXEC)
                       : HAS(REOPENED)   ? reopen(temporary[i], k->target)
                                         : dup2(temporary[i], k->target);
    if (placed < 0 && !HAS(MOVE_UNCHECKED)) return -1;
    if (!HAS(TEMPORARY_LEFT)) close(temporary[i]);
  }
  return 0;
}

static void close_leftover_sources(const struct spawncheck_request *r) {
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    int is_target = 0;
    for (uint32_t j = 0; j < r->keep_count; ++j) is_target |= r->keep[j].target == r->keep[i].source;
    if (!is_target) close(r->keep[i].source);
  }
}

static int set_descriptors(const struct job *job) {
  const struct spawncheck_request *r = job->request;
  if (HAS(DUP_FIRST) && move_all(r) != 0) return -1;
  if (HAS(CLEAR_FIRST))
    for (uint32_t i = 0; i < r->keep_count; ++i)
      if (fcntl(r->keep[i].source, F_SETFD, 0) != 0) return -1;
  if (r->fd_policy == SPAWNCHECK_FDS_ONLY) {
    if (keep_sources(r) != 0) return -1;
    if (HAS(LISTED_BEFORE)) {
      if (unshare(CLONE_FILES) != 0) return -1;
      for (uint32_t i = 0; i < job->listed_count; ++i) {
        int is_source = 0;
        for (uint32_t j = 0; j < r->keep_count; ++j) is_source |= r->keep[j].source == job->listed[i];
        if (!is_source) close(job->listed[i]);
      }
    }
    if ((HAS(NO_SWEEP) || HAS(RANGE_IGNORED)) && unshare(CLONE_FILES) != 0) return -1;
  } else if (unshare(CLONE_FILES) != 0 && !HAS(UNSHARE_UNCHECKED)) {
    return -1;
  }
  if (!HAS(PIDFD_PASSED) && job->pidfd >= 0) close(job->pidfd);
  if (HAS(PIDFD_PASSED) && job->pidfd >= 0) fcntl(job->pidfd, F_SETFD, 0);
  if (!HAS(DUP_FIRST) && move_all(r) != 0) return -1;
  if (r->fd_policy == SPAWNCHECK_FDS_ONLY) close_leftover_sources(r);
  return 0;
}

static int child_main(void *argument) {
  struct job *job = argument;
  const struct spawncheck_request *r = job->request;
  char page[HAS(SMALL_STACK) ? 32 : 1];
  if (HAS(STILLBORN)) { /* by a call that is not visible: a scheduled run never sees the child rest */
    siginfo_t info = {.si_code = SI_QUEUE};
    syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGKILL, &info);
  }
  if (HAS(SMALL_STACK)) {
    uint32_t count = 0;
    while (r->argv[count]) ++count;
    char **copy = __builtin_alloca((count + 1) * sizeof *copy);
    memcpy(copy, r->argv, (count + 1) * sizeof *copy);
    page[0] = copy[0] ? copy[0][0] : 0;
    __asm__ volatile("" : : "r"(copy), "r"(page) : "memory");
  }
  if (HAS(UNBLOCK_EARLY)) set_mask(SIG_SETMASK, &job->caller_mask, NULL);
  set_dispositions(r);
  if (r->set & SPAWNCHECK_NEW_SESSION && setsid() < 0) goto failed;
  if (r->set & SPAWNCHECK_SET_PGROUP && !HAS(GROUP_IGNORED) && setpgid(0, r->pgroup) != 0) goto failed;
  if (r->set & SPAWNCHECK_SET_CWD && !HAS(CWD_IGNORED) && chdir(r->cwd) != 0) goto failed;
  if (set_descriptors(job) != 0) goto failed;
  const uint64_t mask = r->set & SPAWNCHECK_SET_MASK ? r->mask : job->caller_mask;
  if (!HAS(MASK_FULL)) set_mask(SIG_SETMASK, &mask, NULL);
  execve(r->path, r->argv, r->envp);
failed:
  job->error = HAS(FAILURE_HIDDEN) ? 0 : HAS(ERRNO_LOST) ? ENOENT : errno;
  _exit(127);
}

static int check(const struct spawncheck_request *r) {
  struct rlimit limit;
  if (r->keep_count > KEEP_MAX) return EINVAL;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    const struct spawncheck_keep k = r->keep[i];
    if (k.source < 0 || k.target < 0 || (rlim_t)k.target >= limit.rlim_cur) return EBADF;
    for (uint32_t j = 0; j < i; ++j)
      if (r->keep[j].target == k.target) return EINVAL;
    if (fcntl(k.source, F_GETFD) < 0) return EBADF;
  }
  return 0;
}

static void list_open(struct job *job) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  for (int n = 0; n < (int)limit.rlim_cur && n < LISTED_MAX && job->listed_count < LISTED_MAX; ++n)
    if (fcntl(n, F_GETFD) >= 0) job->listed[job->listed_count++] = n;
}

/* Duplicates each kept source in the caller, as an implementation does that means to protect them. */
static uint32_t capture(const struct spawncheck_request *r, struct spawncheck_keep *captured) {
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    captured[i].target = r->keep[i].target;
    captured[i].source = fcntl(r->keep[i].source, F_DUPFD_CLOEXEC, 300);
    if (captured[i].source < 0) return i;
    for (volatile int spin = 0; spin < 2000; ++spin) continue;
  }
  return r->keep_count;
}

static int start(struct job *job, struct spawncheck_result *result) {
  static _Alignas(64) char shared_stack[HAS(ONE_STACK) ? 65536 : 64];
  const size_t size = HAS(ONE_STACK) ? sizeof shared_stack : HAS(SMALL_STACK) ? 8192 : 65536;
  char *stack = shared_stack;
  char *area = NULL;
  if (!HAS(ONE_STACK)) {
    area = mmap(NULL, size + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) return ENOMEM;
    mprotect(area + 4096, size, PROT_READ | PROT_WRITE);
    stack = area + 4096;
  }
  int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD;
  if (HAS(NO_VFORK) || HAS(NO_VFORK_COPIED)) flags &= ~CLONE_VFORK;
  if (HAS(NO_VFORK_COPIED)) flags &= ~CLONE_FILES;
  if (job->request->set & SPAWNCHECK_WANT_PIDFD) flags |= CLONE_PIDFD;
  const uint64_t all = ~0ull;
  set_mask(SIG_SETMASK, HAS(NEVER_BLOCKED) ? NULL : &all, &job->caller_mask);
  if (HAS(LIBC_FILL)) {
    sigset_t fill;
    sigfillset(&fill);
    set_mask(SIG_SETMASK, &job->caller_mask, NULL);
    sigprocmask(SIG_SETMASK, &fill, NULL);
  }
  const int pid = clone(child_main, stack + size, flags, job, &job->pidfd);
  int error = pid < 0 ? errno : job->error;
  if (pid >= 0 && error != 0) {
    if (HAS(WAIT_ONCE)) set_mask(SIG_SETMASK, &job->caller_mask, NULL);
    if (!HAS(ZOMBIE))
      while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR && !HAS(WAIT_ONCE)) continue;
    if (!HAS(PIDFD_LEFT) && job->pidfd >= 0) close(job->pidfd);
  }
  if (HAS(NEVER_RETURNS) && error != 0)
    for (;;) pause();
  if (error == 0) {
    result->pid = pid;
    result->pidfd = job->request->set & SPAWNCHECK_WANT_PIDFD ? job->pidfd : -1;
  }
  if (!(HAS(MASK_LEFT) && error != 0) && !(HAS(CLONE_MASK_LEFT) && pid < 0)) set_mask(SIG_SETMASK, &job->caller_mask, NULL);
  if (area && !HAS(NO_VFORK) && !HAS(NO_VFORK_COPIED)) munmap(area, size + 4096);
  return error;
}

/* What is blocked and pending, as an implementation does that means to spare the child. */
static void swallow_pending(void) {
  const struct timespec no_time = {0};
  sigset_t all;
  sigfillset(&all);
  while (sigtimedwait(&all, NULL, &no_time) > 0) continue;
}

static int mutant_spawn(const struct spawncheck_request *request, struct spawncheck_result *result) {
  const int saved = errno;
  struct spawncheck_keep captured[KEEP_MAX];
  struct spawncheck_request changed = *request;
  struct job *job = mmap(NULL, sizeof *job, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  result->pid = result->pidfd = -1;
  if (job == MAP_FAILED) return result->error = ENOMEM;
  job->request = request;
  job->pidfd = -1;
  result->error = check(request);
  if (HAS(SIGNAL_SWALLOWED)) swallow_pending();
  if (HAS(ENVIRONMENT_WRITTEN) && request->envp[0] != NULL) request->envp[0][0] ^= 1;
  if (HAS(LISTED_BEFORE)) list_open(job);
  if (HAS(VISIBLE_TEMPORARY)) job->temporary = open("/dev/null", O_RDONLY | O_CLOEXEC);
  uint32_t count = 0;
  if (HAS(CAPTURED_TWICE) && result->error == 0) {
    count = capture(request, captured);
    changed.keep = captured;
    if (count == request->keep_count) job->request = &changed;
  }
  if (result->error == 0) result->error = start(job, result);
  for (uint32_t i = 0; i < count; ++i) close(captured[i].source);
  if (HAS(VISIBLE_TEMPORARY)) close(job->temporary);
  if (!HAS(NO_VFORK) && !HAS(NO_VFORK_COPIED)) munmap(job, sizeof *job);
  errno = HAS(ERRNO_WRITTEN) ? ENXIO : saved;
  return result->error;
}

static const char *const words[] = {
#define SPAWNCHECK_ROW(id, word, shows, clauses, what) word,
    SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

const struct spawncheck_implementation *spawncheck_implementation_v1(void) {
  static struct spawncheck_implementation self = {
      .abi = SPAWNCHECK_ABI,
      .policies = 7,
      .sets = 127,
      .promises = HAS(CAPTURED_TWICE) ? "fd.snapshot" : HAS(DROPPED_LATE) ? "fd.released" : "",
      .spawn = mutant_spawn,
  };
  self.name = words[SPAWNCHECK_FAULT];
  return &self;
}
