/* SPDX-License-Identifier: MIT
 *
 * GLib: a spawn that fails closes unrelated descriptors of the caller.
 *
 * What happens: with LEAVE_DESCRIPTORS_OPEN the sources of a mapping are duplicated first. If the second duplicate
 *   fails, the cleanup closes as many numbers as there are sources; the numbers that were never set are uninitialised
 *   memory.
 * What should:  no descriptor of the caller is closed.
 * Rule:         close(2) is for descriptors that one owns.
 * Where:        glib/gspawn.c do_posix_spawn: duped_source_fds. Seen with 2.74.6.
 * Upstream:     GLib commit 96552fc9, in 2.81.0.
 *
 *   cc glib-descriptor-closed-in-caller.c -o glib-descriptor-closed-in-caller $(pkg-config --cflags --libs glib-2.0) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COUNT = 16, INNOCENT = 50, CLOSED = 900 };

int main(void) {
  gchar* argv[] = {"/bin/true", NULL};
  gint source[COUNT], target[COUNT];
  GPid pid = -1;
  GError* error = NULL;
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || dup2(null, INNOCENT) != INNOCENT) return 77;
  for (int i = 0; i < COUNT; ++i) {
    source[i] = i == 0 ? null : CLOSED; /* the second one cannot be duplicated */
    target[i] = 60 + i;
  }
  for (int i = 0; i < 7; ++i) { /* leaves used memory behind, as in a real program */
    gint* volatile used = g_new(gint, COUNT);
    for (int k = 0; k < COUNT; ++k) used[k] = INNOCENT;
    g_free(used);
  }
  g_spawn_async_with_pipes_and_fds(NULL, (const gchar* const*)argv, NULL,
                                   G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN, NULL, NULL, -1, -1, -1,
                                   source, target, COUNT, &pid, NULL, NULL, NULL, &error);
  const int is_bug = fcntl(INNOCENT, F_GETFD) < 0;
  printf("%s: GLib %u.%u.%u, a source that is closed: the caller's descriptor %d is %s\n", is_bug ? "BUG" : "FIXED",
         glib_major_version, glib_minor_version, glib_micro_version, INNOCENT, is_bug ? "closed too" : "open");
  return is_bug;
}
