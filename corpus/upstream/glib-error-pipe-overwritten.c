/* SPDX-License-Identifier: MIT
 *
 * GLib: if 0, 1 or 2 is closed in the caller, the child's error pipe is overwritten, and a failed exec is a success.
 *
 * What happens: the error pipe is made at the lowest free numbers. If its write end is 1, the child's dup2 of
 *   stdout_fd onto 1 replaces it; the errno of the failed exec is written to the user's file, and the caller sees the
 *   end of the pipe.
 * What should:  FALSE and G_SPAWN_ERROR_NOENT.
 * Rule:         documentation: "Errors are reported even if they occur in the child (for example if the executable in
 *   argv[0] is not found)".
 * Where:        glib/gspawn.c fork_exec, do_exec. Seen with 2.74.6.
 * Upstream:     related: GLib issue 16 (pipes on 0 to 2).
 *
 *   cc glib-error-pipe-overwritten.c -o glib-error-pipe-overwritten $(pkg-config --cflags --libs glib-2.0) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  gchar* argv[] = {"/nonexistent/program", NULL};
  const int file = memfd_create("output", 0);
  FILE* out = fdopen(fcntl(1, F_DUPFD_CLOEXEC, 10), "w");
  GPid pid = -1;
  GError* error = NULL;
  if (file < 0 || out == NULL) return 77;
  close(0); /* closed, as in a daemon: the pipe becomes 0 and 1 */
  close(1);
  const gboolean is_success = g_spawn_async_with_pipes_and_fds(
      NULL, (const gchar* const*)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CLOEXEC_PIPES, NULL, NULL, -1, file,
      -1, NULL, NULL, 0, &pid, NULL, NULL, NULL, &error);
  if (is_success) waitpid(pid, NULL, 0);
  char bytes[16];
  const ssize_t size = pread(file, bytes, sizeof bytes, 0);
  fprintf(out, "%s: GLib %u.%u.%u, a program that does not exist: returned %s, %zd bytes in the child's output file\n",
          is_success ? "BUG" : "FIXED", glib_major_version, glib_minor_version, glib_micro_version,
          is_success ? "TRUE" : "FALSE", size);
  fflush(out);
  return is_success != FALSE;
}
