// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// The opener is joined before the spawn, also where it has ended so early that joining makes no system call.
#include "audit.h"

static void* opens(void* unused) {
  mark(open_late());
  close(open_late());
  return unused;
}

int main(void) {
  for (int i = 0; i < 5; ++i) {
    pthread_join(start(opens, NULL), NULL);
    spawn_true();
  }
  return 0;
}
