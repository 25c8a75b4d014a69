// SPDX-License-Identifier: MIT
// audit: predicted fd.inherited
// confirm: confirmed fd.inherited
//
// The same race, but in the run that is recorded the spawn comes late: nothing orders it.
#include "audit.h"

static _Atomic int is_marked;

static void* opens(void* unused) {
  mark(open_late());
  is_marked = 1;
  pause();
  return unused;
}

int main(void) {
  start(opens, NULL);
  // Until the flag is set, but not for ever: where the opener is held, the spawn comes first. By the clock, since on a
  // busy machine the opener may get its first turn late.
  const struct timespec pause = {.tv_nsec = 1000000};
  for (int tries = 0; tries < 500 && is_marked == 0; ++tries) nanosleep(&pause, NULL);
  spawn_true();
  return 0;
}
