/* SPDX-License-Identifier: MIT
 *
 * The beginning of a scheduled run: the arena is seized, and every thread goes to its first visible call. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "impl/executor/tracer/tracer.h"

#define OPTIONS                                                                                                   \
  (PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | \
   PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC)

int tracer_seize(pid_t arena) {
#if !defined(__x86_64__)
  (void)arena;
  return ENOSYS;
#else
  return ptrace(PTRACE_SEIZE, arena, NULL, (void*)(uintptr_t)OPTIONS) == 0 ? 0 : errno;
#endif
}

/* Tasks that stopped while they were not known as threads of the scenario. In the end each thread of the scenario has
 * published its tid: a task that is still unknown then is a helper. */
#define UNKNOWN_MAX 128
static pid_t unknown[UNKNOWN_MAX];
static uint32_t unknown_count;

static void note_unknown(pid_t tid) {
  for (uint32_t i = 0; i < unknown_count; ++i)
    if (unknown[i] == tid) return;
  if (unknown_count < UNKNOWN_MAX) unknown[unknown_count++] = tid;
}

static void take_helpers(void) {
  for (uint32_t i = 0; i < unknown_count; ++i)
    if (tracer_thread(unknown[i]) < 0) helpers_add(unknown[i]);
}

/* A thread of the arena has stopped on its way to its first visible call. Returns 1 if the thread is there. */
static int gather_thread(pid_t tid, int status) {
  const int i = tracer_thread(tid);
  if (i >= 0 && status >> 16 == PTRACE_EVENT_SECCOMP) {
    tracee[i].tid = shared->trace.task[i].pid = tid;
    if (rest_at_call(i)) return 1;
  }
  if (i < 0 && has_habit(SPAWNCHECK_STARTS_THREADS)) note_unknown(tid);
  ptrace(PTRACE_CONT, tid, NULL, (void*)(intptr_t)(status >> 16 == 0 ? WSTOPSIG(status) : 0));
  return 0;
}

/* The main thread makes the world and the threads, then waits for ever, stopped. Returns 1 once it is stopped there. */
static int follow_main(pid_t arena, int status) {
  struct call_info info = {0};
  if (status >> 16 == PTRACE_EVENT_SECCOMP && ptrace((ptrace_request)GET_CALL_INFO, arena, sizeof info, &info) > 0) {
    if (info.of.entry.arg[0] == (uintptr_t)&shared->release) return 1;
    if (info.of.entry.arg[0] == (uintptr_t)&shared->watch && shared->watch != 0) watch_take(arena);
  }
  ptrace(PTRACE_CONT, arena, NULL, (void*)(intptr_t)(status >> 16 == 0 ? WSTOPSIG(status) : 0));
  return 0;
}

int tracer_gather(pid_t arena) {
  uint32_t there = 0;
  unknown_count = 0;
  tracer_begin();
  for (uint32_t t = 0; t < shared->thread_count; ++t) add_task(0, (uint8_t)t, -1);
  while (there < shared->thread_count + 1) {
    int status;
    const pid_t tid = waitpid(-1, &status, __WALL);
    if (tid < 0 && errno == EINTR && !is_out_of_time()) continue;
    if (tid < 0) return 0;
    if (!WIFSTOPPED(status)) {
      if (tid == arena) return 0;
      continue;
    }
    there += (uint32_t)(tid == arena ? follow_main(arena, status) : gather_thread(tid, status));
  }
  take_helpers();
  return 1;
}
