/* SPDX-License-Identifier: MIT
 *
 * A template for your own implementation: copy this file, put your library's call where vfork(2) is, and build a
 * shared object (howto.md). Unchanged it is a correct spawn that offers little:
 *
 *   cc -shared -fPIC -I SPAWNCHECK -o mine.so template.c
 *   spawncheck check --implementation ./mine.so --seconds 60
 *
 * It does not offer what it cannot express (`policies`, `sets`), or declines single requests: neither is a
 * violation. What it offers must obey the contract: model/contract/contract.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "impl/peers/implementation.h"

struct kernel_action { /* the struct of rt_sigaction(2): libc's sigaction(3) refuses the signals that it reserves */
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

static long set_mask(const uint64_t* mask, uint64_t* old) {
  return syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, old, sizeof *mask);
}

/* Runs in the child, which has its parent's handlers and memory: no handler may run in it. */
static void reset_handlers(void) {
  for (int signal = 1; signal <= 64; ++signal) {
    struct kernel_action action = {0};
    if (syscall(SYS_rt_sigaction, signal, NULL, &action, sizeof action.mask) != 0) continue;
    if (action.handler == SIG_DFL || action.handler == SIG_IGN) continue;
    action = (struct kernel_action){.handler = SIG_DFL};
    syscall(SYS_rt_sigaction, signal, &action, NULL, sizeof action.mask);
  }
}

/* Async-signal-safe. It runs on its parent's memory and must write only `error`. */
static _Noreturn void child(const struct spawncheck_request* r, const uint64_t* callers_mask, volatile int* error) {
  reset_handlers();
  if ((r->set & SPAWNCHECK_SET_CWD) == 0 || chdir(r->cwd) == 0) {
    set_mask((r->set & SPAWNCHECK_SET_MASK) != 0 ? &r->mask : callers_mask, NULL);
    execve(r->path, r->argv, r->envp);
  }
  *error = errno;
  _exit(127);
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  const int callers_errno = errno; /* the child shares it */
  const uint64_t all = ~0ull;
  uint64_t callers_mask = 0;
  volatile int error = 0;
  result->pid = result->pidfd = -1;
  if (r->keep_count != 0) return result->error = SPAWNCHECK_DECLINED; /* nothing has been done yet */
  set_mask(&all, &callers_mask);
  const pid_t pid = vfork();
  if (pid == 0) child(r, &callers_mask, &error);
  if (pid < 0) error = errno;
  if (pid > 0 && error != 0)
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  set_mask(&callers_mask, NULL);
  if (error == 0) result->pid = pid;
  errno = callers_errno;
  return result->error = error;
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {.abi = SPAWNCHECK_ABI,
                                                        .name = "template",
                                                        .policies = 1u << SPAWNCHECK_FDS_INHERIT,
                                                        .sets = SPAWNCHECK_SET_MASK | SPAWNCHECK_SET_CWD,
                                                        .promises = "",
                                                        .spawn = spawn};
  return &self;
}

/* Optional: what your library does besides the request (habits), what its documentation excludes (limits, each with its
 * source), and what it needs before its first spawn (prepare). */
const struct spawncheck_description* spawncheck_description_v1(void) {
  static const struct spawncheck_description self = {.size = sizeof self, .habits = 0, .version = "1"};
  return &self;
}
