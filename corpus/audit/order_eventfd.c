// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// An eventfd's count says that the flag is set.
#include "audit.h"

static int event;

static void* spawns(void* unused) {
  uint64_t count;
  must(read(event, &count, sizeof count) == sizeof count);
  spawn_true();
  return unused;
}

int main(void) {
  const uint64_t one = 1;
  event = eventfd(0, EFD_CLOEXEC);
  const pthread_t thread = start(spawns, NULL);
  mark(open_late());
  must(write(event, &one, sizeof one) == sizeof one);
  pthread_join(thread, NULL);
  return 0;
}
