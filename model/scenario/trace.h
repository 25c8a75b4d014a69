/* SPDX-License-Identifier: MIT
 *
 * What a scheduled run did, call by call: written by the tracer, read by the code that searches
 * schedules, compares runs with the model or prints them. Plain C. */
#ifndef SPAWNCHECK_SCENARIO_TRACE_H
#define SPAWNCHECK_SCENARIO_TRACE_H

#include <stdint.h>

#include "model/scenario/history.h"

#define SC_TASKS_MAX 32   /* of one run: the scenario's threads, then every task that they start */
#define SC_STEPS_MAX 4096 /* of one run; a run that needs more is a runaway */
#define SC_CALL_ARGUMENTS 6

/* A task is named as in a schedule: thread t (child -1), or the n-th process that thread t has started,
 * including its children's children. Task i < thread_count is thread i. */
struct sc_task {
  uint8_t thread;
  int8_t child;
  int8_t parent;              /* the task that started it, -1: the arena */
  uint8_t state;              /* at the end: enum sc_task_state */
  uint8_t call;               /* enum sc_visible: the call it is at, or asleep in */
  uint8_t operation, outside; /* as in sc_step: of the call it is at */
  int32_t pid;
  uint64_t clone_flags;           /* CLONE_* and the exit signal that started it, as in clone(2); 0 for fork(2) */
  int64_t arg[SC_CALL_ARGUMENTS]; /* AT_CALL: the call's arguments */
};

enum sc_task_state {
  SC_TASK_AT_CALL,   /* stopped where it enters a visible call */
  SC_TASK_AT_SIGNAL, /* stopped where it takes a signal */
  SC_TASK_ASLEEP,    /* in a call that waits for another task */
  SC_TASK_SUSPENDED, /* a vfork(2) parent */
  SC_TASK_PROGRAM,   /* runs the program it has exec'd */
  SC_TASK_STOPPED,   /* by a signal such as SIGSTOP */
  SC_TASK_FINISHED,  /* a thread whose operations have all returned */
  SC_TASK_DEAD
};

enum sc_step_kind {
  SC_STEP_CALL,    /* makes the visible call it is at */
  SC_STEP_SIGNAL,  /* takes a signal: arg[0]; arg[1]: its mask until then */
  SC_STEP_PROGRAM, /* the program it has exec'd exits, or takes a signal */
  SC_STEP_WAKES    /* no turn: the call it was asleep in returns, because of the step before */
};

enum sc_step_outcome {
  SC_OUTCOME_RETURNED,  /* `result` is valid */
  SC_OUTCOME_UNKNOWN,   /* returned; the result was not recorded (sc_policy.results) */
  SC_OUTCOME_SLEEPS,    /* waits: a WAKES step may follow */
  SC_OUTCOME_SUSPENDED, /* a vfork(2) parent: likewise */
  SC_OUTCOME_EXECED,
  SC_OUTCOME_DIED
};

struct sc_step {
  uint8_t task;
  uint8_t kind;      /* enum sc_step_kind */
  uint8_t outcome;   /* enum sc_step_outcome */
  uint8_t call;      /* enum sc_visible */
  uint8_t operation; /* its thread's operation in flight */
  uint8_t fault;     /* 1: the injected fault happened here */
  uint8_t outside;   /* 1: between two operations */
  uint8_t is_unread; /* 1: `pointee` could not be read: the call's arguments are unknown */
  uint8_t is_unsent; /* 1: an ignored signal was not sent: a traced task would take it */
  uint32_t enabled;  /* bit i: task i could have gone instead; 0 for WAKES */
  uint8_t is_void;   /* 1: a signal without effect was not sent; the call still returned 0 */
  int64_t arg[SC_CALL_ARGUMENTS];
  uint64_t pointee; /* what an argument of letter m, a, l, n or s points to: its first eight bytes; clone3: flags | exit
                       signal */
  int64_t result;   /* or -errno */
};

/* The state of a task at an instant between two calls. The table, the dispositions and the memory are named by
 * the lowest task that shares them: shares_table == its own index means that no lower task shares the table. */
struct sc_snapshot {
  uint32_t after_step; /* index of the last step before it was taken */
  uint8_t task, shares_table, shares_dispositions, shares_memory;
  uint64_t mask, ignored, caught;
  uint32_t first_entry, entry_count; /* of the table; 0 entries if a lower task shares it */
};

/* Whose memory was written. */
enum sc_written_whose {
  SC_WRITTEN_UNKNOWN,      /* perhaps the spawn's: a stack from the heap, its own data */
  SC_WRITTEN_REQUEST,      /* the request, its arrays or its strings */
  SC_WRITTEN_OTHER_THREAD, /* the stack of the main thread, which spawns nothing */
  SC_WRITTEN_LIBC          /* data of libc.so */
};

/* Pages start..end of the arena's memory that were written while a vfork(2) parent was suspended. The call's own stack
 * is what lies below `frame`, the frame of its call. stack_pointer: the caller's at the clone; thread_pointer: the
 * calling thread's, next to which errno is. */
struct sc_written {
  uint32_t after_step;
  uint8_t task, operation; /* of the suspended parent */
  uint64_t start, end, stack_pointer, thread_pointer, frame;
  uint8_t whose;    /* enum sc_written_whose */
  char mapping[24]; /* the end of its file's name, "[heap]", ...; empty: anonymous */
};

#define SC_WRITTEN_MAX 256
#define SC_SNAPSHOTS_MAX 2048
#define SC_SNAPSHOT_ENTRIES_MAX 32768

struct sc_trace {
  uint32_t task_count, step_count;
  uint8_t is_begun; /* every thread reached its first call; else no step was made or recorded */
  uint8_t is_cut;   /* more than SC_STEPS_MAX or SC_TASKS_MAX */
  int32_t bad_turn; /* the schedule's first turn that was not enabled, or named no task; -1: none */
  uint32_t enabled_at_bad_turn;
  struct sc_task task[SC_TASKS_MAX];
  struct sc_step step[SC_STEPS_MAX];
  uint32_t snapshot_count, entry_count;
  struct sc_snapshot snapshot[SC_SNAPSHOTS_MAX];
  uint8_t watches; /* sc_policy.watch_memory was set, and the kernel can tell which pages are written */
  uint32_t written_count;
  struct sc_written written[SC_WRITTEN_MAX];
  struct sc_entry entry[SC_SNAPSHOT_ENTRIES_MAX];
};

/* Which task goes next: `turn_count` given turns, then a rule. */
enum sc_rule {
  SC_RULE_RUN_ON, /* the task that went last, while it can go; else the lowest that can */
  SC_RULE_RANDOM, /* any that can, uniformly */
  SC_RULE_ASK     /* the host decides whenever more than one can go (impl/executor/executor.h) */
};

#define SC_TURNS_MAX 4096

struct sc_turn {
  uint8_t thread;
  int8_t child;
};

struct sc_policy {
  uint8_t is_scheduled; /* 0: a free run; the fields below are ignored */
  uint8_t rule;         /* enum sc_rule, after the turns */
  uint8_t is_strict;    /* a turn that is not enabled ends the run; else it is skipped */
  uint8_t results;      /* 1: every call's result is recorded, with one more stop each; else those the search needs */
  uint32_t avoid;       /* RUN_ON: tasks that go only if no other can, once the turns are used up */
  uint64_t seed;
  uint32_t snapshot_every; /* record every task's table each time so many steps were made; 0: never */
  uint8_t watch_memory;    /* record which pages a child on the arena's memory writes */
  struct sc_fault fault;
  uint32_t turn_count;
  struct sc_turn turn[SC_TURNS_MAX];
};

#endif
