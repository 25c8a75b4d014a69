// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// Without threads there is no race, however sloppy.
#include "audit.h"

int main(void) {
  const int fd = open_late();
  spawn_true();
  mark(fd);
  spawn_true();
  return 0;
}
