// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// The other thread waits in a futex until the flag is set.
#include "audit.h"

static _Atomic uint32_t is_marked;

static void* spawns(void* unused) {
  wait_for(&is_marked);
  spawn_true();
  return unused;
}

int main(void) {
  const pthread_t thread = start(spawns, NULL);
  mark(open_late());
  set_word(&is_marked);
  pthread_join(thread, NULL);
  return 0;
}
