/* SPDX-License-Identifier: MIT
 *
 * A litmus test and an outcome of it as plain data, for the model and for the arena that runs it.
 *
 * A test is a small scenario without a spawn. An outcome is everything observable of one run once no task moves any
 * more; outcomes are compared byte by byte, so unused fields are zero. Model and kernel fill the same fields: what a
 * test cannot change is not looked at and stays zero on both sides.
 *
 * Plain C, no dependency but the table of operations. */
#ifndef SPAWNCHECK_LITMUS_OUTCOME_H
#define SPAWNCHECK_LITMUS_OUTCOME_H

#include "model/scenario/operation.h"

#define SC_LITMUS_THREADS_MAX 3
#define SC_LITMUS_OPS_MAX 3       /* of one thread */
#define SC_LITMUS_NUMBERS_MAX 24  /* descriptor numbers that a test looks at */
#define SC_LITMUS_SIGNALS_MAX 4   /* signals whose handler runs are counted */
#define SC_LITMUS_FRESH_MAX 8     /* descriptions that a run made and that are open at its end */
#define SC_LITMUS_WORLD_MAX 12    /* descriptions of the initial world */
#define SC_LITMUS_NUMBER_BOUND 40 /* a test's numbers are below this, or above SC_LITMUS_SAVED_END */
/* The numbers at which the arena keeps duplicates of the world's descriptions: below 64, so that the size of a copied
 * table stays the same. */
#define SC_LITMUS_SAVED_FIRST 44
#define SC_LITMUS_SAVED_END 60

/* What a test looks at, and how it is run. */
enum {
  SC_LITMUS_LIMIT = 1,   /* RLIMIT_NOFILE */
  SC_LITMUS_SIGNALS = 2, /* masks, pending sets, dispositions, handler runs */
  SC_LITMUS_ALTSTACK = 4,
  SC_LITMUS_CREATORS = 8, /* the creator of each memfd or eventfd: two operations make the same kind */
  SC_LITMUS_UNSAVED = 16, /* only the test's own numbers may keep a description: flock(2) */
  /* Each run needs a new process: it may end, stop or wait for ever, or a thread gets a private table. */
  SC_LITMUS_FRESH = 32,
  SC_LITMUS_LOSSY = 64,   /* close_range(2) reaches the arena's own numbers */
  SC_LITMUS_PRIVATE = 128 /* a thread may get a private table, which is looked at as well */
};

enum sc_litmus_end {
  SC_LITMUS_COMPLETE, /* no task moves any more; an operation that has not returned waits for ever */
  SC_LITMUS_ENDED,    /* a signal has ended the process: `signal`; the rest is zero */
  SC_LITMUS_STOPPED   /* a signal has stopped it, and no task is left to continue it; the rest is zero */
};

struct sc_litmus_result {
  int16_t value[2];
  uint8_t error;
  uint8_t has_returned;
};

/* A slot: 0 closed, or reserved and empty; else the description and SC_LITMUS_CLOEXEC. Descriptions: 1 + i, the world's
 * i-th (in the order of its lines, two for a pair); SC_LITMUS_FIRST_FRESH + i: one that the run made, the i-th by the
 * lowest number that refers to it. */
enum { SC_LITMUS_CLOEXEC = 0x80, SC_LITMUS_FIRST_FRESH = 0x20, SC_LITMUS_UNKNOWN = 0x7f };

struct sc_litmus_fresh {
  uint8_t kind;    /* enum sc_file_kind */
  uint8_t creator; /* 1 + thread * SC_LITMUS_OPS_MAX + operation, if looked at; else 0 */
};

struct sc_litmus_outcome {
  uint8_t end, signal;
  uint8_t altstacks;                      /* one bit for each thread */
  uint8_t handled[SC_LITMUS_SIGNALS_MAX]; /* handler runs, by the test's signals */
  int32_t limit;
  /* Of threads whose operations have all returned; pending: sigpending(2). */
  uint64_t mask[SC_LITMUS_THREADS_MAX], pending[SC_LITMUS_THREADS_MAX];
  uint64_t ignored, caught; /* of the test's signals */
  struct sc_litmus_result result[SC_LITMUS_THREADS_MAX][SC_LITMUS_OPS_MAX];
  uint8_t slot[SC_LITMUS_NUMBERS_MAX]; /* by the test's numbers */
  /* Of a thread that has a table of its own; else zero. */
  uint8_t own_slot[SC_LITMUS_THREADS_MAX][SC_LITMUS_NUMBERS_MAX];
  uint8_t has_own_table; /* one bit for each thread */
  struct sc_litmus_fresh fresh[SC_LITMUS_FRESH_MAX];
};

struct sc_litmus_test {
  uint32_t thread_count, op_count[SC_LITMUS_THREADS_MAX];
  struct sc_operation op[SC_LITMUS_THREADS_MAX][SC_LITMUS_OPS_MAX];
  struct sc_world world;
  uint32_t looks; /* SC_LITMUS_* */
  uint32_t number_count;
  int32_t number[SC_LITMUS_NUMBERS_MAX]; /* ascending */
  uint32_t signal_count;
  uint8_t signal[SC_LITMUS_SIGNALS_MAX];
};

#endif
