// SPDX-License-Identifier: MIT
// audit: predicted fd.inherited
// confirm: confirmed fd.inherited
//
// A stream that is opened without "e", read and closed, while another thread may spawn.
#include "audit.h"

static _Atomic int is_closed;

static void* reads(void* unused) {
  FILE* file = fopen("/etc/passwd", "r");
  must(file != NULL && fclose(file) == 0);
  is_closed = 1;
  pause();
  return unused;
}

int main(void) {
  start(reads, NULL);
  wait_for_flag(&is_closed);
  spawn_true();
  return 0;
}
