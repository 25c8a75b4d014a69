/* SPDX-License-Identifier: MIT
 *
 * What the host, the litmus server and a test's process share: one mapping, and one byte over a socket for each test.
 */
#ifndef SPAWNCHECK_LITMUS_PROGRAM_H
#define SPAWNCHECK_LITMUS_PROGRAM_H

#include "model/litmus/outcome.h"

#define SC_LITMUS_SOCKET_FD 3
#define SC_LITMUS_MEMORY_FD 4
#define SC_LITMUS_OUTCOMES_MAX 512 /* different outcomes of one test */
#define SC_LITMUS_INDEX_SIZE 2048  /* a power of two */
#define SC_LITMUS_WHERE_MAX 160

/* How the threads of a test are placed on cores, one bit each; the runs of a test are spread over the bits that are
 * set in `placements`. */
enum { SC_LITMUS_TWO_CORES = 1, SC_LITMUS_ONE_CORE = 2, SC_LITMUS_ANY_CORE = 4 };

/* The operation that goes wrong on purpose, which the verdict must notice. */
enum { SC_LITMUS_FAULT_NONE, SC_LITMUS_FAULT_DUP_FORGETS_CLOEXEC, SC_LITMUS_FAULT_CLOSE_KEEPS_OPEN };

enum { SC_LITMUS_RAN, SC_LITMUS_STUCK, SC_LITMUS_BROKEN, SC_LITMUS_UNSUPPORTED };

struct sc_litmus_seen {
  uint64_t count, first_run;
  struct sc_litmus_outcome outcome;
};

struct sc_litmus_shared {
  /* Written by the host before the byte. */
  struct sc_litmus_test test;
  uint64_t seed, runs;  /* runs: at most */
  uint32_t time_ms_max; /* no run is begun later; 0: no bound */
  uint32_t placements;
  uint32_t fault;
  /* Written by the test's process; read by the host when the byte is answered. */
  uint32_t status;
  uint32_t seen_count;
  uint64_t runs_done, lost; /* lost: runs whose outcome had no place in `seen` any more */
  int32_t error;            /* the errno of what `where` names; 0: none */
  char where[SC_LITMUS_WHERE_MAX];
  uint16_t index[SC_LITMUS_INDEX_SIZE]; /* 1 + place in `seen`, by hash */
  struct sc_litmus_seen seen[SC_LITMUS_OUTCOMES_MAX];
};

#endif
