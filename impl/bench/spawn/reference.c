/* SPDX-License-Identifier: MIT
 *
 * The reference, once for each strategy that it has. */
#include "peer.h"

#include <spawncheck/spawn/request.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

struct prepared {
  struct spawn_request request;
  struct spawn_keep keep[];
};

static int run(void *prepared) {
  struct prepared *p = prepared;
  struct spawn_result result;
  const int error = spawn_run(&p->request, &result);
  if (error != 0) return -error;
  int status = 0;
  while (waitpid(result.pid, &status, 0) < 0)
    if (errno != EINTR) return -errno;
  return status;
}

/* Which strategies there are is found by trying. */
static void *prepare(const struct bench_job *job, unsigned strategy) {
  struct prepared *p = calloc(1, sizeof *p + job->keep_count * sizeof p->keep[0]);
  if (p == NULL) return NULL;
  for (unsigned i = 0; i < job->keep_count; ++i) p->keep[i] = (struct spawn_keep){job->source[i], (int)i};
  p->request.policy = SPAWN_FDS_ONLY;
  p->request.strategy = strategy;
  p->request.path = job->program;
  p->request.argv = job->argv;
  p->request.envp = job->envp;
  p->request.keep = p->keep;
  p->request.keep_count = job->keep_count;
  if (run(p) >= 0) return p;
  free(p);
  return NULL;
}

#define STRATEGIES(X) X(COPY, copy) X(UNSHARE, unshare) X(STAGED, staged) X(FETCHED, fetched) X(EXCEPT, except)

#define STRATEGY(id, word) \
  static void *prepare_##word(const struct bench_job *job) { return prepare(job, SPAWN_STRATEGY_##id); }
STRATEGIES(STRATEGY)
#undef STRATEGY

const struct bench_peer bench_peers_reference[] = {
#define STRATEGY(id, word) {"reference/" #word, "spawn_run, policy only, strategy " #word, prepare_##word, run, free, 0},
    STRATEGIES(STRATEGY)
#undef STRATEGY
    {0}};
