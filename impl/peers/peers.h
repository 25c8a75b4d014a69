/* SPDX-License-Identifier: MIT
 *
 * Implementations that come with spawncheck, by name, and the loading of others. */
#ifndef SPAWNCHECK_PEERS_PEERS_H
#define SPAWNCHECK_PEERS_PEERS_H

#include "impl/peers/implementation.h"

#define PEER_TEXT_MAX 256

/* Columns: the name on the command line, the function that gives it, the function that describes it, what it is. */
#define SPAWNCHECK_PEERS(X)                                                                                          \
  X("reference", peer_reference, peer_reference_description,                                                         \
    "impl/spawn; --strategy copy, unshare, staged, fetched or except forces one")                                    \
  X("posix_spawn", peer_posix_spawn, peer_posix_spawn_description, "glibc's posix_spawn(3) with file actions")       \
  X("fork_exec", peer_fork_exec, peer_fork_exec_description, "fork(2), an error pipe, execve(2), written with care") \
  X("canary", peer_canary, peer_nothing_described,                                                                   \
    "deliberately wrong: dup2 in list order, close-on-exec cleared before unsharing")

#define SPAWNCHECK_ROW(name, get, describe, what)    \
  const struct spawncheck_implementation* get(void); \
  const struct spawncheck_description* describe(void); /* as spawncheck_description_v1(); may give null */
SPAWNCHECK_PEERS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW

/* By name, or a shared object when `which` contains a slash. Null: `text` says why, in one line. A strategy
 * is the reference's; "" leaves the choice to it. The object lives as long as the process. `description` becomes what
 * the implementation says of itself: of today's size, with 0 for what it does not say. */
const struct spawncheck_implementation* peer_load(const char* which, const char* strategy,
                                                  struct spawncheck_description* description, char text[PEER_TEXT_MAX]);

/* reference.c: 0, or -1 for a name that is no strategy. Not thread-safe; before the first spawn. */
int peer_reference_force(const char* strategy);

/* The numbers first..last of the table are the window from now on: the reference's, whichever implementation runs, and
 * that of the loaded object if it wants one. 0 or an errno. */
int peer_adopt_window(int first, int last);
int peer_reference_adopt_window(int first, int last); /* reference.c */

#endif
