// SPDX-License-Identifier: MIT
// audit: predicted fd.inherited
// confirm: confirmed fd.inherited
//
// A thread makes what it has opened close-on-exec by one close_range(2), late, while another thread may spawn.
#include <linux/close_range.h>

#include "audit.h"

static _Atomic int is_marked;

static void* opens(void* unused) {
  const int first = open_late();
  must(close_range((unsigned)first, ~0u, CLOSE_RANGE_CLOEXEC) == 0);
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
