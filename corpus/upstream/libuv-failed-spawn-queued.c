/* SPDX-License-Identifier: MIT
 *
 * libuv: a uv_spawn that returns an error has started a child, and its handle stays in the loop.
 *
 * What happens: the child is started and the handle is queued; then a stream of the caller cannot be opened, here
 *   because it is given twice, and uv_spawn returns UV_EBUSY. A caller that frees the handle of the failed spawn
 *   leaves a dangling pointer in the loop, which SIGCHLD follows.
 * What should:  the handle of a failed spawn is not active.
 * Rule:         libuv documentation, uv_spawn: "If the process is successfully spawned, this function will return 0.
 *   Otherwise, the negative error code corresponding to the reason it couldn't spawn is returned".
 * Where:        src/unix/process.c uv_spawn: after uv__process_open_stream. Seen with 1.44.2; fixed in 1.52.
 * Upstream:     libuv issue 4980.
 *
 *   cc libuv-failed-spawn-queued.c -o libuv-failed-spawn-queued $(pkg-config --cflags --libs libuv) */
#include <signal.h>
#include <stdio.h>
#include <uv.h>

int main(void) {
  uv_loop_t loop;
  uv_process_t process;
  uv_pipe_t pipe;
  char* argv[] = {"/bin/sleep", "60", NULL};
  if (uv_loop_init(&loop) != 0 || uv_pipe_init(&loop, &pipe, 0) != 0) return 77;
  uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}};
  for (int n = 1; n < 3; ++n) {
    stdio[n].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    stdio[n].data.stream = (uv_stream_t*)&pipe;
  }
  const uv_process_options_t options = {.file = argv[0], .args = argv, .stdio = stdio, .stdio_count = 3};
  const int error = uv_spawn(&loop, &process, &options);
  if (error == 0) {
    uv_process_kill(&process, SIGKILL);
    return 77;
  }
  const int is_bug = uv_is_active((uv_handle_t*)&process);
  if (is_bug) uv_process_kill(&process, SIGKILL);
  printf("%s: libuv %s, uv_spawn gave %s: its handle is %s\n", is_bug ? "BUG" : "FIXED", uv_version_string(),
         uv_err_name(error), is_bug ? "active, its child runs" : "not active");
  return is_bug;
}
