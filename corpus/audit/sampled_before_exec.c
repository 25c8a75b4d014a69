// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// Between clone and exec a child shows what has close-on-exec; after it does not.
#include "audit.h"

static _Atomic int is_open, is_done;

static void* opens(void* unused) {
  must(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
  is_open = 1;
  spin_until(&is_done);
  return unused;
}

int main(void) {
  const pthread_t thread = start(opens, NULL);
  spin_until(&is_open);
  const pid_t child = fork();
  if (child == 0) {
    usleep(20000);
    execl("/bin/true", "true", NULL);
    _exit(99);
  }
  must(waitpid(child, NULL, 0) == child);
  is_done = 1;
  pthread_join(thread, NULL);
  return 0;
}
