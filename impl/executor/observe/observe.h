/* SPDX-License-Identifier: MIT
 *
 * Reads the state of a process from outside. */
#ifndef SPAWNCHECK_EXECUTOR_OBSERVE_H
#define SPAWNCHECK_EXECUTOR_OBSERVE_H

#include "impl/executor/shared/shared.h"

/* lists.c: argv and envp of every request; argv has `count` strings after argument 0. Prepared once, in the server. */
void lists_prepare(void);
char* const* list_of_arguments(uint32_t count);
char* const* list_of_environment(void);
uint64_t lists_sum(uint32_t count, uint64_t sum); /* of their vectors and strings */
uint64_t memory_sum(uint64_t sum, const void* from, size_t size);
int lists_are_within(uint64_t start, uint64_t end);

/* attributes.c, in the arena too: the processors on which a thread may run; pid 0 is the caller. */
uint64_t attributes_processors(pid_t pid);

/* What the implementation has held since it prepared itself (arena/prepare.c). */
uint64_t sum_of_link(const char* link);                      /* of the target of /proc/PID/fd/N, for sc_held.file */
const struct sc_held* held_at(int number, const char* link); /* null if it holds no such file there */

extern uint32_t observed_numbers; /* how many open numbers have been looked at; wraps */
extern int observe_error; /* why a process that may exist could not be read: a run with an error decides nothing */
/* The caller must know that the process or thread does not run meanwhile: that it is stopped, or that it sleeps and no
 * task is left to wake it. */
void observe_held(struct sc_process* out, pid_t pid);
/* A spawn's child: waits, within bounds, until it runs the request's program, or certainly does not. */
void observe_spawned(struct sc_process* out, pid_t pid, const struct sc_request* request, pid_t arena);
void compare_descriptions(struct sc_process* child, const struct sc_process* parent);

/* memory.c, in the server: returns true if it is certain that the child ran on the arena's memory, alive and outside of
 * exec, at an instant after its spawn had returned. had_its_table: after the return its table was still the arena's. */
int runs_on_memory_of(pid_t arena, pid_t child, int had_its_table);
void observe_begin(void);          /* observe.c; a run begins: none of its children has been looked at */
uint32_t children_looked_at(void); /* as bits, by their index in the history */
void observe_child(int16_t index); /* looks at the child, unless this has been tried before */

#endif
