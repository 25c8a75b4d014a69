/* SPDX-License-Identifier: MIT
 *
 * GLib: the child loses the descriptor of its error pipe before it can report that loss.
 *
 * What happens: a target equals the number of the error pipe, so the child moves the pipe away; no number is free, and
 *   the child writes the error to the descriptor -1, which the failed duplicate has returned. The caller sees the end
 *   of the pipe: success, for a child that has exited with 1.
 * What should:  FALSE and an error.
 * Rule:         documentation: "Errors are reported even if they occur in the child".
 * Where:        glib/gspawn.c do_exec: child_err_report_fd = dupfd_cloexec(child_err_report_fd, ...). Up to 2.86.
 * Upstream:     GLib commit ff9b245b, in 2.87.0.
 *
 *   cc glib-error-descriptor-lost.c -o glib-error-descriptor-lost $(pkg-config --cflags --libs glib-2.0) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a table of 3 to 7 below the limit of 8: 3 is the source and its own target, so it needs no duplicate. The pipe
 * gets 4 and 5. A source that is mapped to 5 has to be duplicated above every target; with it the table is full. */
int main(void) {
  gchar* argv[] = {"/bin/true", NULL};
  const gint source[] = {3}, target[] = {5};
  GPid pid = -1;
  GError* error = NULL;
  struct rlimit limit;
  for (int fd = open("/dev/null", O_RDWR | O_CLOEXEC); fd >= 0 && fd < 3;) fd = dup(fd);
  for (int fd = 4; fd < 64; ++fd) close(fd);
  if (fcntl(3, F_GETFD) < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  limit.rlim_cur = 7; /* 6 is for the source's duplicate; then no number above the target is free for the pipe */
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 77;
  const gboolean is_success = g_spawn_async_with_pipes_and_fds(
      NULL, (const gchar* const*)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CLOEXEC_PIPES, NULL, NULL, -1, -1, -1,
      source, target, 1, &pid, NULL, NULL, NULL, &error);
  int status = 0;
  if (is_success) waitpid(pid, &status, 0);
  const int is_bug = is_success && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  if (is_success && !is_bug) {
    printf("undecided: the child has found a number for its error pipe\n");
    return 77;
  }
  printf("%s: GLib %u.%u.%u, no number free for the error pipe: returned %s, wait status %d, error \"%s\"\n",
         is_bug ? "BUG" : "FIXED", glib_major_version, glib_minor_version, glib_micro_version,
         is_success ? "TRUE" : "FALSE", status, error != NULL ? error->message : "none");
  return is_bug;
}
