/* SPDX-License-Identifier: MIT
 *
 * Makes a process for each run of a test that may end its process, stop it, or wait for ever. The test's process keeps
 * the world, forks the run, and watches it. An operation certainly waits for ever once every thread that has not
 * finished sleeps in the kernel, because no task is left to wake it. The process is certainly stopped for good once all
 * its threads are stopped. Time decides when to look, never what was seen.
 *
 * A run's main thread blocks every signal, does nothing while the operations run, and looks when they have returned. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "litmus.h"

#define LOOK_US 300      /* a run that has not ended after this time is looked at */
#define LOOKS_MAX 100000 /* looks at one run: half a minute */
#define STACK_SIZE (128 * 1024)

static int has_signals(void) { return (litmus->test.looks & SC_LITMUS_SIGNALS) != 0; }

static void wait_for(uint32_t* word, uint32_t value, uint32_t timeout_us) {
  const struct timespec timeout = {.tv_nsec = (long)timeout_us * 1000};
  syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_us != 0 ? &timeout : NULL, NULL, 0);
}

static void count(uint32_t* word) {
  __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
  futex_wake(word);
}

/* ---- the run's process --------------------------------------------------------------------------- */

static int all_have_finished(void) {
  for (uint32_t t = 0; t < litmus->test.thread_count; ++t)
    if (!__atomic_load_n(&control->thread[t].is_finished, __ATOMIC_ACQUIRE)) return 0;
  return 1;
}

static void* thread_main(void* argument) {
  const uint32_t thread = (uint32_t)(uintptr_t)argument;
  struct litmus_thread* own = &control->thread[thread];
  uint64_t random = litmus->seed ^ (control->run * SC_LITMUS_THREADS_MAX + thread + 1) * 0x9e3779b97f4a7c15u;
  int spins_max = 0;
  own->tid = shared->thread[thread].tid = (int32_t)syscall(SYS_gettid);
  place_thread(thread, control->run * 512, litmus->placements, &spins_max); /* a placement for each run */
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &litmus->test.world.mask, NULL, sizeof litmus->test.world.mask);
  barrier(thread, 1, spins_max);
  for (uint32_t o = 0; o < litmus->test.op_count[thread]; ++o) {
    delay(&random);
    __atomic_store_n(&own->position, o + 1, __ATOMIC_SEQ_CST);
    operation_go(thread, o);
  }
  __atomic_store_n(&own->is_finished, 1, __ATOMIC_SEQ_CST);
  if (all_have_finished()) count(&control->look);
  while (__atomic_load_n(&control->look, __ATOMIC_SEQ_CST) == 0) wait_for(&control->look, 0, 0);
  if (has_signals()) take_pending();
  tell_own(thread);
  if ((litmus->test.looks & SC_LITMUS_PRIVATE) != 0) look_own(own);
  __atomic_store_n(&own->has_arrived, 1, __ATOMIC_SEQ_CST);
  count(&control->arrived);
  for (;;) wait_for(&control->recorded, 2, 0); /* never: the main thread ends the process */
  return NULL;
}

static uint32_t blocked_count(void) {
  uint32_t blocked = 0;
  for (uint32_t t = 0; t < litmus->test.thread_count; ++t)
    blocked += __atomic_load_n(&control->thread[t].is_blocked, __ATOMIC_SEQ_CST) != 0;
  return blocked;
}

static _Noreturn void run_main(pid_t holder) {
  static char stacks[SC_LITMUS_THREADS_MAX][STACK_SIZE] __attribute__((aligned(4096)));
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != holder) _exit(1);
  setpgid(0, 0);
  shared->arena_pid = (int32_t)getpid();
  if ((litmus->test.looks & SC_LITMUS_UNSAVED) != 0)
    world_build();
  else
    limit_restore();
  for (uint32_t t = 0; t < litmus->test.thread_count; ++t) {
    pthread_t thread;
    pthread_attr_t how;
    pthread_attr_init(&how);
    pthread_attr_setstack(&how, stacks[t], STACK_SIZE);
    const int error = pthread_create(&thread, &how, thread_main, (void*)(uintptr_t)t);
    if (error != 0) fail("pthread_create", error, SC_LITMUS_BROKEN);
  }
  for (;;) {
    const uint32_t arrived = __atomic_load_n(&control->arrived, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&control->look, __ATOMIC_SEQ_CST) == 0) {
      wait_for(&control->look, 0, 0);
      continue;
    }
    if (arrived + blocked_count() >= litmus->test.thread_count) break;
    wait_for(&control->arrived, arrived, 0);
  }
  struct sc_litmus_outcome outcome;
  memset(&outcome, 0, sizeof outcome);
  tell_results(&outcome);
  look_fresh(&outcome, holder);
  histogram_add(&outcome, control->run);
  __atomic_store_n(&control->recorded, 1, __ATOMIC_SEQ_CST);
  futex_wake(&control->recorded);
  syscall(SYS_exit_group, 0);
  __builtin_unreachable();
}

/* ---- the test's process -------------------------------------------------------------------------- */

