/* SPDX-License-Identifier: MIT
 *
 * GLib: g_spawn_async_with_pipes_and_fds overwrites a descriptor that it still needs.
 *
 * What happens: with stdin_fd = 1 and stdout_fd = 0, the child gets the caller's 1 as 0 and as 1: the second dup2
 *   reads what the first has written. The same happens if a pipe that GLib makes gets a number of 0 to 2.
 * What should:  the child's 0 is the file that stdin_fd was, its 1 the file that stdout_fd was.
 * Rule:         documentation of g_spawn_async_with_pipes_and_fds: "stdin_fd: file descriptor to use for child's
 *   stdin".
 * Where:        glib/gspawn.c do_exec, do_posix_spawn. Versions: up to 2.74; fixed for fork in 2.75.0.
 * Upstream:     GLib issue 16.
 *
 *   cc glib-stdio-swap.c -o glib-stdio-swap $(pkg-config --cflags --libs glib-2.0) && ./glib-stdio-swap */
#define _GNU_SOURCE
#include <glib.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child writes "x" to its descriptor 1. Returns whether that was the file that the caller had as 0. */
static int is_swapped(GSpawnFlags more, int zero, int one) {
  gchar* argv[] = {"/bin/sh", "-c", "echo x 2>/dev/null", NULL};
  GPid pid;
  GError* error = NULL;
  if (ftruncate(zero, 0) != 0 || ftruncate(one, 0) != 0 || dup2(zero, 0) < 0 || dup2(one, 1) < 0) return -1;
  if (!g_spawn_async_with_pipes_and_fds(NULL, (const gchar* const*)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | more, NULL,
                                        NULL, 1, 0, -1, NULL, NULL, 0, &pid, NULL, NULL, NULL, &error)) {
    fprintf(stderr, "spawn: %s\n", error->message);
    return -1;
  }
  waitpid(pid, NULL, 0);
  char text[2] = "";
  return pread(zero, text, 1, 0) == 1 && text[0] == 'x';
}

int main(void) {
  const int zero = memfd_create("zero", MFD_CLOEXEC), one = memfd_create("one", MFD_CLOEXEC);
  FILE* out = fdopen(dup(1), "w");
  if (zero < 0 || one < 0 || out == NULL) return 77;
  const int by_fork = is_swapped(G_SPAWN_DEFAULT, zero, one);
  const int by_posix_spawn = is_swapped(G_SPAWN_LEAVE_DESCRIPTORS_OPEN, zero, one);
  const int is_bug = by_fork == 0 || by_posix_spawn == 0;
  if (by_fork < 0 || by_posix_spawn < 0) return 77;
  fprintf(out, "%s: GLib %u.%u.%u, stdin_fd = 1, stdout_fd = 0: %s by fork, %s by posix_spawn\n",
          is_bug ? "BUG" : "FIXED", glib_major_version, glib_minor_version, glib_micro_version,
          by_fork ? "swapped" : "stdout is lost", by_posix_spawn ? "swapped" : "stdout is lost");
  fflush(out);
  return is_bug;
}
