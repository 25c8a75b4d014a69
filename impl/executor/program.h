/* SPDX-License-Identifier: MIT
 *
 * What the host, the arena server and the arena share: one mapping, and short messages over a socket.
 * Plain C, for both sides. */
#ifndef SPAWNCHECK_EXECUTOR_PROGRAM_H
#define SPAWNCHECK_EXECUTOR_PROGRAM_H

#include <stdint.h>

#include "model/scenario/history.h"
#include "model/scenario/trace.h"

/* Where the server finds its two descriptors. */
#define SC_SOCKET_FD 3
#define SC_MEMORY_FD 4

#define SC_TEXT_MAX 256

/* Host to server: one byte, SC_SAY_RUN. Server to host: a struct sc_answer; after the first answer limit_count messages
 * of struct sc_limit. In a run by SC_RULE_ASK the server first sends one byte, SC_SAY_CHOOSE, each time that more than
 * one task can go; the host replies with one byte, a task of sc_shared.enabled. */
enum { SC_SAY_RUN = 'r', SC_SAY_CHOOSE = 'c' };

struct sc_answer {
  uint64_t layout; /* sc_layout() of the server */
  uint32_t failed; /* the first answer: 1, and text says why the server cannot work */
  uint32_t policies, sets, habits, limit_count;
  char name[SC_TEXT_MAX], promises[SC_TEXT_MAX], version[SC_TEXT_MAX], text[SC_TEXT_MAX];
};

/* A documented limit of the implementation (impl/peers/implementation.h). An implementation with more of them, or with
 * longer texts, is refused. */
#define SC_LIMITS_MAX 64
#define SC_LIMIT_TEXT_MAX 512
struct sc_limit {
  char clause[64], says[SC_TEXT_MAX], what[SC_LIMIT_TEXT_MAX], source[SC_LIMIT_TEXT_MAX];
};

/* A descriptor that the implementation holds in the arena (SPAWNCHECK_HOLDS_DESCRIPTORS). Its number is SC_HELD_FROM or
 * above, which few scenarios name. With more than SC_HELD_MAX of them the run is broken. */
#define SC_HELD_FROM 800
#define SC_HELD_MAX 64
struct sc_held {
  int32_t number;
  uint32_t cloexec;
  uint64_t file; /* a sum over the target that readlink(2) gives for it */
};

/* A thread's place in a run. The thread writes it; the server answers `observe` and `sharer` by setting them to 0. */
struct sc_thread_state {
  int32_t tid;
  uint32_t is_done;
  uint32_t position;   /* operation under way */
  uint64_t frame;      /* address of the frame that calls the spawn under way */
  uint64_t processors; /* on which the thread may run: see attributes_processors */
  int32_t observe;     /* index + 1 of a child that must be looked at before the thread goes on; 0: none */
  int32_t sharer; /* pid of a child that seems to run on the thread's memory: the server finds out, before the thread
                     goes on; 0: none */
  uint32_t had_table, is_sharer; /* for `sharer`: had_its_table of runs_on_memory_of, and the server's answer */
};

struct sc_shared {
  /* The program: written by the host before SC_SAY_RUN. */
  uint32_t thread_count;
  uint32_t op_count[SC_THREADS_MAX];
  struct sc_operation op[SC_THREADS_MAX][SC_OPS_MAX];
  struct sc_world world;
  uint64_t seed;
  uint32_t timeout_ms;
  struct sc_policy policy;

  /* The run. `attention` is a futex whose word changes whenever the server should look; `gate` opens the race;
   * `release` never opens: finished threads wait on it until the arena is killed. */
  uint32_t go; /* opens for the arena that was forked ahead */
  uint32_t attention, gate, ready, release, done_count, stamp;
  uint32_t watch;                 /* a futex: the arena's userfaultfd + 1, until the server has taken it over */
  uint32_t knows_libc;            /* history.caught_by_libc is known: it is the same in every run of a server */
  uint64_t limit;                 /* of open files, soft, that the world was made with */
  uint32_t no_new_privs, seccomp; /* of all threads, as the race begins (prctl(2)); ~0: not known */
  int32_t server_pid;             /* the process with a stream and an exit handler: ending.c */
  uint32_t world_errno;           /* why the initial world could not be made, see world_where; 0: no failure */
  char world_where[SC_WHERE_MAX];
  int32_t arena_pid;
  uint32_t held_count;
  struct sc_held held[SC_HELD_MAX]; /* ascending */
  struct sc_thread_state thread[SC_THREADS_MAX];

  uint32_t enabled; /* SC_SAY_CHOOSE: the tasks that can go */
  struct sc_history history;
  struct sc_trace trace;
};

/* A sum over what must be the same in both builds, the host's and the arena's: the rows of the tables, and the sizes of
 * what is shared. A host that misreads the mapping of another build's arena would report "holds" for it. */
static inline uint64_t sc_layout(void) {
#define SC_ROW(...) #__VA_ARGS__ ";"
  static const char rows[] = SC_OPERATIONS(SC_ROW) SC_PROGRAMS(SC_ROW) SC_ATTRIBUTES(SC_ROW) SC_DISTURBANCES(SC_ROW);
#undef SC_ROW
  const uint64_t sizes[] = {sizeof(struct sc_shared), sizeof(struct sc_history), sizeof(struct sc_trace),
                            sizeof(struct sc_operation)};
  uint64_t sum = 0xcbf29ce484222325u; /* FNV-1a */
  for (uint32_t i = 0; i < sizeof rows; ++i) sum = (sum ^ (uint8_t)rows[i]) * 0x100000001b3u;
  for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) sum = (sum ^ sizes[i]) * 0x100000001b3u;
  return sum;
}

#endif
