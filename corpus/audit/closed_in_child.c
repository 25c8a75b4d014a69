// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// The race is there, but the child closes everything from 3 on before its exec.
#include "audit.h"

static _Atomic int is_marked;

static void* opens(void* unused) {
  mark(open_late());
  is_marked = 1;
  pause();
  return unused;
}

int main(void) {
  start(opens, NULL);
  wait_for_flag(&is_marked);
  const pid_t child = fork();
  if (child == 0) {
    if (close_range(3, ~0u, 0) != 0)
      for (int fd = 3; fd < 1024; ++fd) close(fd);
    execl("/bin/true", "true", NULL);
    _exit(99);
  }
  must(waitpid(child, NULL, 0) == child);
  return 0;
}
