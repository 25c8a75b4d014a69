/* SPDX-License-Identifier: MIT
 *
 * The parts of the arena, the process that the server forks for each run. */
#ifndef SPAWNCHECK_EXECUTOR_ARENA_H
#define SPAWNCHECK_EXECUTOR_ARENA_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/executor/shared/shared.h"

/* world.c, in the arena: closes every descriptor, calls implementation_prepare(), and opens the descriptors of the
 * world. Ends the process on failure. */
void world_make(void);

/* prepare.c, in the arena, which has no descriptor yet: lets the implementation start what it needs, and records the
 * descriptors that it holds from then on. Returns 0, or an errno, for which `where` names what failed. */
int implementation_prepare(char where[SC_WHERE_MAX]);

/* operations.c: runs one operation and fills its record. */
void operation_run(uint32_t thread, uint32_t index);
/* The action in the form of rt_sigaction(2). */
struct kernel_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};
long set_disposition(int signal, int disposition); /* rt_sigaction(2); the raw result */
extern int32_t cells[SC_CELLS_MAX];

/* ending.c: an exit handler and a stream that tell when a child runs them. Called once, in the server. */
void ending_prepare(void);

/* caller.c: the state that the calling thread can read of itself, before and after a spawn; differences are bits of
 * SC_DISTURBED. */
struct caller {
  uint64_t mask, pending;
  stack_t altstack;
  int cancel_state, cancel_type;
};
void caller_ask(struct caller* c);
uint32_t caller_differs(const struct caller* then, const struct caller* now);
void caller_begin(void);                   /* once all dispositions are set, the last thing before the race */
void caller_begin_thread(uint32_t thread); /* in the thread, before the race */
void caller_look(uint32_t thread, struct sc_op_record* record); /* reads what caller_ask() leaves for later */

/* spawning.c */
int requests_are_within(uint64_t start, uint64_t end);
void spawn_look_later(uint32_t thread,
                      uint32_t index); /* after each operation: looks at the caller once that can hide nothing */
void spawn_run_operation(const struct sc_operation* op, uint32_t thread, uint32_t index, struct sc_op_record* record);

/* threads.c: the arena process. Does not return. */
_Noreturn void arena_main(void);
void attract_attention(void);
uint32_t next_stamp(void); /* a number of the run's clock: a larger stamp was taken later */
int32_t operand_value(uint32_t thread, uint32_t index, struct sc_operand operand);

/* filter.c: the seccomp filter that stops the tasks of a scheduled run. Prepared once, in the server; installed in the
 * arena. filter_install() returns 0 or an errno. */
void filter_prepare(void);
int filter_install(void);

/* filter.c: installs a filter for every thread of the caller and all that they start. Returns 0 or an errno. */
struct sock_fprog;
int filter_for_all_threads(const struct sock_fprog* filter);

/* refuse.c, in the arena: from here on the calls that the world refuses fail, in every thread and in all that the
 * threads start. Returns 0 or an errno. */
int refusals_install(void);

/* offer.c: lets the server watch the arena's memory (tracer/watch.c). */
void watch_offer(void);

#endif
