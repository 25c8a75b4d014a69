// SPDX-License-Identifier: MIT
// audit: observed fd.inherited
// confirm: observed fd.inherited
//
// As race_observed, and the stack below the creating call is full of old return addresses: who called is the function
// that called, `creates`, and not one that did before.
#include "audit.h"

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

static void* opens(void* window) {
  must(leaves_return_addresses(100) == 101);
  stay_open(window, creates());
  return NULL;
}

int main(void) { return spawn_in_window(opens); }
