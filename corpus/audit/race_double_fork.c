// SPDX-License-Identifier: MIT
// audit: observed fd.inherited
// confirm: observed fd.inherited
//
// As a daemon does it: the program that gets the descriptor is a grandchild, in a session of its own.
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
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() == 0) {
      execl("/bin/true", "true", NULL);
      _exit(99);
    }
    _exit(0);
  }
  must(waitpid(child, NULL, 0) == child);
  has_spawned = 1;
  pthread_join(thread, NULL);
  return 0;
}
