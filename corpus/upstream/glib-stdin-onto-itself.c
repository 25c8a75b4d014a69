/* SPDX-License-Identifier: MIT
 *
 * GLib: stdin_fd = 0 takes the child's stdin away.
 *
 * What happens: g_spawn_async_with_pipes_and_fds with stdin_fd = 0 (or stdout_fd = 1, stderr_fd = 2) starts a child
 *   whose 0 is closed: after the source has been duplicated onto itself, it is marked close-on-exec (fork), or closed
 *   by a file action (posix_spawn).
 * What should:  the child's 0 is the caller's 0.
 * Rule:         documentation of g_spawn_async_with_pipes_and_fds: "stdin_fd: file descriptor to use for child's
 *   stdin".
 * Where:        glib/gspawn.c do_exec: set_cloexec(stdin_fd); do_posix_spawn: child_close. Seen with 2.74.6.
 * Upstream:     no report found.
 *
 *   cc glib-stdin-onto-itself.c -o glib-stdin-onto-itself $(pkg-config --cflags --libs glib-2.0) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns 1 if the child has a descriptor 0. */
static int has_stdin(GSpawnFlags more) {
  gchar* argv[] = {"/bin/sh", "-c", "[ -e /proc/self/fd/0 ]", NULL};
  GPid pid;
  GError* error = NULL;
  int status = -1;
  if (!g_spawn_async_with_pipes_and_fds(NULL, (const gchar* const*)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | more, NULL,
                                        NULL, 0, -1, -1, NULL, NULL, 0, &pid, NULL, NULL, NULL, &error)) {
    fprintf(stderr, "spawn: %s\n", error->message);
    return -1;
  }
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) == 0 : -1;
}

int main(void) {
  const int file = open("/dev/zero", O_RDONLY);
  if (file < 0 || dup2(file, 0) != 0) return 77;
  const int by_fork = has_stdin(G_SPAWN_DEFAULT), by_posix_spawn = has_stdin(G_SPAWN_LEAVE_DESCRIPTORS_OPEN);
  if (by_fork < 0 || by_posix_spawn < 0) return 77;
  const int is_bug = !by_fork || !by_posix_spawn;
  printf("%s: GLib %u.%u.%u, stdin_fd = 0: the child's 0 is %s by fork, %s by posix_spawn\n", is_bug ? "BUG" : "FIXED",
         glib_major_version, glib_minor_version, glib_micro_version, by_fork ? "open" : "closed",
         by_posix_spawn ? "open" : "closed");
  return is_bug;
}
