/* SPDX-License-Identifier: MIT
 *
 * The arena process: makes the world, then runs the scenario's threads against one another. The main
 * thread blocks every signal and does nothing meanwhile; a finished thread waits, with its mask as the
 * scenario left it, until the server kills the process. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"

void attract_attention(void) {
  if (shared->policy.is_scheduled) return; /* the tracer sees for itself */
  __atomic_fetch_add(&shared->attention, 1, __ATOMIC_SEQ_CST);
  futex_wake(&shared->attention);
}

uint32_t next_stamp(void) { return __atomic_add_fetch(&shared->stamp, 1, __ATOMIC_SEQ_CST); }

static void spin_ns(uint32_t ns) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < (long)ns);
}

/* Provokes races: of eight operations three start at once, one yields first, two start up to 3 us later, and two up to
 * 60 us later, which is as long as a whole spawn takes. */
static void perturb(uint64_t* random) {
  const uint64_t r = draw(random);
  switch (r & 7) {
    case 0:
    case 1:
    case 2:
      break;
    case 3:
    case 4:
      spin_ns((uint32_t)(r >> 8) % 3000);
      break;
    case 5:
    case 6:
      spin_ns((uint32_t)(r >> 8) % 60000);
      break;
    default:
      sched_yield();
  }
}

/* Runs differ by seed: if all threads share one core, preemption decides the order; with a core each they run at the
 * same time; one run in four leaves the choice to the kernel. */
static void pin(uint64_t seed, uint32_t thread) {
  const uint64_t how = (seed >> 5) % 4;
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (how == 0 || cores < 2) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(how == 1 ? (size_t)((seed >> 8) % (uint64_t)cores) : (size_t)((seed + thread) % (uint64_t)cores), &set);
  sched_setaffinity(0, sizeof set, &set);
}

/* The main thread of a free run passes too, once the world is complete. */
static void pass_the_gate(void) {
  if (shared->policy.is_scheduled) {
    __atomic_fetch_add(&shared->ready, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&shared->gate, __ATOMIC_SEQ_CST) == 0) futex_wait(&shared->gate, 0, 0);
    return;
  }
  if (__atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST) == shared->thread_count + 1) {
    __atomic_store_n(&shared->gate, 1, __ATOMIC_SEQ_CST);
    futex_wake(&shared->gate);
    return;
  }
  for (int spins = 0; spins < 2000; ++spins)
    if (__atomic_load_n(&shared->gate, __ATOMIC_SEQ_CST) != 0) return;
  while (__atomic_load_n(&shared->gate, __ATOMIC_SEQ_CST) == 0) futex_wait(&shared->gate, 0, 1000);
}

static void* thread_main(void* argument) {
  const uint32_t thread = (uint32_t)(uintptr_t)argument;
  struct sc_thread_state* state = &shared->thread[thread];
  uint64_t random = shared->seed ^ (thread + 1) * 0x9e3779b97f4a7c15u;
  state->tid = (int32_t)syscall(SYS_gettid);
  if (shared->seed != 0) pin(shared->seed, thread);
  caller_begin_thread(thread);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &shared->world.mask, NULL, sizeof shared->world.mask);
  pass_the_gate();
  for (uint32_t i = 0; i < shared->op_count[thread]; ++i) {
    if (shared->seed != 0) perturb(&random);
    __atomic_store_n(&state->position, i, __ATOMIC_SEQ_CST);
    operation_run(thread, i);
  }
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &shared->history.thread_mask[thread], sizeof(uint64_t));
  __atomic_store_n(&state->is_done, 1, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&shared->done_count, 1, __ATOMIC_SEQ_CST);
  attract_attention();
  for (;;) futex_wait(&shared->release, 0, 0);
  return NULL;
}

/* Done once for all arenas of a server: they have the same libc. */
static void look_at_libc(void) {
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal) {
    struct {
      void* handler;
      unsigned long rest[3];
    } action = {0};
    if (syscall(SYS_rt_sigaction, signal, NULL, &action, sizeof(uint64_t)) == 0 && (uintptr_t)action.handler > 1)
      shared->history.caught_by_libc |= 1ull << (signal - 1);
  }
  shared->knows_libc = 1;
}

/* Called by the main thread: waits until every other thread is at the gate, then installs the filter for all of them.
 */
static void install(int (*filter)(void), const char* where) {
  while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < shared->thread_count) sched_yield();
  const int error = filter();
  if (error == 0) return;
  shared->world_errno = (uint32_t)error;
  snprintf(shared->world_where, sizeof shared->world_where, "%s", where);
  attract_attention();
  _exit(1);
}

/* Called by the main thread of a scheduled run: from here on every thread stops at every visible call. */
static void open_scheduled(void) {
  install(filter_install, "seccomp(SECCOMP_SET_MODE_FILTER)");
  if (shared->policy.watch_memory) watch_offer();
  __atomic_store_n(&shared->gate, 1, __ATOMIC_SEQ_CST);
  futex_wake(&shared->gate);
}

_Noreturn void arena_main(void) {
  const uint64_t all = ~0ull;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
  setpgid(0, 0); /* kill_group reaches this process and its children, no others */
  shared->arena_pid = (int32_t)getpid();
  world_make();
  for (uint32_t i = 0; i < shared->thread_count; ++i) {
    pthread_t thread;
    const int error = pthread_create(&thread, NULL, thread_main, (void*)(uintptr_t)i);
    if (error != 0) {
      shared->world_errno = (uint32_t)error;
      attract_attention();
      _exit(1);
    }
  }
  /* After pthread_create(3), which in glibc takes signal 33 for itself. */
  if (!shared->knows_libc && shared->thread_count != 0) look_at_libc();
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal) {
    const uint64_t bit = 1ull << (signal - 1);
    if (shared->world.ignored & bit) set_disposition(signal, SC_DISPOSITION_IGNORE);
    if (shared->world.handled & bit) set_disposition(signal, SC_DISPOSITION_HANDLER);
  }
  if (shared->world.refusal_count != 0)
    install(refusals_install, "seccomp(SECCOMP_SET_MODE_FILTER) for what is refused");
  caller_begin();
  if (shared->policy.is_scheduled)
    open_scheduled();
  else
    pass_the_gate();
  if (shared->thread_count == 0) attract_attention();
  for (;;) futex_wait(&shared->release, 0, 0);
}
