/* SPDX-License-Identifier: MIT
 *
 * Tells whether any task of a free run can still move: a fact, not a guess by time. */
#ifndef SPAWNCHECK_EXECUTOR_STILL_H
#define SPAWNCHECK_EXECUTOR_STILL_H

#include "impl/executor/shared/shared.h"

enum stillness {
  STILL_NOT,     /* some task may move, or could not be read */
  STILL_WAITING, /* every task waits for another task: nothing happens any more */
  STILL_STOPPED  /* likewise, and a task is stopped by a signal: no task is left to continue it */
};

/* Looks at the arena's threads and at all their descendants. */
enum stillness look_whether_still(pid_t arena);
/* The caller must know that each operation has returned. Returns STILL_NOT until each thread is stopped, or sleeps in
 * its last wait: then it has taken every signal that was sent to it. A sender wakes the thread that will take the
 * signal, so one look at each thread is enough. */
enum stillness look_whether_signals_are_taken(pid_t arena);

#endif
