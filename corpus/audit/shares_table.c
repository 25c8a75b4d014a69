// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A child on the same table (CLONE_FILES) is made within the window, and gets a table of its own after it.
#include "audit.h"

static int child(void* unused) {
  (void)unused;
  for (int i = 0; i < 50; ++i) usleep(1000);
  execl("/bin/true", "true", NULL);
  _exit(99);
}

static _Alignas(16) char stack[1 << 16];

int main(void) {
  const int fd = open_late();
  const pid_t pid = clone(child, stack + sizeof stack, CLONE_FILES | SIGCHLD, NULL);
  must(pid > 0);
  mark(fd);
  must(waitpid(pid, NULL, 0) == pid);
  return 0;
}
