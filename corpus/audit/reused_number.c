// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// The number was another thread's, but the description that the child gets is its parent's own.
#include "audit.h"

static void* opens(void* unused) {
  close(open_late());
  return unused;
}

int main(void) {
  pthread_join(start(opens, NULL), NULL);
  const int fd = open("/etc/passwd", O_RDONLY);
  must(fd == 3);
  spawn_true();
  return 0;
}
