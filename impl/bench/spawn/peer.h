/* SPDX-License-Identifier: MIT
 *
 * A peer: one way to start a program and wait for its end. Every peer gets the same job and does it as well
 * as its interface allows; its note says what it does not do. */
#ifndef SPAWNCHECK_BENCH_PEER_H
#define SPAWNCHECK_BENCH_PEER_H

#ifdef __cplusplus
extern "C" {
#endif

/* The child gets source[i] as its number i, for i below keep_count, and nothing else. Every source is at or above
 * keep_count, so that no move overwrites a source; all descriptors of the parent are close-on-exec. */
struct bench_job {
  const char* program; /* absolute */
  char *const *argv, *const *envp;
  const int* source;
  unsigned keep_count;
  unsigned at_once; /* threads that do the job at the same time, each with its own prepared peer */
};

struct bench_peer {
  const char* name;
  const char* note; /* what it does, and which parts of the job it does not do */
  /* Makes what can be made ahead of the spawn, once per thread. Returns null if the peer is not available here.
   * The job must outlive the result. */
  void* (*prepare)(const struct bench_job* job);
  /* Starts the child and waits for it. Returns its wait status or a negative errno. One thread at a time. */
  int (*run)(void* prepared);
  void (*release)(void* prepared);
  /* Called around a turn, outside the measured time: for process state that only this peer should pay for.
   * One thread calls them, with one of the peers prepared for this job; enter returns 0 or an errno. Null: nothing. */
  int (*enter)(void* prepared);
  void (*leave)(void* prepared);
  unsigned always_open; /* numbers below this are open in every child, kept or not; 0 for most */
};

/* Constant tables; a row without a name ends each. The table of a missing library is not in the build. */
extern const struct bench_peer bench_peers_reference[];
extern const struct bench_peer bench_peers_system[];
extern const struct bench_peer bench_peers_libuv[];
extern const struct bench_peer bench_peers_glib[];
extern const struct bench_peer bench_peers_boost[];

#ifdef __cplusplus
}
#endif

#endif
