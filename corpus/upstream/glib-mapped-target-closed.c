/* SPDX-License-Identifier: MIT
 *
 * GLib: a mapped descriptor is closed in the child if its target is the number that stdin_fd had.
 *
 * What happens: with LEAVE_DESCRIPTORS_OPEN, stdin_fd = 5 and a mapping 6 -> 5 the child's 5 is closed: the file
 *   action that closes the source of stdin comes after the mapping has put another file there.
 * What should:  the child's 5 is the file that 6 was.
 * Rule:         documentation of g_spawn_async_with_pipes_and_fds: "FD remappings are processed after standard FDs, so
 *   any target FDs which equal stdin_fd, stdout_fd or stderr_fd will overwrite them in the spawned process".
 * Where:        glib/gspawn.c do_posix_spawn: child_close. Seen with 2.74.6; by fork it is right.
 * Upstream:     no report found.
 *
 *   cc glib-mapped-target-closed.c -o glib-mapped-target-closed $(pkg-config --cflags --libs glib-2.0) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int has_five(GSpawnFlags more) {
  gchar* argv[] = {"/bin/sh", "-c", "[ -e /proc/self/fd/5 ]", NULL};
  const gint source[] = {6}, target[] = {5};
  GPid pid;
  GError* error = NULL;
  int status = -1;
  if (!g_spawn_async_with_pipes_and_fds(NULL, (const gchar* const*)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | more, NULL,
                                        NULL, 5, -1, -1, source, target, 1, &pid, NULL, NULL, NULL, &error)) {
    fprintf(stderr, "spawn: %s\n", error->message);
    return -1;
  }
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) == 0 : -1;
}

int main(void) {
  const int null = open("/dev/null", O_RDWR);
  if (null < 0 || dup3(null, 5, O_CLOEXEC) != 5 || dup3(null, 6, O_CLOEXEC) != 6) return 77;
  const int by_fork = has_five(G_SPAWN_DEFAULT), by_posix_spawn = has_five(G_SPAWN_LEAVE_DESCRIPTORS_OPEN);
  if (by_fork < 0 || by_posix_spawn < 0) return 77;
  const int is_bug = !by_fork || !by_posix_spawn;
  printf("%s: GLib %u.%u.%u, stdin_fd = 5, map 6 -> 5: the child's 5 is %s by fork, %s by posix_spawn\n",
         is_bug ? "BUG" : "FIXED", glib_major_version, glib_minor_version, glib_micro_version,
         by_fork ? "open" : "closed", by_posix_spawn ? "open" : "closed");
  return is_bug;
}
