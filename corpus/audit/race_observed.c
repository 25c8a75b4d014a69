// SPDX-License-Identifier: MIT
// audit: observed fd.inherited
// confirm: observed fd.inherited
//
// A thread opens without O_CLOEXEC, another spawns before it sets the flag, each time: memory orders them.
#include "audit.h"

static _Atomic int is_open, has_spawned;

static void* opens(void* unused) {
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
