/* SPDX-License-Identifier: MIT
 *
 * Calls impl/spawn with a request of implementation.h: for the peer `reference`, and for objects made from its plan (
 * mutants of classes plan, staged and fetched; ways/array-spawn). As async-signal-safe as spawn_run(). */
#ifndef SPAWNCHECK_PEERS_RUN_REFERENCE_H
#define SPAWNCHECK_PEERS_RUN_REFERENCE_H

#include <assert.h>
#include <errno.h>
#include <spawncheck/spawn/request.h>
#include <string.h>

#include "impl/peers/implementation.h"

#define SPAWNCHECK_IS_SAME(a, b) ((int)(a) == (int)(b))
static_assert(SPAWNCHECK_IS_SAME(SPAWNCHECK_SET_MASK, SPAWN_SET_MASK) &&
                  SPAWNCHECK_IS_SAME(SPAWNCHECK_SET_DEFAULT, SPAWN_SET_DEFAULT) &&
                  SPAWNCHECK_IS_SAME(SPAWNCHECK_SET_IGNORE, SPAWN_SET_IGNORE) &&
                  SPAWNCHECK_IS_SAME(SPAWNCHECK_SET_PGROUP, SPAWN_SET_PGROUP) &&
                  SPAWNCHECK_IS_SAME(SPAWNCHECK_NEW_SESSION, SPAWN_NEW_SESSION) &&
                  SPAWNCHECK_IS_SAME(SPAWNCHECK_SET_CWD, SPAWN_SET_CWD) &&
                  SPAWNCHECK_IS_SAME(SPAWNCHECK_WANT_PIDFD, SPAWN_WANT_PIDFD),
              "the bits are the same");
#undef SPAWNCHECK_IS_SAME
static_assert(sizeof(struct spawncheck_keep) == sizeof(struct spawn_keep), "the entries are the same");

/* strategy: SPAWN_STRATEGY_*. If the scenario makes a forced strategy impossible, the reference chooses: too few slots
 * or no window; a limit that leaves no number for the caller's pidfd. Returns result->error. */
static inline int run_reference(const struct spawncheck_request* request, uint32_t strategy,
                                struct spawncheck_result* result) {
  struct spawn_request r;
  struct spawn_result got;
  memset(&r, 0, sizeof r);
  r.policy = request->fd_policy;
  r.strategy = strategy;
  r.set = request->set;
  r.path = request->path;
  r.program_fd = r.cwd_fd = -1;
  r.argv = request->argv;
  r.envp = request->envp;
  r.keep = (const struct spawn_keep*)request->keep;
  r.keep_count = request->keep_count;
  r.mask = request->mask;
  r.dflt = request->dflt;
  r.ignore = request->ignore;
  r.pgroup = request->pgroup;
  r.cwd = request->cwd;
  spawn_run(&r, &got);
  if ((got.error == ENOTSUP && strategy == SPAWN_STRATEGY_STAGED) ||
      (got.error == EMFILE && strategy == SPAWN_STRATEGY_FETCHED)) {
    r.strategy = SPAWN_STRATEGY_AUTOMATIC;
    spawn_run(&r, &got);
  }
  result->pid = got.pid;
  result->pidfd = got.pidfd;
  return result->error = got.error;
}

#endif
