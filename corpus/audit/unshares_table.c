// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A thread has a table of its own: what it opens there, the other thread's child cannot get.
#include "audit.h"

static _Atomic int is_open, has_spawned;

static void* opens(void* unused) {
  must(unshare(CLONE_FILES) == 0);
  const int fd = open_late();
  is_open = 1;
  spin_until(&has_spawned);
  mark(fd);
  return unused;
}

int main(void) {
  const pthread_t thread = start(opens, NULL);
  spin_until(&is_open);
  spawn_true();
  has_spawned = 1;
  pthread_join(thread, NULL);
  return 0;
}
