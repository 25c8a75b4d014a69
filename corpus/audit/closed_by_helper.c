// SPDX-License-Identifier: MIT
// audit: note fd.held_by_helper
// confirm: note fd.held_by_helper
//
// The child is a shell, which gets the descriptor of another thread and closes it before it runs the program.
#include "audit.h"

static _Atomic int open_number, has_spawned;

static void* opens(void* unused) {
  const int fd = open_late();
  open_number = fd;
  spin_until(&has_spawned);
  mark(fd);
  return unused;
}

int main(void) {
  const pthread_t thread = start(opens, NULL);
  spin_until(&open_number);
  must(open_number < 10);
  char text[] = "exec 0<&-; exec true";
  text[5] = (char)('0' + open_number);
  char* const arguments[] = {(char*)"sh", (char*)"-c", text, NULL};
  pid_t pid = 0;
  must(posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ) == 0);
  must(waitpid(pid, NULL, 0) == pid);
  has_spawned = 1;
  pthread_join(thread, NULL);
  return 0;
}