/* The state letter of one thread; 0: the thread is gone. */
static char state_of(pid_t run, pid_t tid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)run, (int)tid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  text[size > 0 ? size : 0] = 0;
  const char* end = strrchr(text, ')');
  return end != NULL && end[1] == ' ' ? end[2] : 0;
}

static int is_stopped(pid_t run) {
  if (state_of(run, run) != 'T') return 0;
  for (uint32_t t = 0; t < litmus->test.thread_count; ++t)
    if (state_of(run, control->thread[t].tid) != 'T') return 0;
  return 1;
}

/* Returns the threads that wait for ever, a bit each: those that have not finished, if each of them sleeps in an
 * operation that it has begun and not left. Each is looked at twice, so that no thread was awake between the looks that
 * could have woken one that was looked at before. is_finished is read after the state: a thread that finishes in
 * between sleeps as well, in its wait for the look. */
static uint32_t who_waits(pid_t run) {
  uint32_t waits = 0, position[2][SC_LITMUS_THREADS_MAX];
  for (int round = 0; round < 2; ++round)
    for (uint32_t t = 0; t < litmus->test.thread_count; ++t) {
      const struct litmus_thread* thread = &control->thread[t];
      position[round][t] = __atomic_load_n(&thread->position, __ATOMIC_SEQ_CST);
      const char state = state_of(run, thread->tid);
      if (__atomic_load_n(&thread->is_finished, __ATOMIC_SEQ_CST)) {
        if ((waits >> t & 1) != 0) return 0;
        continue;
      }
      if (position[round][t] == 0 || (round == 1 && position[0][t] != position[1][t]) || state != 'S') return 0;
      waits |= 1u << t;
    }
  return waits;
}

/* The run has not ended for a while. Returns 1 if it is over, because its process is stopped for good. */
static int look_at(pid_t run) {
  struct sc_litmus_outcome outcome;
  if (has_signals() && is_stopped(run)) {
    memset(&outcome, 0, sizeof outcome);
    outcome.end = SC_LITMUS_STOPPED;
    histogram_add(&outcome, control->run);
    return 1;
  }
  const uint32_t waits = __atomic_load_n(&control->look, __ATOMIC_SEQ_CST) == 0 ? who_waits(run) : 0;
  if (waits == 0) return 0;
  for (uint32_t t = 0; t < litmus->test.thread_count; ++t)
    if ((waits >> t & 1) != 0) __atomic_store_n(&control->thread[t].is_blocked, 1, __ATOMIC_SEQ_CST);
  count(&control->look);
  return 0;
}

/* Waits for the run to end by itself, or ends it. */
static void watch_run(pid_t run) {
  siginfo_t info;
  for (int looks = 0; __atomic_load_n(&control->recorded, __ATOMIC_SEQ_CST) == 0; ++looks) {
    wait_for(&control->recorded, 0, LOOK_US);
    if (__atomic_load_n(&control->recorded, __ATOMIC_SEQ_CST) != 0) break;
    info.si_pid = 0;
    if (waitid(P_PID, (id_t)run, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == run) break;
    if (looks >= LOOKS_MAX) fail("a run that neither ends nor sleeps", ETIMEDOUT, SC_LITMUS_STUCK);
    if (look_at(run)) {
      kill(run, SIGKILL);
      while (waitpid(run, NULL, 0) < 0 && errno == EINTR) continue;
      return;
    }
  }
  int status = 0;
  while (waitpid(run, &status, 0) < 0 && errno == EINTR) continue;
  if (__atomic_load_n(&control->recorded, __ATOMIC_SEQ_CST) != 0) return;
  if (!WIFSIGNALED(status))
    fail(litmus->where[0] != 0 ? litmus->where : "the run's process exited", litmus->error, SC_LITMUS_BROKEN);
  struct sc_litmus_outcome outcome;
  memset(&outcome, 0, sizeof outcome);
  outcome.end = SC_LITMUS_ENDED;
  outcome.signal = (uint8_t)WTERMSIG(status);
  histogram_add(&outcome, control->run);
}

_Noreturn void run_fresh(void) {
  const uint64_t end_ms = now_ms() + litmus->time_ms_max;
  const pid_t holder = getpid();
  if ((litmus->test.looks & SC_LITMUS_UNSAVED) == 0)
    world_build();
  else
    syscall(SYS_close_range, 0u, ~0u, 0u);
  limit_raise();
  for (uint64_t run = 0; run < litmus->runs && (litmus->time_ms_max == 0 || run == 0 || now_ms() < end_ms); ++run) {
    memset(control, 0, sizeof *control);
    control->run = run;
    operations_reset();
    const pid_t child = fork();
    if (child == 0) run_main(holder);
    if (child < 0) fail("fork", errno, SC_LITMUS_BROKEN);
    watch_run(child);
    __atomic_store_n(&litmus->runs_done, run + 1, __ATOMIC_RELAXED);
  }
  litmus->status = SC_LITMUS_RAN;
  syscall(SYS_exit_group, 0);
  __builtin_unreachable();
}
