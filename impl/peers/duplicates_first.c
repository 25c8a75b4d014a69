/* SPDX-License-Identifier: MIT
 *
 * A second correct spawn, as unlike the reference as possible: nothing is shared, everything is copied. It forks,
 * duplicates all kept descriptors first, and learns the outcome of exec from an error pipe. bin/duplicates-first.so;
 * the suite must accept it.
 *
 * A pipe in the caller's table would be seen there (fd.untouched), so the caller forks a middle process, whose table is
 * its own copy, taken at one instant (fs/file.c dup_fd): fd.snapshot relies on that. The middle process duplicates
 * the kept sources away from all targets, makes the pipe, and starts the child with CLONE_PARENT, so that the caller is
 * its parent. It reads the pipe until the child has written an errno or exec has closed it, stores the outcome in a
 * shared page, and exits.
 *
 * Hazards, and what is done:
 * - Both have exit_signal 0 (a child of CLONE_PARENT has its creator's, kernel/fork.c copy_process): they raise no
 *   SIGCHLD, and neither another thread's wait nor an ignored SIGCHLD reaps them. exec sets the child's to SIGCHLD
 * (fs/exec.c de_thread) before it closes the pipe; __WCLONE finds a child that was killed earlier, as it matches only
 * children with another exit_signal.
 * - Every signal is blocked in the caller before the fork, and in both until the child has reset its handlers.
 * - The caller opens the pidfd while the child waits before its exec: later, a child that exits at once may have been
 * reaped already, if SIGCHLD is ignored. They wait for each other by futex(2), and each checks that the other
 * still lives.
 * - The middle process may be killed: CLONE_PARENT_SETTID tells the child's pid, and the caller kills the child unless
 * it has passed its exec.
 *
 * Not promised: fd.released (exec closes a dropped close-on-exec descriptor, perhaps after it has closed the pipe).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "impl/peers/implementation.h"

enum { WAITING, GO_ON, GIVE_UP };       /* shared.order */
enum { NOT_YET, STARTED, NOT_STARTED }; /* shared.child_state */
enum { CLOSE_RANGE_CLOEXEC_FLAG = 4, LOOK_AGAIN_MS = 100, KEEP_MAX = 4096 };

/* Shared by the three processes; each has the arrays of `request` in its own copy of the caller's memory. */
struct shared {
  int child;       /* stored by the kernel; 0: no child */
  int child_state; /* a futex on which the caller waits */
  int order;       /* a futex on which the child waits if a pidfd is asked for */
  int error;       /* errno of the first step that failed */
  int is_known;    /* the middle process has read the outcome */
  int aside[];     /* the duplicate of each source */
};

struct kernel_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

static long set_mask(const uint64_t* set, uint64_t* old) {
  return syscall(SYS_rt_sigprocmask, SIG_SETMASK, set, old, sizeof *set);
}

