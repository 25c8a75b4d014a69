// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A byte through a pipe says that the flag is set.
#include "audit.h"

static int ends[2];

static void* spawns(void* unused) {
  char byte;
  must(read(ends[0], &byte, 1) == 1);
  spawn_true();
  return unused;
}

int main(void) {
  must(pipe2(ends, O_CLOEXEC) == 0);
  const pthread_t thread = start(spawns, NULL);
  mark(open_late());
  must(write(ends[1], "", 1) == 1);
  pthread_join(thread, NULL);
  return 0;
}
