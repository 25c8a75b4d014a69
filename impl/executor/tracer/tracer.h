/* SPDX-License-Identifier: MIT
 *
 * The parts of a scheduled run, in the arena server. */
#ifndef SPAWNCHECK_EXECUTOR_TRACER_H
#define SPAWNCHECK_EXECUTOR_TRACER_H

#include "impl/executor/shared/shared.h"
#include "model/scenario/trace.h"

/* choose.c */
struct chooser {
  const struct sc_policy* policy;
  uint64_t random;
  int last;
  uint32_t turn;
};

void chooser_reset(struct chooser* c, const struct sc_policy* policy);

/* Returns a task of the set `enabled`, which is not empty; -1 if the schedule is strict and its turn is not enabled. */
int choose(struct chooser* c, struct sc_trace* trace, uint32_t enabled);

/* stops.c leads one task at a time from where it rests to where it rests next. What the rest of the tracer needs
 * of a task is in shared->trace.task; this is what only ptrace needs. */
struct tracee {
  pid_t tid;
  int process, stat;     /* /proc/TID and /proc/TID/stat, -1: not opened yet */
  int signal;            /* AT_SIGNAL: which */
  int vfork_parent;      /* a task, -1: none */
  int step;              /* of the trace: the call that it sleeps or is suspended in */
  uint8_t is_asleep;     /* PROGRAM: it waits in the kernel */
  uint32_t signals_seen; /* the value of `signals` when it had nothing to take */
  uint32_t begun;        /* 1 + the index of the last operation whose first call it has made; 0: none */
};

extern struct tracee tracee[SC_TASKS_MAX];

#if defined(__GLIBC__)
typedef enum __ptrace_request ptrace_request;
#else
typedef int ptrace_request;
#endif

/* struct ptrace_syscall_info of linux/ptrace.h, which cannot be included beside sys/ptrace.h. */
struct call_info {
  uint8_t op, pad[3];
  uint32_t arch;
  uint64_t instruction, stack;
  union {
    struct {
      uint64_t number, arg[6];
      uint32_t index;
    } entry;
    struct {
      int64_t value;
      uint8_t is_error;
    } exit;
  } of;
};
#define GET_CALL_INFO 0x420e

/* The value of history.end_signal, until the run is over, if the arena has exited. */
#define HAS_EXITED (-1)

int add_task(pid_t tid, uint8_t thread, int parent); /* returns its index; -1: too many */
int rest_at_call(int task);                          /* at the entry of a visible call: 1 if the task rests there */
void tracer_begin(void);                             /* the first call of a run: no signal has been sent yet */

/* Every wait of the tracer is bounded by the run's deadline: it gives up once this returns true. */
int is_out_of_time(void);

/* Seizes the arena, which waits for `go`. Returns 0 or an errno. */
int tracer_seize(pid_t arena);

/* helpers.c: the implementation's own threads and processes, which no schedule names. There are none unless it has
 * SPAWNCHECK_STARTS_THREADS. */
void helpers_begin(void);
void helpers_add(pid_t tid);
int helpers_are_there(void);
int helpers_have(pid_t tid);
void helpers_serve(void);      /* continues those of them that have stopped */
int helpers_are_at_rest(void); /* continues those that have stopped; true if each sleeps until another task wakes it */

/* Runs the arena until each thread is at its first visible call. Returns 0 if it died or ran out of time. */
int tracer_gather(pid_t arena);

/* Returns true if the task would take a signal if it went now. */
int has_signal(int task);

/* Closes what was opened to look at the tasks of the run. */
void tracer_forget(void);

/* steps.c: lets the task make its next step, and records it. error: 0, or the errno with which the task's call fails
 * without being made. */
void step_task(int task, struct sc_step* step, int error);

/* Adds a WAKES step for each task that the last step woke. was_sent_something: a signal was sent, so stopped tasks may
 * have been killed or continued. */
void let_sleepers_return(int was_sent_something);
int step_may_send(const struct sc_step* step);

struct sc_step* add_step(int task, uint8_t kind);

/* A process outside the run has sent a signal to one of its processes. */
void tracer_signal_sent(void);

int tracer_may_time_out(int task); /* true if it sleeps, and a timeout may wake it */
int tracer_stop_signal(void);      /* the signal that last stopped a task of the run; 0: none */

/* fault.c: injects the fault that shared->policy.fault asks for. */
void fault_reset(void);
int fault_before(int task); /* the task is about to make its call: 0, or the errno it gives instead */
int fault_sent(void);       /* true if a fault has sent a signal since this was last called */
void fault_continue(void);  /* no other task can go: continues the one that a fault has stopped */

/* watch.c, in the server: takes over the arena's userfaultfd; closes it at the end of the run. */
void watch_take(pid_t arena);
void watch_end(void);
/* A vfork parent has been suspended, with these pointers; a suspended vfork parent goes on. */
void watch_suspended(uint64_t stack, uint64_t thread);
void watch_resumed(int task);

/* snapshot.c: adds the present state of every task to the trace, as far as the trace has room. Returns after how many
 * steps the next snapshot is due. Unless one is due after each step (sc_policy.snapshot_every 1), this grows with the
 * count of open numbers: to read a table of thousands takes seconds in emulation, and must not use up the run's time.
 */
uint32_t snapshot_take(void);

/* tracer.c: once, before the first arena is forked. */
void tracer_prepare(void);

/* A scheduled run, from `go` to its end. */
enum sc_run_end tracer_run(pid_t arena);
int tracer_kill_all(
    void); /* kills the tasks that are not the arena's; returns how many tasks, with the arena's, can still be reaped */
int tracer_thread(pid_t tid); /* the index of the scenario's thread with this tid, -1: none */

#endif
