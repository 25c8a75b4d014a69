/* SPDX-License-Identifier: MIT
 *
 * GLib: g_spawn_async_with_pipes_and_fds, and waitpid. Without LEAVE_DESCRIPTORS_OPEN, so GLib itself drops what is not
 * kept; with that flag it would use posix_spawn, which is measured separately. */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "peer.h"

enum { stdio_count = 3 };

struct prepared {
  const struct bench_job* job;
  int stdio[stdio_count]; /* -1: GLib's own choice */
  unsigned more_count;
  int target[];
};

static void* prepare(const struct bench_job* job) {
  struct prepared* p = calloc(1, sizeof *p + job->keep_count * sizeof p->target[0]);
  if (p == NULL) return NULL;
  p->job = job;
  for (unsigned i = 0; i < stdio_count; ++i) p->stdio[i] = i < job->keep_count ? job->source[i] : -1;
  for (unsigned i = stdio_count; i < job->keep_count; ++i) p->target[p->more_count++] = (int)i;
  return p;
}

static int run(void* prepared) {
  struct prepared* p = prepared;
  const struct bench_job* job = p->job;
  GPid pid;
  const unsigned flags = G_SPAWN_DO_NOT_REAP_CHILD;
  if (!g_spawn_async_with_pipes_and_fds(NULL, (const char* const*)job->argv, (const char* const*)job->envp,
                                        (GSpawnFlags)flags, NULL, NULL, p->stdio[0], p->stdio[1], p->stdio[2],
                                        p->more_count != 0 ? job->source + stdio_count : NULL, p->target, p->more_count,
                                        &pid, NULL, NULL, NULL, NULL))
    return -ECHILD;
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return -errno;
  return status;
}

const struct bench_peer bench_peers_glib[] = {
    {"glib", "g_spawn_async_with_pipes_and_fds; 0 becomes /dev/null unless kept", prepare, run, free, NULL, NULL, 1},
    {0}};
