// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A thread that is not the first execs: the others end, and it takes the first one's id.
#include "audit.h"

static void* runs(void* unused) {
  execl("/bin/true", "true", NULL);
  return unused;
}

static void* waits(void* unused) {
  for (;;) pause();
  return unused;
}

int main(void) {
  start(waits, NULL);
  start(runs, NULL);
  for (;;) pause();
}
