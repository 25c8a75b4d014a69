/* SPDX-License-Identifier: MIT
 *
 * What a scheduled run did, call by call: written by the tracer, read by whoever searches schedules,
 * compares them with the model or prints them. Plain C. */
#ifndef SPAWNCHECK_SCENARIO_TRACE_H
#define SPAWNCHECK_SCENARIO_TRACE_H

#include <stdint.h>

#include "model/scenario/history.h"

#define SC_TASKS_MAX 32   /* of one run: the scenario's threads, then every task that they start */
#define SC_STEPS_MAX 4096 /* of one run; whoever needs more has run away */
#define SC_CALL_ARGUMENTS 6

/* A task is named as in a schedule: thread t (child -1), or the n-th process that thread t has started, its
 * children's children included. Task i < thread_count is thread i. */
struct sc_task {
  uint8_t thread;
  int8_t child;
  int8_t parent;              /* the task that started it, -1: the arena */
  uint8_t state;              /* at the end: enum sc_task_state */
  uint8_t call;               /* it is at, or asleep in: enum sc_visible */
  uint8_t operation, outside; /* as a step has them: of the call it is at */
  int32_t pid;
  uint64_t clone_flags; /* what it was started with, CLONE_* and the exit signal, as clone(2) has them; 0 for fork(2) */
  int64_t arg[SC_CALL_ARGUMENTS]; /* AT_CALL: what it is about to ask */
};

enum sc_task_state {
  SC_TASK_AT_CALL,   /* stopped where it enters a visible call */
  SC_TASK_AT_SIGNAL, /* stopped where it takes a signal */
  SC_TASK_ASLEEP,    /* in a call that waits for somebody */
  SC_TASK_SUSPENDED, /* a vfork(2) parent */
  SC_TASK_PROGRAM,   /* runs the program it has exec'd */
  SC_TASK_STOPPED,   /* by a signal such as SIGSTOP */
  SC_TASK_FINISHED,  /* a thread whose operations have all returned */
  SC_TASK_DEAD
};

enum sc_step_kind {
  SC_STEP_CALL,    /* makes the visible call it is at */
  SC_STEP_SIGNAL,  /* takes a signal: arg[0]; arg[1]: what it blocked until then */
  SC_STEP_PROGRAM, /* the program it has exec'd goes on: exits, or takes what it was sent */
  SC_STEP_WAKES    /* nobody's turn: the call it was asleep in returns, because of the step before */
};

enum sc_step_outcome {
  SC_OUTCOME_RETURNED,  /* `result` counts */
  SC_OUTCOME_UNKNOWN,   /* returned; the result was not asked for (sc_policy.results) */
  SC_OUTCOME_SLEEPS,    /* waits: a WAKES step follows, or never */
  SC_OUTCOME_SUSPENDED, /* a vfork(2) parent: likewise */
  SC_OUTCOME_EXECED,
  SC_OUTCOME_DIED
};

struct sc_step {
  uint8_t task;
  uint8_t kind;      /* enum sc_step_kind */
  uint8_t outcome;   /* enum sc_step_outcome */
  uint8_t call;      /* enum sc_visible */
  uint8_t operation; /* of its thread, under way */
  uint8_t fault;     /* 1: what was injected happened here */
  uint8_t outside;   /* 1: between two operations */
  uint8_t is_unread; /* 1: `pointee` could not be read, and what the call was asked is not known */
  uint8_t is_unsent; /* 1: the signal is ignored, and was not sent, since to a traced task it would be */
  uint32_t enabled;  /* bit i: task i could have gone instead; 0 for WAKES */
  uint8_t is_void;   /* 1: a signal that has no effect was not sent, and the call returned 0 all the same */
  int64_t arg[SC_CALL_ARGUMENTS];
  uint64_t pointee; /* what an argument of letter m, a, l, n or s points to: its first eight bytes; clone3: flags | exit
                       signal */
  int64_t result;   /* or -errno */
};

