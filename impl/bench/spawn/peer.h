/* SPDX-License-Identifier: MIT
 *
 * What is measured: one way to start a program and wait for its end. Every peer gets the same job and does it as well
 * as its interface lets it; what it leaves undone stands in its note. */
#ifndef SPAWNCHECK_BENCH_PEER_H
#define SPAWNCHECK_BENCH_PEER_H

#ifdef __cplusplus
extern "C" {
#endif

/* The child gets source[i] as its number i, for i below keep_count, and nothing else. Every source is at or above
 * keep_count, so that no move is in another's way; all that is open in the parent is close-on-exec. */
struct bench_job {
  const char* program; /* absolute */
  char *const *argv, *const *envp;
  const int* source;
  unsigned keep_count;
  unsigned at_once; /* threads that do it at the same time, each with a peer prepared for itself */
};

struct bench_peer {
  const char* name;
  const char* note; /* what it does, and what the job asks for and it does not do */
  /* Whatever the interface lets one make ahead of the spawn, and again for each thread; null: not available here.
   * The job outlives it. */
  void* (*prepare)(const struct bench_job* job);
  /* Starts the child and waits for it: its wait status, or a negative errno. From one thread at a time. */
  int (*run)(void* prepared);
  void (*release)(void* prepared);
  /* Around a turn, outside the time: what the process must have for this peer and what the others should not pay for.
   * By one thread, with one of the peers prepared for this job; 0, or an errno. Null: nothing. */
  int (*enter)(void* prepared);
  void (*leave)(void* prepared);
  unsigned always_open; /* numbers below this are open in every child, kept or not; 0 for most */
};

/* Constant tables, each ended by a row without a name. Missing libraries leave theirs out of the build. */
extern const struct bench_peer bench_peers_reference[];
extern const struct bench_peer bench_peers_system[];
extern const struct bench_peer bench_peers_libuv[];
extern const struct bench_peer bench_peers_glib[];
extern const struct bench_peer bench_peers_boost[];

#ifdef __cplusplus
}
#endif

#endif
