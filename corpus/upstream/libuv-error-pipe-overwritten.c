/* SPDX-License-Identifier: MIT
 *
 * libuv: a stdio array that reaches the number of the error pipe overwrites it, and a failed exec is a success.
 *
 * What happens: uv_spawn makes its error pipe at the lowest free numbers; the child puts stdio[n] at n without
 *   checking whether n is that pipe. The errno of a failed exec goes into the user's file, and uv_spawn returns 0.
 * What should:  uv_spawn returns UV_ENOENT, and nothing is written to the user's file.
 * Rule:         libuv documentation, uv_spawn: "Possible reasons for failing to spawn would include (but not be
 *   limited to) the file to execute not existing".
 * Where:        src/unix/process.c uv__process_child_init: the second loop. Seen with 1.44.2.
 * Upstream:     no report found.
 *
 *   cc libuv-error-pipe-overwritten.c -o libuv-error-pipe-overwritten $(pkg-config --cflags --libs libuv) */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

enum { COUNT = 40 };

static void on_exit_of(uv_process_t* process, int64_t status, int signal) {
  (void)status;
  (void)signal;
  uv_close((uv_handle_t*)process, NULL);
}

int main(void) {
  uv_loop_t loop;
  uv_process_t process;
  uv_stdio_container_t stdio[COUNT];
  char* argv[] = {"/nonexistent/program", NULL};
  const int file = memfd_create("file", MFD_CLOEXEC);
  if (file < 0 || uv_loop_init(&loop) != 0) return 77;
  for (int n = 0; n < COUNT; ++n)
    stdio[n] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = n < 3 ? n : file};
  const uv_process_options_t options = {
      .file = argv[0], .args = argv, .exit_cb = on_exit_of, .stdio = stdio, .stdio_count = COUNT};
  const int error = uv_spawn(&loop, &process, &options);
  if (error != 0) uv_close((uv_handle_t*)&process, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  const off_t size = lseek(file, 0, SEEK_END);
  const int is_bug = error == 0 || size > 0;
  printf("%s: libuv %s, a program that does not exist, %d numbers: uv_spawn gave %s, %lld bytes in the user's file\n",
         is_bug ? "BUG" : "FIXED", uv_version_string(), COUNT, error == 0 ? "0" : uv_err_name(error), (long long)size);
  return is_bug;
}
