/* SPDX-License-Identifier: MIT
 *
 * libuv: a spawn is a success although the child aborted before exec, for lack of descriptors.
 *
 * What happens: the handler of pthread_atfork(3) that libuv has registered makes a pipe in the child. If no two
 *   numbers are free, for example below a limit that the program has lowered, the handler calls abort(3). The error
 *   pipe closes with nothing in it, and uv_spawn returns 0.
 * What should:  uv_spawn returns UV_EMFILE, and no child was started; or the child makes no pipe, since it calls exec.
 * Rule:         libuv documentation, uv_spawn: "If the process is successfully spawned, this function will return 0.
 *   Otherwise, the negative error code corresponding to the reason it couldn't spawn is returned."
 * Where:        src/unix/signal.c uv__signal_global_reinit, src/unix/process.c uv__spawn_and_init_child. Seen with
 *   1.44.2.
 * Upstream:     no report found; unchanged in v1.x of May 2026.
 *
 *   cc libuv-child-aborts.c -o libuv-child-aborts $(pkg-config --cflags --libs libuv) */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

static int child_signal = -1;

static void on_exit_of(uv_process_t* process, int64_t status, int signal) {
  (void)status;
  child_signal = signal;
  uv_close((uv_handle_t*)process, NULL);
}

int main(void) {
  uv_loop_t loop;
  uv_process_t process;
  char* argv[] = {"/bin/true", NULL};
  const uv_process_options_t options = {.file = argv[0], .args = argv, .exit_cb = on_exit_of};
  const struct rlimit no_core = {0, 0};
  struct rlimit limit;
  int first = -1;
  if (setrlimit(RLIMIT_CORE, &no_core) != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  /* The program has files open, and lowers its limit once it has its loop, whose pipes are then above the limit. */
  for (int i = 0; i < 8; ++i) {
    const int number = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (i == 0) first = number;
  }
  if (first < 0 || uv_loop_init(&loop) != 0) return 77;
  close(first);
  close(first + 1); /* the two numbers of the error pipe */
  limit.rlim_cur = (rlim_t)first + 2;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  const int error = uv_spawn(&loop, &process, &options);
  if (error != 0) uv_close((uv_handle_t*)&process, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  const int is_bug = error == 0 && child_signal == SIGABRT;
  printf("%s: libuv %s, no two numbers free in the child: uv_spawn gave %s, the child %s\n", is_bug ? "BUG" : "FIXED",
         uv_version_string(), error == 0 ? "0" : uv_err_name(error),
         error != 0 ? "was not started"
         : is_bug   ? "aborted"
                    : "ran");
  return is_bug;
}
