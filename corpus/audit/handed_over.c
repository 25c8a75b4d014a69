// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// One thread opens, on purpose without close-on-exec, and hands the number to the one that spawns.
#include "audit.h"

static _Atomic uint32_t is_handed_over;
static int number = -1;

static void* spawns(void* unused) {
  wait_for(&is_handed_over);
  must(number >= 0);
  spawn_true();
  return unused;
}

int main(void) {
  const pthread_t thread = start(spawns, NULL);
  number = open_late();
  set_word(&is_handed_over);
  pthread_join(thread, NULL);
  close(number);
  return 0;
}
