/* SPDX-License-Identifier: MIT
 *
 * One process for all runs of a test: its threads live on, and after each run thread 0 looks at the table and restores
 * what differs. For tests whose operations return in every outcome. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "litmus.h"

#define RUNS_BETWEEN_CLOCKS 64
#define RUNS_BETWEEN_WORLDS 4096 /* a new world has nothing left of what a test should not have opened */

static const uint64_t all_signals = ~0ull;
static uint64_t end_ms;

static int has_signals(void) { return (litmus->test.looks & SC_LITMUS_SIGNALS) != 0; }

static int is_over(uint64_t run) {
  if (run >= litmus->runs) return 1;
  return litmus->time_ms_max != 0 && run != 0 && run % RUNS_BETWEEN_CLOCKS == 0 && now_ms() >= end_ms;
}

/* Called by thread 0, while the others wait at the next barrier. */
static void conclude(uint64_t run) {
  struct sc_litmus_outcome outcome;
  memset(&outcome, 0, sizeof outcome);
  tell_results(&outcome);
  look_main(&outcome);
  histogram_add(&outcome, run);
  if (run % RUNS_BETWEEN_WORLDS == RUNS_BETWEEN_WORLDS - 1)
    world_build();
  else
    world_restore(outcome.slot);
  if (has_signals()) signals_restore();
  operations_reset();
  __atomic_store_n(&litmus->runs_done, run + 1, __ATOMIC_RELAXED);
}

/* Restores what only the thread itself can restore: its alternate stack. */
static void restore_own(uint32_t thread) {
  if ((litmus->test.looks & SC_LITMUS_ALTSTACK) == 0 || !control->thread[thread].has_altstack) return;
  const stack_t none = {.ss_flags = SS_DISABLE};
  syscall(SYS_sigaltstack, &none, NULL);
}

/* Returns true if each thread must record state that thread 0 cannot read. */
static int tells(void) { return (litmus->test.looks & (SC_LITMUS_SIGNALS | SC_LITMUS_ALTSTACK)) != 0; }

/* The caller's barrier has released the threads. If they must set a mask first, a barrier after that starts the run. */
static void run_once(uint32_t thread, uint64_t* random, uint32_t* epoch, int spins_max) {
  if (has_signals()) {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &litmus->test.world.mask, NULL, sizeof all_signals);
    barrier(thread, ++*epoch, spins_max);
  }
  for (uint32_t o = 0; o < litmus->test.op_count[thread]; ++o) {
    delay(random);
    operation_go(thread, o);
  }
  barrier(thread, ++*epoch, spins_max);
  if (!tells()) return;
  if (has_signals()) {
    take_pending();
    barrier(thread, ++*epoch, spins_max);
  }
  tell_own(thread);
  if (has_signals()) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, NULL, sizeof all_signals);
  restore_own(thread);
  barrier(thread, ++*epoch, spins_max);
}

static void* thread_main(void* argument) {
  const uint32_t thread = (uint32_t)(uintptr_t)argument;
  uint64_t random = litmus->seed ^ (thread + 1) * 0x9e3779b97f4a7c15u;
  uint32_t epoch = 0;
  int spins_max = SPINS_MAX;
  shared->thread[thread].tid = (int32_t)syscall(SYS_gettid);
  barrier(thread, ++epoch, spins_max);
  for (uint64_t run = 0;; ++run) {
    if (thread == 0) control->last_run = is_over(run);
    barrier(thread, ++epoch, spins_max);
    if (control->last_run) break;
    if (place_thread(thread, run, litmus->placements, &spins_max)) barrier(thread, ++epoch, spins_max);
    run_once(thread, &random, &epoch, spins_max);
    if (thread == 0) conclude(run);
  }
  if (thread == 0) {
    litmus->status = SC_LITMUS_RAN;
    syscall(SYS_exit_group, 0);
  }
  for (;;) futex_wait(&control->look, 0, 0);
  return NULL;
}

_Noreturn void run_warm(void) {
  end_ms = now_ms() + litmus->time_ms_max;
  world_build();
  for (uint32_t t = 0; t < litmus->test.thread_count; ++t) {
    pthread_t thread;
    const int error = pthread_create(&thread, NULL, thread_main, (void*)(uintptr_t)t);
    if (error != 0) fail("pthread_create", error, SC_LITMUS_BROKEN);
  }
  for (;;) futex_wait(&control->look, 0, 0);
}
