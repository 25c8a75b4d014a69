/* SPDX-License-Identifier: MIT
 *
 * What a test's threads need, in warm and in fresh runs: barriers that spin, delays, cores, and the end of a run, where
 * each thread takes its pending signals and records the state that only it can read. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "litmus.h"

#define RUNS_OF_PLACEMENT 512

struct litmus_control* control;

static inline void rest(void) {
#if defined(__x86_64__)
  __asm__ volatile("pause" ::: "memory");
#else
  __asm__ volatile("" ::: "memory");
#endif
}

/* No thread leaves barrier `epoch` before all have reached it. */
void barrier(uint32_t thread, uint32_t epoch, int spins_max) {
  __atomic_store_n(&control->thread[thread].epoch, epoch, __ATOMIC_RELEASE);
  for (uint32_t t = 0; t < litmus->test.thread_count; ++t)
    for (int spins = 0; (int32_t)(__atomic_load_n(&control->thread[t].epoch, __ATOMIC_ACQUIRE) - epoch) < 0; ++spins) {
      if (spins >= spins_max)
        sched_yield();
      else
        rest();
    }
}

/* Waits for up to some microseconds: in a quarter of the cases not at all, else for a time drawn from a range whose
 * size is drawn too, since calls differ in length. */
void delay(uint64_t* random) {
  const uint64_t r = draw(random);
  if ((r & 3) == 0) return;
  const uint32_t range = 16u << ((r >> 2) & 7);
  for (uint32_t n = (uint32_t)(r >> 32) % range; n > 0; --n) __asm__ volatile("" ::: "memory");
}

/* Two cores: the calls overlap. One core: they follow one another, unless preemption splits one. Any core: the
 * scheduler decides. Returns 1 if the thread may have moved. */
int place_thread(uint32_t thread, uint64_t run, uint32_t placements, int* spins_max) {
  if (run % RUNS_OF_PLACEMENT != 0) return 0;
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  const uint32_t block = (uint32_t)(run / RUNS_OF_PLACEMENT) % 8;
  uint32_t how = block == 3 ? SC_LITMUS_ONE_CORE : block == 6 ? SC_LITMUS_ANY_CORE : SC_LITMUS_TWO_CORES;
  if ((placements & how) == 0) how = placements & -placements;
  if (cores < 2) how = SC_LITMUS_ONE_CORE;
  *spins_max = how == SC_LITMUS_ONE_CORE || litmus->test.thread_count > (uint64_t)cores ? 0
               : how == SC_LITMUS_ANY_CORE                                              ? SPINS_OF_ANY_CORE_MAX
                                                                                        : SPINS_MAX;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (long core = 0; core < cores; ++core)
    if (how == SC_LITMUS_ANY_CORE ||
        core == (how == SC_LITMUS_ONE_CORE ? (long)(run / RUNS_OF_PLACEMENT / 8) % cores : (long)thread % cores))
      CPU_SET((size_t)core, &set);
  sched_setaffinity(0, sizeof set, &set);
  return 1;
}

/* When the mask changes, the kernel looks for pending signals anew (kernel/signal.c __set_current_blocked), and on its
 * way back to user mode the thread takes all that are not blocked. */
void take_pending(void) {
  uint64_t mask = 0, more;
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask);
  more = mask ^ (1ull << (SC_SIGNAL_MAX - 1));
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &more, NULL, sizeof more);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask);
}

void tell_own(uint32_t thread) {
  struct litmus_thread* own = &control->thread[thread];
  if ((litmus->test.looks & SC_LITMUS_SIGNALS) != 0) {
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &own->mask, sizeof own->mask);
    syscall(SYS_rt_sigpending, &own->pending, sizeof own->pending);
  }
  if ((litmus->test.looks & SC_LITMUS_ALTSTACK) != 0) {
    stack_t stack = {.ss_flags = SS_DISABLE};
    syscall(SYS_sigaltstack, NULL, &stack);
    own->has_altstack = (stack.ss_flags & SS_DISABLE) == 0;
  }
}

_Noreturn void fail(const char* where, int error, uint32_t status) {
  litmus->error = error;
  snprintf(litmus->where, sizeof litmus->where, "%s", where);
  litmus->status = status;
  syscall(SYS_exit_group, 1);
  __builtin_unreachable();
}
