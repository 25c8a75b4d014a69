/* SPDX-License-Identifier: MIT
 *
 * GLib: a spawn that started nothing is reported as a success.
 *
 * What happens: with LEAVE_DESCRIPTORS_OPEN and a mapped descriptor, if no number is free for its duplicate,
 *   g_spawn_async_with_pipes_and_fds returns TRUE, sets no error, and leaves child_pid unchanged.
 * What should:  FALSE, and an error: the child was not started.
 * Rule:         documentation: "Returns: TRUE on success, FALSE if an error was set".
 * Where:        glib/gspawn.c do_posix_spawn: goto out_close_fds after dupfd_cloexec has failed, with r == 0. Seen
 *   with 2.74.6.
 * Upstream:     no report found.
 *
 *   cc glib-no-child-reported.c -o glib-no-child-reported $(pkg-config --cflags --libs glib-2.0) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

int main(void) {
  gchar* argv[] = {"/bin/true", NULL};
  const gint source[] = {0}, target[] = {15};
  GPid pid = -1;
  GError* error = NULL;
  struct rlimit limit;
  const int null = open("/dev/null", O_RDWR);
  if (null < 0 || dup2(null, 0) != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  limit.rlim_cur = 16; /* the duplicate must be above the highest target, 15 */
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  const gboolean is_success = g_spawn_async_with_pipes_and_fds(
      NULL, (const gchar* const*)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN, NULL, NULL, -1,
      -1, -1, source, target, 1, &pid, NULL, NULL, NULL, &error);
  const int is_bug = is_success && pid <= 0;
  printf("%s: GLib %u.%u.%u, no number free above the target: returned %s, pid %d, error \"%s\"\n",
         is_bug ? "BUG" : "FIXED", glib_major_version, glib_minor_version, glib_micro_version,
         is_success ? "TRUE" : "FALSE", (int)pid, error != NULL ? error->message : "none");
  return is_bug;
}
