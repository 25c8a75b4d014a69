// SPDX-License-Identifier: MIT
// audit: note fd.late_end
// confirm: nothing
//
// The writer of a pipe closes its end; a child of another thread, not yet at its exec, still has a copy.
#include "audit.h"

static _Atomic int has_forked, has_closed;
static int data[2];
static _Atomic int* shared;

static void* forks(void* unused) {
  const pid_t child = fork();
  if (child == 0) {
    while (*shared == 0) usleep(1000);
    execl("/bin/true", "true", NULL);
    _exit(99);
  }
  has_forked = 1;
  spin_until(&has_closed);
  *shared = 1;
  must(waitpid(child, NULL, 0) == child);
  return unused;
}

int main(void) {
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(shared != MAP_FAILED && pipe2(data, O_CLOEXEC) == 0);
  const pthread_t thread = start(forks, NULL);
  spin_until(&has_forked);
  close(data[1]);
  has_closed = 1;
  pthread_join(thread, NULL);
  return 0;
}
