// SPDX-License-Identifier: MIT
// audit: predicted fd.inherited
// confirm: predicted fd.inherited
//
// Whether there is a spawn depends on what the opener has done: where it is held, the program goes another way.
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
  for (int tries = 0; tries < 200 && is_marked == 0; ++tries) usleep(1000);
  if (is_marked) spawn_true();
  return 0;
}
