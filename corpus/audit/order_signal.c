// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A signal says that the flag is set.
#include "audit.h"

static sigset_t set;

static void* spawns(void* unused) {
  int signal;
  must(sigwait(&set, &signal) == 0);
  spawn_true();
  return unused;
}

int main(void) {
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  must(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
  const pthread_t thread = start(spawns, NULL);
  mark(open_late());
  must(pthread_kill(thread, SIGUSR1) == 0);
  pthread_join(thread, NULL);
  return 0;
}
