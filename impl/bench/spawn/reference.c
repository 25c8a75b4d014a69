/* SPDX-License-Identifier: MIT
 *
 * The reference, once for each of its strategies. */
#include <errno.h>
#include <spawncheck/spawn/request.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "peer.h"

/* Reserves the reference's window; null if the library has no window. */
__attribute__((weak)) int spawn_window_reserve(uint32_t count);
__attribute__((weak)) int spawn_window_release(void);

struct prepared {
  unsigned at_once;
  struct spawn_request request;
  struct spawn_keep keep[];
};

/* Staged does not wait: it refuses if its slots are in use, or were when it looked. Then it is retried. */
static int spawn_staged(const struct spawn_request* request, struct spawn_result* result) {
  enum { tries_max = 10000 };
  int error = ENOTSUP;
  for (int tries = 0; tries < tries_max && error == ENOTSUP; ++tries) error = spawn_run(request, result);
  return error;
}

static int run(void* prepared) {
  struct prepared* p = prepared;
  struct spawn_result result;
  const int error = p->request.strategy == SPAWN_STRATEGY_STAGED ? spawn_staged(&p->request, &result)
                                                                 : spawn_run(&p->request, &result);
  if (error != 0) return -error;
  int status = 0;
  while (waitpid(result.pid, &status, 0) < 0)
    if (errno != EINTR) return -errno;
  return status;
}

/* Reserves slots for the sources of all threads, as far as they fit. Only during a turn: every other peer's
 * copy of the table would pay for them. */
static int enter_window(void* prepared) {
  const struct prepared* p = prepared;
  enum { has_room = SPAWN_WINDOW_MAX - 2 }; /* without 0 to 2 and numbers that are open briefly */
  const unsigned all = p->request.keep_count * p->at_once;
  const unsigned count = p->request.keep_count <= has_room && all > has_room ? has_room : all;
  return spawn_window_reserve == NULL ? ENOTSUP : spawn_window_reserve(count != 0 ? count : 1);
}
static void leave_window(void* prepared) {
  (void)prepared;
  spawn_window_release();
}

/* A trial spawn shows whether the strategy is available. */
static void* prepare(const struct bench_job* job, unsigned strategy, int (*enter)(void*), void (*leave)(void*)) {
  struct prepared* p = calloc(1, sizeof *p + job->keep_count * sizeof p->keep[0]);
  if (p == NULL) return NULL;
  for (unsigned i = 0; i < job->keep_count; ++i) p->keep[i] = (struct spawn_keep){job->source[i], (int)i};
  p->request.policy = SPAWN_FDS_ONLY;
  p->request.strategy = strategy;
  p->request.path = job->program;
  p->request.argv = job->argv;
  p->request.envp = job->envp;
  p->request.keep = p->keep;
  p->request.keep_count = job->keep_count;
  p->at_once = job->at_once;
  const bool is_entered = enter == NULL || enter(p) == 0, is_available = is_entered && run(p) >= 0;
  if (is_entered && leave != NULL) leave(p);
  if (is_available) return p;
  free(p);
  return NULL;
}

#define STRATEGIES(X)             \
  X(COPY, copy, NULL, NULL)       \
  X(UNSHARE, unshare, NULL, NULL) \
  X(STAGED, staged, enter_window, leave_window) X(FETCHED, fetched, NULL, NULL) X(EXCEPT, except, NULL, NULL)

#define STRATEGY(id, word, enter, leave) \
  static void* prepare_##word(const struct bench_job* job) { return prepare(job, SPAWN_STRATEGY_##id, enter, leave); }
STRATEGIES(STRATEGY)
#undef STRATEGY

const struct bench_peer bench_peers_reference[] = {
#define STRATEGY(id, word, enter, leave) \
  {"reference/" #word, "spawn_run, policy only, strategy " #word, prepare_##word, run, free, enter, leave, 0},
    STRATEGIES(STRATEGY)
#undef STRATEGY
        {0}};
