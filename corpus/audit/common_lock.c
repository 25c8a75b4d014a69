// SPDX-License-Identifier: MIT
// audit: predicted fd.inherited
// confirm: nothing
//
// A lock over window and spawn, as Go's ForkLock is. Where nobody waits for it, it makes no system call: only a trial
// can tell.
#include "audit.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int is_done;

static void* opens(void* unused) {
  pthread_mutex_lock(&lock);
  const int fd = open_late();
  mark(fd);
  pthread_mutex_unlock(&lock);
  is_done = 1;
  pause();
  return unused;
}

int main(void) {
  start(opens, NULL);
  wait_for_flag(&is_done);
  pthread_mutex_lock(&lock);
  spawn_true();
  pthread_mutex_unlock(&lock);
  return 0;
}
