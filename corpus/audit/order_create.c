// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// The thread that spawns is made after the flag is set.
#include "audit.h"

static void* spawns(void* unused) {
  spawn_true();
  return unused;
}

int main(void) {
  mark(open_late());
  pthread_join(start(spawns, NULL), NULL);
  return 0;
}