/* What a task was at an instant between two calls. The table, the dispositions and the memory are named by the
 * lowest task that shares them: shares_table == its own index means that none below does. */
struct sc_snapshot {
  uint32_t after_step; /* index of the step it was taken after */
  uint8_t task, shares_table, shares_dispositions, shares_memory;
  uint64_t mask, ignored, caught;
  uint32_t first_entry, entry_count; /* of the table; 0 entries where a lower task shares it */
};

/* Memory that no spawn has made for itself. */
enum sc_written_whose {
  SC_WRITTEN_UNKNOWN,      /* a spawn may own it: a stack from the heap, data of its own */
  SC_WRITTEN_REQUEST,      /* the request, its arrays or its strings */
  SC_WRITTEN_OTHER_THREAD, /* the stack of the main thread, which spawns nothing */
  SC_WRITTEN_LIBC          /* data of libc.so */
};

/* Pages start..end of the arena's memory that were written while a vfork(2) parent was suspended. The call's own: below
 * `frame`, where it was called, down from there on the same stack; stack_pointer is the caller's at the clone, and
 * thread_pointer its thread's, next to which errno lives. */
struct sc_written {
  uint32_t after_step;
  uint8_t task, operation; /* the suspended parent's */
  uint64_t start, end, stack_pointer, thread_pointer, frame;
  uint8_t whose;    /* enum sc_written_whose */
  char mapping[24]; /* the end of its file's name, "[heap]", ...; empty: anonymous */
};

#define SC_WRITTEN_MAX 256
#define SC_SNAPSHOTS_MAX 2048
#define SC_SNAPSHOT_ENTRIES_MAX 32768

struct sc_trace {
  uint32_t task_count, step_count;
  uint8_t is_begun; /* every thread came to its first call; else no step was made, and nothing was seen */
  uint8_t is_cut;   /* more than SC_STEPS_MAX or SC_TASKS_MAX */
  int32_t bad_turn; /* the schedule's first turn that was not enabled, or named nobody; -1: none */
  uint32_t enabled_at_bad_turn;
  struct sc_task task[SC_TASKS_MAX];
  struct sc_step step[SC_STEPS_MAX];
  uint32_t snapshot_count, entry_count;
  struct sc_snapshot snapshot[SC_SNAPSHOTS_MAX];
  uint8_t watches; /* what is written was asked for (sc_policy.watch_memory), and the kernel can tell */
  uint32_t written_count;
  struct sc_written written[SC_WRITTEN_MAX];
  struct sc_entry entry[SC_SNAPSHOT_ENTRIES_MAX];
};

/* Who goes next, in a run of `turn_count` given turns and then by a rule. */
enum sc_rule {
  SC_RULE_RUN_ON, /* the task that went last, as long as it can; else the lowest that can */
  SC_RULE_RANDOM, /* any that can, uniformly */
  SC_RULE_ASK     /* the host says, wherever more than one can go (impl/executor/executor.h) */
};

#define SC_TURNS_MAX 4096

struct sc_turn {
  uint8_t thread;
  int8_t child;
};

struct sc_policy {
  uint8_t is_scheduled; /* 0: a free run, nothing below counts */
  uint8_t rule;         /* enum sc_rule, after the turns */
  uint8_t is_strict;    /* a turn that is not enabled ends the run; else it is passed over */
  uint8_t results; /* 1: every call's result is recorded, at one more stop each; else those that the search needs */
  uint32_t avoid;  /* RUN_ON: tasks that go only when no other can, from the end of the turns on */
  uint64_t seed;
  uint32_t snapshot_every; /* record what every task's table is after each so many steps; 0: never */
  uint8_t watch_memory;    /* record which pages a child on the arena's memory writes */
  struct sc_fault fault;
  uint32_t turn_count;
  struct sc_turn turn[SC_TURNS_MAX];
};

#endif
