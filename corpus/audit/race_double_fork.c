// SPDX-License-Identifier: MIT
// audit: observed fd.inherited
// confirm: observed fd.inherited
//
// As a daemon does it: the program that gets the descriptor is a grandchild, in a session of its own.
#include "audit.h"

static void* opens(void* window) {
  stay_open(window, open_late());
  return NULL;
}

int main(void) {
  struct window window = {0};
  open_window(&window, opens);
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() == 0) {
      execl("/bin/true", "true", NULL);
      _exit(99);
    }
    _exit(0);
  }
  must(waitpid(child, NULL, 0) == child);
  close_window(&window);
  return 0;
}