static int load(const int* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

static void store_and_wake(int* word, int value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
  syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Waits until *word differs from `value`, or for a while: then its caller checks that the other process still lives. */
static void wait_while(int* word, int value) {
  const struct timespec while_ = {.tv_nsec = LOOK_AGAIN_MS * 1000000l};
  syscall(SYS_futex, word, FUTEX_WAIT, value, &while_, NULL, 0);
}

/* ---- descriptors, in a private table ---------------------------------------------------------------------------- */

/* A duplicate must not have a named number: a target would replace it, and at the number of a closed source it would be
 * taken for that source. */
static int is_named(const struct spawncheck_request* r, int number) {
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (r->keep[i].target == number || r->keep[i].source == number) return 1;
  return 0;
}

static int above_all(const struct spawncheck_request* r) {
  int above = 0;
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    if (r->keep[i].target >= above) above = r->keep[i].target + 1;
    if (r->keep[i].source >= above) above = r->keep[i].source + 1;
  }
  return above;
}

/* Returns a duplicate at a number that the request does not name: above all named numbers, or between them if the limit
 * leaves no room above. */
static int duplicate(const struct spawncheck_request* r, int number, int above) {
  int got = fcntl(number, F_DUPFD_CLOEXEC, above);
  for (int from = 0; got < 0 && (errno == EINVAL || errno == EMFILE);) {
    got = fcntl(number, F_DUPFD_CLOEXEC, from);
    if (got < 0) {
      errno = errno == EINVAL ? EMFILE : errno; /* `from` has reached RLIMIT_NOFILE */
      return -1;
    }
    if (!is_named(r, got)) return got;
    from = got + 1;
    close(got);
    got = -1;
    errno = EMFILE;
  }
  return got;
}

/* Makes everything but the targets close-on-exec; nothing is closed, since the pipe must stay open until exec. */
static int drop_the_rest(const struct spawncheck_request* r) {
  for (unsigned first = 0;;) {
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

/* ---- the child ----------------------------------------------------------------------------------------------------
 */

static void set_dispositions(const struct spawncheck_request* r) {
  for (int s = 1; s <= 64; ++s) {
    struct kernel_action now, next = {.handler = SIG_DFL};
    if (s == SIGKILL || s == SIGSTOP || syscall(SYS_rt_sigaction, s, NULL, &now, sizeof now.mask) != 0) continue;
    if (now.handler == SIG_IGN) next.handler = SIG_IGN;
    if (r->set & SPAWNCHECK_SET_DEFAULT && r->dflt >> (s - 1) & 1) next.handler = SIG_DFL;
    if (r->set & SPAWNCHECK_SET_IGNORE && r->ignore >> (s - 1) & 1) next.handler = SIG_IGN;
    syscall(SYS_rt_sigaction, s, &next, NULL, sizeof next.mask);
  }
}

/* Exits if the order is GIVE_UP, or if the caller has died and no order will come. */
static void wait_for_order(struct shared* shared, pid_t caller) {
  while (load(&shared->order) == WAITING) {
    wait_while(&shared->order, WAITING);
    if (load(&shared->order) == WAITING && getppid() != caller) _exit(127);
  }
  if (load(&shared->order) == GIVE_UP) _exit(127);
}

static _Noreturn void run_child(const struct spawncheck_request* r, struct shared* shared, pid_t caller, int report,
                                const uint64_t* caller_mask) {
  if (r->set & SPAWNCHECK_WANT_PIDFD) wait_for_order(shared, caller);
  set_dispositions(r);
  int failed = r->set & SPAWNCHECK_NEW_SESSION && setsid() < 0;
  failed = failed || (r->set & SPAWNCHECK_SET_PGROUP && setpgid(0, r->pgroup) != 0);
  failed = failed || (r->set & SPAWNCHECK_SET_CWD && chdir(r->cwd) != 0);
  for (uint32_t i = 0; !failed && i < r->keep_count; ++i) failed = dup2(shared->aside[i], r->keep[i].target) < 0;
  failed = failed || (r->fd_policy == SPAWNCHECK_FDS_ONLY && drop_the_rest(r) != 0);
  if (!failed) {
    set_mask(r->set & SPAWNCHECK_SET_MASK ? &r->mask : caller_mask, NULL);
    execve(r->path, r->argv, r->envp);
  }
  const int error = errno;
  const uint64_t all = ~0ull;
  set_mask(&all, NULL);
  while (write(report, &error, sizeof error) < 0 && errno == EINTR) continue;
  _exit(127);
}

/* ---- the middle process --------------------------------------------------------------------------------------------
 */

static pid_t start_child(struct shared* shared) {
  return (pid_t)syscall(SYS_clone, (long)(CLONE_PARENT | CLONE_PARENT_SETTID), NULL, &shared->child, NULL, NULL);
}

/* Returns an errno, or 0: the child's exec has closed the pipe, or the child was killed. */
static int run_middle(const struct spawncheck_request* r, struct shared* shared, pid_t caller,
                      const uint64_t* caller_mask) {
  const int above = above_all(r);
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if ((shared->aside[i] = duplicate(r, r->keep[i].source, above)) < 0) return errno;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  const int report = duplicate(r, ends[1], above);
  if (report < 0) return errno;
  close(ends[1]);
  const pid_t child = start_child(shared);
  if (child < 0) return errno;
  if (child == 0) run_child(r, shared, caller, report, caller_mask);
  store_and_wake(&shared->child_state, STARTED);
  close(report);
  int error;
  ssize_t size;
  do size = read(ends[0], &error, sizeof error);
  while (size < 0 && errno == EINTR);
  return size == (ssize_t)sizeof error ? error : 0;
}

/* ---- the caller -----------------------------------------------------------------------------------------------------
 */

static int reap(pid_t pid) {
  long got;
  do got = syscall(SYS_wait4, pid, NULL, __WALL, NULL);
  while (got < 0 && errno == EINTR);
  return got == pid;
}

static int is_gone(pid_t pid) {
  siginfo_t info;
  info.si_pid = 0;
  return syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, NULL) != 0 || info.si_pid != 0;
}

/* Returns true if the child has passed its exec: then __WCLONE does not match it (kernel/exit.c eligible_child). */
static int has_passed_exec(pid_t pid) {
  siginfo_t info;
  return syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WCLONE, NULL) != 0 && errno == ECHILD;
}

/* Opens the pidfd while the child waits. Returns -1 if no child was started, or if the open failed: the child exits. */
static int open_pidfd(struct shared* shared, pid_t middle) {
  while (load(&shared->child_state) == NOT_YET && !is_gone(middle)) wait_while(&shared->child_state, NOT_YET);
  if (load(&shared->child_state) != STARTED) return -1;
  const int pidfd = (int)syscall(SYS_pidfd_open, shared->child, 0);
  if (pidfd < 0) shared->error = errno;
  store_and_wake(&shared->order, pidfd < 0 ? GIVE_UP : GO_ON);
  return pidfd;
}

/* Returns 0 if the child runs its program: the caller then owns it. Else reaps both processes and returns an errno. */
static int learn(struct shared* shared, pid_t middle) {
  reap(middle);
  const pid_t child = load(&shared->child);
  if (child == 0) return shared->error != 0 ? shared->error : ECANCELED;
  if (shared->error == 0 && has_passed_exec(child)) return 0;
  if (!shared->is_known) kill(child, SIGKILL); /* no process has reported the outcome */
  reap(child);
  return shared->error != 0 ? shared->error : ECANCELED;
}

static int start(const struct spawncheck_request* r, struct shared* shared, struct spawncheck_result* result) {
  const uint64_t all = ~0ull;
  uint64_t caller_mask;
  const pid_t caller = getpid();
  set_mask(&all, &caller_mask);
  const pid_t middle = (pid_t)syscall(SYS_clone, 0l, NULL, NULL, NULL, NULL);
  if (middle == 0) {
    const int error = run_middle(r, shared, caller, &caller_mask);
    if (error != 0)
      __atomic_compare_exchange_n(&shared->error, &(int){0}, error, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    __atomic_store_n(&shared->is_known, 1, __ATOMIC_RELEASE);
    if (load(&shared->child_state) == NOT_YET) store_and_wake(&shared->child_state, NOT_STARTED);
    _exit(0);
  }
  int error = middle < 0 ? errno : 0, pidfd = -1;
  if (error == 0) {
    if (r->set & SPAWNCHECK_WANT_PIDFD) pidfd = open_pidfd(shared, middle);
    error = learn(shared, middle);
  }
  if (error == 0) result->pid = shared->child;
  if (error == 0)
    result->pidfd = pidfd;
  else if (pidfd >= 0)
    close(pidfd);
  set_mask(&caller_mask, NULL);
  return error;
}

static int check(const struct spawncheck_request* r) {
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

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const int saved = errno;
  result->pid = result->pidfd = -1;
  int error = check(r);
  if (error == 0) {
    const size_t size = sizeof(struct shared) + r->keep_count * sizeof(int);
    struct shared* shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
      error = errno;
    else
      error = start(r, shared, result);
    if (shared != MAP_FAILED) munmap(shared, size);
  }
  errno = saved;
  return result->error = error;
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {.abi = SPAWNCHECK_ABI,
                                                        .name = "duplicates-first",
                                                        .policies = 7,
                                                        .sets = 127,
                                                        .promises = "fd.snapshot",
                                                        .spawn = spawn};
  return &self;
}
