// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// The opener holds a file lock over the window; the other waits for it.
#include "audit.h"

static int mine, theirs;
static _Atomic int is_locked;

static void* spawns(void* unused) {
  spin_until(&is_locked);
  must(flock(theirs, LOCK_EX) == 0);
  spawn_true();
  return unused;
}

int main(void) {
  char name[] = "/tmp/spawncheck-audit-XXXXXX";
  mine = mkostemp(name, O_CLOEXEC);
  theirs = open(name, O_RDWR | O_CLOEXEC);
  unlink(name);
  const pthread_t thread = start(spawns, NULL);
  must(flock(mine, LOCK_EX) == 0);
  is_locked = 1;
  mark(open_late());
  must(flock(mine, LOCK_UN) == 0);
  pthread_join(thread, NULL);
  return 0;
}
