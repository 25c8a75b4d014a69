// SPDX-License-Identifier: MIT
// audit: observed fd.inherited
// confirm: observed fd.inherited
//
// As race_observed, and the stack below the creating call is full of old return addresses: who called is the function
// that called, `creates`, and not one that did before.
#include "audit.h"

static _Atomic int is_open, has_spawned;

__attribute__((noinline)) static int leaves_return_addresses(int depth) {
  const int below = depth == 0 ? 0 : leaves_return_addresses(depth - 1);
  __asm__ volatile("" : : : "memory");  // it is not the last thing that the function does
  return below + 1;
}

__attribute__((noinline)) static int creates(void) {
  const int fd = open("/dev/null", O_RDONLY);
  must(fd >= 0);
  return fd;
}

static void* opens(void* unused) {
  must(leaves_return_addresses(100) == 101);
  const int fd = creates();
  is_open = 1;
  spin_until(&has_spawned);
  mark(fd);
  return unused;
}

int main(void) {
  const pthread_t thread = start(opens, NULL);
  spin_until(&is_open);
  spawn_true();
  has_spawned = 1;
  pthread_join(thread, NULL);
  return 0;
}
