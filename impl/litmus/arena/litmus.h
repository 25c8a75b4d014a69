/* SPDX-License-Identifier: MIT
 *
 * The parts of the litmus server and of the process that it forks for each test. Both use the executor's code for
 * operations, places and worlds, so that a litmus test and a run of its scenario make the same system calls. */
#ifndef SPAWNCHECK_LITMUS_ARENA_H
#define SPAWNCHECK_LITMUS_ARENA_H

#include "impl/executor/arena/arena.h"
#include "impl/executor/server/server.h"
#include "impl/litmus/program.h"

#define CACHE_LINE 64
#define SPINS_MAX 200 /* some 10 us; after that, another thread may need this core */
#define SPINS_OF_ANY_CORE_MAX 20

/* One for each thread, on cache lines of its own. */
struct litmus_thread {
  uint32_t epoch __attribute__((aligned(CACHE_LINE))); /* barriers it has reached */
  uint32_t position;                                   /* operations it has begun */
  uint32_t is_finished;                                /* all have returned */
  uint32_t has_arrived;                                /* and it has recorded what only the thread itself can read */
  uint32_t is_blocked;                                 /* the test's process has found that it waits for ever */
  uint64_t mask, pending;
  uint8_t has_altstack;
  /* The thread's table, if it may be private: flags of fcntl(2) F_GETFD or -1, kind, the world's description or -1. */
  int8_t flags[SC_LITMUS_NUMBERS_MAX];
  uint8_t kind[SC_LITMUS_NUMBERS_MAX];
  int8_t marked[SC_LITMUS_NUMBERS_MAX];
  int32_t tid;
};

struct litmus_control {
  struct litmus_thread thread[SC_LITMUS_THREADS_MAX];
  uint32_t look __attribute__((aligned(CACHE_LINE))); /* a futex: finished threads record their own state now */
  uint32_t arrived;                                   /* a futex */
  uint32_t recorded;                                  /* a futex: the outcome is in the histogram */
  uint64_t run, last_run;
};

extern struct sc_litmus_shared* litmus;
extern struct litmus_control* control;

/* host.c: what the executor's operations.c needs. */
void operations_prepare(void);
void operations_reset(void); /* the records of a run */
void operation_go(uint32_t thread, uint32_t index);

/* restore.c: the world, and duplicates of its descriptions. */
extern int saved_count; /* descriptions of the world */
int saved_number(int description);
int world_is_marked(void);                /* true if marks identify the descriptions, not duplicates */
int world_marked(int number);             /* the marked description that the number refers to, -1: none */
void world_build(void);                   /* makes the world from nothing */
void world_restore(const uint8_t* slots); /* restores what differs; `slots`: the table as look_main() saw it */
extern uint8_t wanted[SC_LITMUS_NUMBERS_MAX];
void limit_raise(void);
void limit_restore(void);
void signals_restore(void); /* restores the dispositions; no signal stays pending */

/* look.c */
void look_prepare(void); /* once, in the server */
int look_is_supported(void);
void look_own(struct litmus_thread* own);      /* the calling thread's table */
void look_main(struct sc_litmus_outcome* out); /* the calling thread's table, which all threads shared at first */
/* Likewise, and the tables of threads that no longer share it; the process `holder` keeps the duplicates. */
void look_fresh(struct sc_litmus_outcome* out, pid_t holder);
void tell_results(struct sc_litmus_outcome* out);

/* histogram.c */
void histogram_clear(void);
void histogram_add(const struct sc_litmus_outcome* outcome, uint64_t run);

/* threads.c */
void barrier(uint32_t thread, uint32_t epoch, int spins_max); /* spins spins_max times, then yields */
void delay(uint64_t* random);
int place_thread(uint32_t thread, uint64_t run, uint32_t placements, int* spins_max);
void take_pending(void);        /* when it returns, every deliverable signal has been delivered */
void tell_own(uint32_t thread); /* records the caller's mask, pending set and alternate stack */
_Noreturn void fail(const char* where, int error, uint32_t status);

/* warm.c, fresh.c: run the test. */
_Noreturn void run_warm(void);
_Noreturn void run_fresh(void);

#endif
