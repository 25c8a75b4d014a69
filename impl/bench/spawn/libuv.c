/* SPDX-License-Identifier: MIT
 *
 * libuv: uv_spawn, and the loop until the exit callback is called. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "peer.h"

struct prepared {
  uv_loop_t loop;
  uv_process_t process;
  uv_process_options_t options;
  int status;
  uv_stdio_container_t stdio[];
};

static void on_exit_of(uv_process_t* process, int64_t exit_status, int signal) {
  struct prepared* p = process->data;
  p->status = signal != 0 ? signal : (int)exit_status << 8;
  uv_close((uv_handle_t*)process, NULL);
}

static void release(void* prepared) {
  struct prepared* p = prepared;
  uv_loop_close(&p->loop);
  free(p);
}

/* Opens the loop's own descriptors above the numbers that another peer may reserve: they exist before its turn. */
static int init_above(uv_loop_t* loop, int number) {
  int low[64], count = 0, error = 0;
  for (int fd = 0; count < 64 && fd < number && error == 0;) {
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
      error = -errno;
    else
      low[count++] = fd;
  }
  if (error == 0) error = uv_loop_init(loop);
  while (count > 0) close(low[--count]);
  return error;
}

static void* prepare(const struct bench_job* job) {
  struct prepared* p = calloc(1, sizeof *p + job->keep_count * sizeof p->stdio[0]);
  if (p == NULL) return NULL;
  if (init_above(&p->loop, 63) != 0) {
    free(p);
    return NULL;
  }
  for (unsigned i = 0; i < job->keep_count; ++i) {
    p->stdio[i].flags = UV_INHERIT_FD;
    p->stdio[i].data.fd = job->source[i];
  }
  p->options.exit_cb = on_exit_of;
  p->options.file = job->program;
  p->options.args = (char**)job->argv;
  p->options.env = (char**)job->envp;
  p->options.stdio = p->stdio;
  p->options.stdio_count = (int)job->keep_count;
  p->process.data = p;
  return p;
}

static int run(void* prepared) {
  struct prepared* p = prepared;
  p->status = -ECHILD;
  const int error = uv_spawn(&p->loop, &p->process, &p->options);
  if (error != 0) {
    uv_close((uv_handle_t*)&p->process, NULL);
    p->status = error;
  }
  uv_run(&p->loop, UV_RUN_DEFAULT);
  return p->status;
}

const struct bench_peer bench_peers_libuv[] = {
    {"libuv",
     "uv_spawn and uv_run to the exit callback; what is not kept goes by close-on-exec, 0, 1 and 2 are never empty",
     prepare, run, release, NULL, NULL, 3},
    {0}};
