/* SPDX-License-Identifier: MIT
 *
 * Finds out whether a child runs on the arena's memory although its spawn has returned (mm.released).
 *
 * That the memory is the same (kcmp(2) KCMP_VM) proves nothing yet: exec wakes the vfork parent a moment before it
 * switches the memory, and may be preempted in between (fs/exec.c exec_mmap: exec_mm_release comes first); so does a
 * child that ends (kernel/exit.c exit_mm). What counts is a child that was on the arena's memory, outside of exec
 * and alive, at an instant after the return. Three ways to know, each by facts alone:
 *
 *   - its descriptor table was still the arena's after the return. exec makes a table of its own first (fs/exec.c
 *     begin_new_exec: unshare_files), so the child was not yet near the end of exec; and the child has exec'd since, or
 *     is found alive, so it was not ending either;
 *   - the child sleeps in a call other than exec, and its memory is the arena's then;
 *   - PTRACE_INTERRUPT stops the child, which happens where it returns to user mode, not within exec, and its memory is
 *     the arena's there.
 *
 * Rejected: to measure the processor time that the child uses while the memory is shared. On a slow or stolen processor
 * that accuses the innocent. */
#define _GNU_SOURCE
#include <linux/kcmp.h>
#include <sched.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "impl/executor/observe/proc.h"

#define HOLD_ROUNDS_MAX 20000
#define ROUNDS_WITHOUT_SLEEP 200

#if defined(__GLIBC__)
typedef enum __ptrace_request ptrace_request;
#else
typedef int ptrace_request;
#endif

/* PTRACE_SEIZE and PTRACE_INTERRUPT of linux/ptrace.h, which cannot be included beside sys/ptrace.h. */
#define SEIZE 0x4206
#define INTERRUPT 0x4207

static int shares_memory(pid_t arena, pid_t child) { return syscall(SYS_kcmp, arena, child, KCMP_VM, 0, 0) == 0; }

static int has_execed(int process) {
  char link[SC_PATH_MAX], own[SC_PATH_MAX];
  const int self = proc_open(getpid());
  if (self < 0) return 0;
  const int is_other = proc_link(process, "exe", link) > 0 && proc_link(self, "exe", own) > 0 && strcmp(link, own) != 0;
  close(self);
  return is_other;
}

/* A task that is about to end never sleeps like this. */
static int sleeps_outside_exec(int process) {
  struct proc_call call;
  if (proc_state(process) != 'S' || !proc_read_call(process, &call)) return 0;
  return proc_is_outside_exec(&call) && proc_state(process) == 'S';
}

/* Detaches the child and changes nothing: it takes the signal that it was about to take, and stays in a group-stop. */
static void let_go(pid_t child, int status) {
  const int signal = status >> 16 == 0 ? WSTOPSIG(status) : 0;
  ptrace((ptrace_request)PTRACE_DETACH, child, NULL, (void*)(intptr_t)signal);
}

/* Returns true if the child came to a stop, and was on the arena's memory there. If the child ends first, its parent
 * learns of the end once the server has waited for it (kernel/exit.c wait_task_zombie). A child that does not stop
 * within the bound stays traced until the end of the run kills it. */
static int shares_memory_when_held(pid_t arena, pid_t child) {
  int status, is_shared = 0;
  if (ptrace((ptrace_request)SEIZE, child, NULL, NULL) != 0) return 0;
  ptrace((ptrace_request)INTERRUPT, child, NULL, NULL);
  for (int round = 0; round < HOLD_ROUNDS_MAX; ++round) {
    const pid_t got = waitpid(child, &status, __WALL | WNOHANG);
    if (got < 0 || (got == child && !WIFSTOPPED(status))) return 0;
    if (got == child) {
      is_shared = shares_memory(arena, child);
      let_go(child, status);
      return is_shared;
    }
    if (round < ROUNDS_WITHOUT_SLEEP)
      sched_yield();
    else
      usleep(100);
  }
  return 0;
}

int runs_on_memory_of(pid_t arena, pid_t child, int had_its_table) {
  const int process = proc_open(child);
  if (process < 0) return 0;
  int is_certain = sleeps_outside_exec(process) && shares_memory(arena, child) && sleeps_outside_exec(process);
  if (!is_certain && !has_execed(process)) is_certain = shares_memory_when_held(arena, child);
  if (!is_certain && had_its_table) is_certain = has_execed(process) || sleeps_outside_exec(process);
  close(process);
  return is_certain;
}
