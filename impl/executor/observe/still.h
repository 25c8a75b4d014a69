/* SPDX-License-Identifier: MIT
 *
 * Is there anything left of a free run that can move? A fact, not a guess by time. */
#ifndef SPAWNCHECK_EXECUTOR_STILL_H
#define SPAWNCHECK_EXECUTOR_STILL_H

#include "impl/executor/shared/shared.h"

enum stillness {
  STILL_NOT,     /* something may move, or we could not look */
  STILL_WAITING, /* every task waits for another task: nothing happens any more */
  STILL_STOPPED  /* likewise, and a task is stopped by a signal: no task is left to continue it */
};

/* The arena's threads, and all processes they have started, and so on. */
enum stillness look_whether_still(pid_t arena);
/* Each operation has returned: is each thread in its last wait since, with all it was sent? Whoever sends a signal
 * wakes the thread that will take it, so one look at each is enough. */
enum stillness look_whether_signals_are_taken(pid_t arena);

#endif
