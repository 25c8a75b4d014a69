// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A thread clears close-on-exec of numbers that are not open; another has spawned, and only memory orders the two.
#include <sys/ioctl.h>

#include "audit.h"

static _Atomic int has_spawned;

static void* clears(void* unused) {
  (void)unused;
  spin_until(&has_spawned);
  must(fcntl(100, F_SETFD, 0) == -1 && errno == EBADF);
  must(ioctl(101, FIONCLEX) == -1 && errno == EBADF);
  return NULL;
}

int main(void) {
  const pthread_t thread = start(clears, NULL);
  spawn_true();
  has_spawned = 1;
  pthread_join(thread, NULL);
  return 0;
}
