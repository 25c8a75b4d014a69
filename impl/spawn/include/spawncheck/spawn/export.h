/* SPDX-License-Identifier: MIT
 *
 * What is declared between SPAWNCHECK_SPAWN_BEGIN and SPAWNCHECK_SPAWN_END has C linkage and is all that the shared
 * library exports. The static library is built with SPAWNCHECK_SPAWN_HIDDEN: a client's shared object
 * that links it exports none of it, so two such objects in one process do not clash. Clients define nothing. */
#ifndef SPAWNCHECK_SPAWN_EXPORT_H
#define SPAWNCHECK_SPAWN_EXPORT_H

#if defined(SPAWNCHECK_SPAWN_HIDDEN)
#define SPAWNCHECK_SPAWN_VISIBILITY_PUSH _Pragma("GCC visibility push(hidden)")
#else
#define SPAWNCHECK_SPAWN_VISIBILITY_PUSH _Pragma("GCC visibility push(default)")
#endif
#define SPAWNCHECK_SPAWN_VISIBILITY_POP _Pragma("GCC visibility pop")

#ifdef __cplusplus
#define SPAWNCHECK_SPAWN_BEGIN \
  extern "C" {                 \
  SPAWNCHECK_SPAWN_VISIBILITY_PUSH
#define SPAWNCHECK_SPAWN_END      \
  SPAWNCHECK_SPAWN_VISIBILITY_POP \
  }
#else
#define SPAWNCHECK_SPAWN_BEGIN SPAWNCHECK_SPAWN_VISIBILITY_PUSH
#define SPAWNCHECK_SPAWN_END SPAWNCHECK_SPAWN_VISIBILITY_POP
#endif

#endif
