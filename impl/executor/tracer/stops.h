/* SPDX-License-Identifier: MIT
 *
 * What stops.c and steps.c share, in the arena server: a task, by its index, is led to where it rests next. */
#ifndef SPAWNCHECK_EXECUTOR_STOPS_H
#define SPAWNCHECK_EXECUTOR_STOPS_H

#include "impl/executor/tracer/tracer.h"

struct sc_task* task_of(int task);

/* ptrace(2) of the task. */
long trace_request(int what, int task, uintptr_t address, void* data);
void resume_task(int task, int how, int signal);

/* Reads its memory, also where process_vm_readv(2) is refused. Returns 1 if all of it was read. */
int read_memory(int task, int64_t address, void* at, size_t size);
void read_pointee_at(int task, struct sc_step* step, int64_t address);

/* /proc/TID, opened once; -1: the task is gone. */
int process_of(int task);
char kernel_state_of(int task); /* as in proc(5): R, S, D, t, T, Z, X; 0: gone */

enum waited { WAITED_STOP, WAITED_DEATH, WAITED_ASLEEP, WAITED_OUT };

/* Waits until the task stops, dies or sleeps. If the task's call cannot sleep, the tracer waits without looking whether
 * it does; if the task then sleeps in a call that is not visible, the timer's next tick makes the tracer look. */
enum waited await_task(int task, int may_sleep, int* status);

/* Waits until the task, which was resumed, rests. `step` is the record of what it does, or null. */
void run_to_rest(int task, struct sc_step* step, int may_sleep);

/* Records that the task died with this status of waitpid(2). */
void end_task(int task, int status, struct sc_step* step);

/* Returns a count that grows whenever a signal may have been sent. */
uint32_t tracer_signals(void);

int is_ignored_sigchld(int signal); /* true for a SIGCHLD without a handler, which is delivered without a step */

#endif
