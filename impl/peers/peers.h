/* SPDX-License-Identifier: MIT
 *
 * Finds the implementations that come with spawncheck by name, and loads others. */
#ifndef SPAWNCHECK_PEERS_PEERS_H
#define SPAWNCHECK_PEERS_PEERS_H

#include "impl/peers/implementation.h"

#define PEER_TEXT_MAX 256

/* Columns: name on the command line; function that returns it; function that returns its description; what it is. */
#define SPAWNCHECK_PEERS(X)                                                                                          \
  X("reference", peer_reference, peer_reference_description,                                                         \
    "impl/spawn; --strategy copy, unshare, staged, fetched or except forces one")                                    \
  X("posix_spawn", peer_posix_spawn, peer_posix_spawn_description, "glibc's posix_spawn(3) with file actions")       \
  X("fork_exec", peer_fork_exec, peer_fork_exec_description, "fork(2), an error pipe, execve(2), written with care") \
  X("canary", peer_canary, peer_nothing_described,                                                                   \
    "deliberately wrong: dup2 in list order, close-on-exec cleared before unsharing")

#define SPAWNCHECK_ROW(name, get, describe, what)    \
  const struct spawncheck_implementation* get(void); \
  const struct spawncheck_description* describe(void); /* as spawncheck_description_v1(); may return null */
SPAWNCHECK_PEERS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW

/* Returns the implementation named `which`, or loads that shared object if `which` contains a slash. Null: `text` says
 * why, in one line. `strategy` is for the reference; "" lets it choose. The object lives as long as the process. Fills
 * `description` with the implementation's own: in this build's size, with 0 for fields that it lacks. */
const struct spawncheck_implementation* peer_load(const char* which, const char* strategy,
                                                  struct spawncheck_description* description, char text[PEER_TEXT_MAX]);

/* reference.c. Returns 0, or -1 for an unknown strategy. Not thread-safe; call it before the first spawn. */
int peer_reference_force(const char* strategy);

/* Makes the numbers first..last the window of the reference, whichever implementation runs, and of the loaded object if
 * it adopts windows. Returns 0 or an errno. */
int peer_adopt_window(int first, int last);
int peer_reference_adopt_window(int first, int last); /* reference.c */

#endif
