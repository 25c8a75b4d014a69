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
  wait_for_flag(&is_marked);
  spawn_true();
  return 0;
}
