/* SPDX-License-Identifier: MIT
 *
 * Part of mutant.c: deviations that change the caller, before the child starts or after. */
#ifndef SPAWNCHECK_MUTANTS_CALLER_H
#define SPAWNCHECK_MUTANTS_CALLER_H

#include <pthread.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "impl/mutants/child.h"

static void list_open(struct job* job) {
  static int listed[LISTS_NUMBERS ? LISTED_MAX : 1]; /* LISTED_ONCE */
  static uint32_t count;
  struct rlimit limit;
  if (HAS(LISTED_ONCE) && count != 0) {
    memcpy(job->listed, listed, count * sizeof *listed);
    job->listed_count = count;
    return;
  }
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  for (int n = 0; n < (int)limit.rlim_cur && n < LISTED_MAX && job->listed_count < LISTED_MAX; ++n)
    if (is_open(n)) job->listed[job->listed_count++] = n;
  memcpy(listed, job->listed, job->listed_count * sizeof *listed);
  count = job->listed_count;
}

/* Duplicates each kept source in the caller, as an implementation does that tries to protect its sources. */
static uint32_t capture(struct job* job) {
  uint32_t i = 0;
  for (; i < job->request.keep_count; ++i) {
    const int fd = fcntl(job->keep[i].source, HAS(CAPTURED_PLAIN) ? F_DUPFD : F_DUPFD_CLOEXEC, 300);
    if (fd < 0) break;
    job->keep[i].source = fd;
    for (volatile int spin = 0; spin < 2000; ++spin) continue;
    if (HAS(CAPTURED_PLAIN)) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  sort_numbers(job);
  return i;
}

static void take_pending(int signal) {
  const struct timespec no_time = {0};
  sigset_t set;
  if (signal == 0)
    sigfillset(&set);
  else
    sigemptyset(&set), sigaddset(&set, signal);
  while (sigtimedwait(&set, NULL, &no_time) > 0) continue;
}

static void install_handlers_again(void) {
  for (int s = 1; s <= 64; ++s) {
    struct kernel_action action = {0};
    if (s == 32 || s == 33 || get_action(s, &action) != 0 || action.handler == SIG_DFL || action.handler == SIG_IGN)
      continue;
    if (HAS(HANDLERS_WITHOUT_FLAGS)) action.flags &= ~(unsigned long)(SA_RESTART | SA_ONSTACK);
    if (HAS(HANDLERS_OTHER_MASK)) action.mask = ~0ull;
    set_action(s, &action);
  }
}

static void change_altstack(void) {
  stack_t stack;
  if (syscall(SYS_sigaltstack, NULL, &stack) != 0 || stack.ss_flags & SS_DISABLE) return;
  if (HAS(ALTSTACK_LOST)) stack.ss_flags = SS_DISABLE;
  stack.ss_size /= 2;
  syscall(SYS_sigaltstack, &stack, NULL);
}

/* IGNORED_MEANWHILE */
static void spare_signals(struct job* job) {
  const struct kernel_action ignore = {.handler = SIG_IGN};
  for (unsigned i = 0; i < 3; ++i) {
    get_action(spared_signals[i], &job->spared[i]);
    set_action(spared_signals[i], &ignore);
  }
}

static void restore_spared(const struct job* job) {
  for (unsigned i = 0; i < 3; ++i) set_action(spared_signals[i], &job->spared[i]);
}

/* CLEARED_MEANWHILE: close-on-exec sources lose the flag during the call. */
static void clear_sources(struct job* job) {
  for (uint32_t i = 0; i < job->source_count; ++i) {
    job->cleared[i] = fcntl(job->sources[i], F_GETFD) == FD_CLOEXEC;
    if (job->cleared[i]) fcntl(job->sources[i], F_SETFD, 0);
  }
}

static void mark_sources(const struct job* job) {
  for (uint32_t i = 0; i < job->source_count; ++i)
    if (HAS(SOURCE_MARKED) || job->cleared[i]) fcntl(job->sources[i], F_SETFD, FD_CLOEXEC);
}

static void change_attributes_of_caller(const struct spawncheck_request* r) {
  const struct itimerval none = {0}, long_from_now = {.it_value = {.tv_sec = 10000}};
  const struct kernel_action ignore = {.handler = SIG_IGN};
  if (HAS(UMASK_LEFT)) umask(0);
  if (HAS(CWD_LEFT) && r->set & SPAWNCHECK_SET_CWD) (void)!chdir(r->cwd);
  if (HAS(LIMIT_LEFT)) change_limit(RLIMIT_NOFILE, 1);
  if (HAS(TIMER_CANCELLED)) setitimer(ITIMER_REAL, &none, NULL);
  if (HAS(TIMER_LEFT)) setitimer(ITIMER_REAL, &long_from_now, NULL);
  if (HAS(DUMPABLE_CLEARED)) prctl(PR_SET_DUMPABLE, 0);
  if (HAS(NAME_CHANGED)) prctl(PR_SET_NAME, "spawning");
  if (HAS(SLACK_LEFT)) prctl(PR_SET_TIMERSLACK, 1);
  if (HAS(HUGE_PAGES_OFF)) prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  if (HAS(PIPE_IGNORED)) set_action(SIGPIPE, &ignore);
  if (HAS(CANCEL_DISABLED)) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  if (HAS(CANCEL_TYPE)) pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
}

static void change_caller(struct job* job) {
  if (HAS(SIGNAL_SWALLOWED)) take_pending(0);
  if (HAS(CHILD_SWALLOWED)) take_pending(SIGCHLD);
  while (HAS(STALE_REAPED) && waitpid(-1, NULL, WNOHANG) > 0) continue;
  if (HAS(HANDLERS_WITHOUT_FLAGS) || HAS(HANDLERS_OTHER_MASK)) install_handlers_again();
  if (HAS(ALTSTACK_SMALLER) || HAS(ALTSTACK_LOST)) change_altstack();
  if (HAS(IGNORED_MEANWHILE)) spare_signals(job);
  if (HAS(CLEARED_MEANWHILE)) clear_sources(job);
  if (HAS(SOURCE_MARKED)) mark_sources(job);
  change_attributes_of_caller(&job->request);
}

static void change_caller_after(const struct job* job) {
  if (HAS(IGNORED_MEANWHILE)) restore_spared(job);
  if (HAS(CLEARED_MEANWHILE)) mark_sources(job);
  for (uint32_t i = 0; HAS(SOURCE_CONSUMED) && i < job->source_count; ++i) close(job->sources[i]);
}

#endif
