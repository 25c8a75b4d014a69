// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// Processes end while their threads make threads: the clone event of the last ones may be lost. The threads are few:
// a tracer hears of the newest first (kernel/ptrace.c __ptrace_link), so without a bound it might never hear of the
// end.
#include "audit.h"

static void* nothing(void* unused) { return unused; }

static void* makes(void* unused) {
  (void)unused;
  for (int i = 0; i < 200; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) == 0) pthread_detach(thread);
  }
  return NULL;
}

int main(void) {
  for (int i = 0; i < 20; ++i) {
    const pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
      start(makes, NULL);
      start(makes, NULL);
      usleep(1000u * (unsigned)(i % 5));
      _exit(0);
    }
    must(waitpid(pid, NULL, 0) == pid);
  }
  return 0;
}
