// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// The opener sets the flag, then ends a child that the other thread waits for.
#include "audit.h"

static pid_t child;

static void* spawns(void* unused) {
  must(waitpid(child, NULL, 0) == child);
  spawn_true();
  return unused;
}

int main(void) {
  child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const pthread_t thread = start(spawns, NULL);
  mark(open_late());
  must(kill(child, SIGKILL) == 0);
  pthread_join(thread, NULL);
  return 0;
}
