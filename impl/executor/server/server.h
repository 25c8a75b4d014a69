/* SPDX-License-Identifier: MIT
 *
 * The parts of the arena server. */
#ifndef SPAWNCHECK_EXECUTOR_SERVER_H
#define SPAWNCHECK_EXECUTOR_SERVER_H

#include "impl/executor/shared/shared.h"

/* places.c: 0, or an errno with `where` saying what failed. */
int places_make(const char* bin_directory, char where[SC_TEXT_MAX]);
void places_remove(void);

/* reap.c: kills the arena and all its descendants, and reaps them. In a judged run, the history counts as a stray each
 * process that no spawn returned. */
void end_run(pid_t arena, int is_judged);

#endif
