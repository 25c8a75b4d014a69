/* SPDX-License-Identifier: MIT
 *
 * Lets the implementation start what it needs in the arena before the world is made: threads, descriptors, handlers.
 *
 * Descriptors that it holds for itself (SPAWNCHECK_HOLDS_DESCRIPTORS) must not have numbers at which the world or an
 * operation opens something: all numbers below SC_HELD_FROM are taken during prepare(), so its own get higher ones.
 * Rejected: to move them afterwards, which breaks a library that remembers their numbers. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"
#include "impl/executor/observe/proc.h"

static int take_low_numbers(void) {
  int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  while (fd >= 0 && fd < SC_HELD_FROM - 1) fd = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
  return fd >= 0 ? 0 : errno;
}

static void give_low_numbers_back(void) {
  if (syscall(SYS_close_range, 0u, SC_HELD_FROM - 1u, 0u) != 0) /* kernels before 5.9 */
    for (int n = 0; n < SC_HELD_FROM; ++n) close(n);
}

/* Records every descriptor that is open at SC_HELD_FROM or above. Returns 0 or an errno. */
static int note_held(void) {
  int numbers[SC_HELD_MAX + 8]; /* has room for those of /proc, which are below SC_HELD_FROM */
  const int self = proc_open(getpid());
  if (self < 0) return errno;
  const int count = proc_list(self, "fd", numbers, SC_HELD_MAX + 8);
  int error = count < 0 ? errno : count == SC_HELD_MAX + 8 ? EMFILE : 0;
  for (int i = 0; i < count && error == 0; ++i) {
    char name[32], link[SC_PATH_MAX];
    snprintf(name, sizeof name, "fd/%d", numbers[i]);
    if (numbers[i] < SC_HELD_FROM || proc_link(self, name, link) < 0) continue;
    if (shared->held_count >= SC_HELD_MAX)
      error = EMFILE;
    else
      shared->held[shared->held_count++] =
          (struct sc_held){numbers[i], (fcntl(numbers[i], F_GETFD) & FD_CLOEXEC) != 0, sum_of_link(link)};
  }
  close(self);
  return error;
}

int implementation_prepare(char where[SC_WHERE_MAX]) {
  const int holds = has_habit(SPAWNCHECK_HOLDS_DESCRIPTORS);
  int error = holds ? take_low_numbers() : 0;
  snprintf(where, SC_WHERE_MAX, "open of /dev/null before prepare()");
  if (error == 0 && implementation_says.prepare != NULL) {
    snprintf(where, SC_WHERE_MAX, "prepare() of the implementation");
    error = implementation_says.prepare();
  }
  if (!holds || error != 0) return error;
  snprintf(where, SC_WHERE_MAX, "more than %d descriptors are held by the implementation", SC_HELD_MAX);
  give_low_numbers_back();
  return note_held();
}
