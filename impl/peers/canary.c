/* SPDX-License-Identifier: MIT
 *
 * The canary has two deliberate bugs: it calls dup2 in list order, so that swaps and chains lose a source; and
 * it clears close-on-exec while the table is still shared, so that the parent's descriptors lose the flag.
 * The suite must reject it, by property tests and by both fuzzers. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peers.h"

#define STACK_SIZE 65536

struct job {
  const struct spawncheck_request* request;
  uint64_t caller_mask;
  int error;
};

static void close_numbers(unsigned first, unsigned last) {
  if (syscall(SYS_close_range, first, last, 0) == 0) return;
  for (unsigned n = first; n <= last && n < 20000; ++n) close((int)n); /* a kernel without close_range(2) */
}

static int set_descriptors(const struct spawncheck_request* r) {
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (fcntl(r->keep[i].source, F_SETFD, 0) != 0) return -1;
  if (unshare(CLONE_FILES) != 0) return -1;
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (dup2(r->keep[i].source, r->keep[i].target) < 0) return -1;
  if (r->fd_policy != SPAWNCHECK_FDS_ONLY) return 0;
  for (unsigned first = 0;;) { /* the gaps between targets: few calls, so that a scheduled run holds them all */
    unsigned next = ~0u;
    for (uint32_t i = 0; i < r->keep_count; ++i) {
      const unsigned target = (unsigned)r->keep[i].target;
      if (target >= first && target < next) next = target;
    }
    if (next > first) close_numbers(first, next == ~0u ? ~0u : next - 1);
    if (next == ~0u) return 0;
    first = next + 1;
  }
}

static int child(void* argument) {
  struct job* job = argument;
  const struct spawncheck_request* r = job->request;
  for (int s = 1; s < 32; ++s) {
    struct sigaction action;
    if (sigaction(s, NULL, &action) == 0 && action.sa_handler != SIG_IGN) signal(s, SIG_DFL);
  }
  if (set_descriptors(r) == 0) {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, r->set & SPAWNCHECK_SET_MASK ? &r->mask : &job->caller_mask, NULL,
            sizeof r->mask);
    execve(r->path, r->argv, r->envp);
  }
  job->error = errno;
  _exit(127);
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const int saved = errno;
  const uint64_t all = ~0ull;
  struct job job = {.request = r};
  result->pid = result->pidfd = -1;
  char* stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) return result->error = ENOMEM;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &job.caller_mask, sizeof all);
  const int pid = clone(child, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &job);
  result->error = pid < 0 ? errno : job.error;
  if (pid > 0 && job.error != 0)
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  if (result->error == 0) result->pid = pid;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &job.caller_mask, NULL, sizeof all);
  munmap(stack, STACK_SIZE);
  errno = saved;
  return result->error;
}

const struct spawncheck_implementation* peer_canary(void) {
  static const struct spawncheck_implementation self = {.abi = SPAWNCHECK_ABI,
                                                        .name = "canary",
                                                        .policies = 7,
                                                        .sets = SPAWNCHECK_SET_MASK,
                                                        .promises = "",
                                                        .spawn = spawn};
  return &self;
}

#ifdef SPAWNCHECK_CANARY_OBJECT
const struct spawncheck_implementation* spawncheck_implementation_v1(void) { return peer_canary(); }
#endif
