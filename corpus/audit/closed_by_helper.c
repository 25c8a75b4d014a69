// SPDX-License-Identifier: MIT
// audit: note fd.held_by_helper
// confirm: note fd.held_by_helper
//
// The child is a shell, which gets the descriptor of another thread and closes it before it runs the program.
#include "audit.h"

static void* opens(void* window) {
  stay_open(window, open_late());
  return NULL;
}

int main(void) {
  struct window window = {0};
  open_window(&window, opens);
  must(window.number < 10);
  char text[] = "exec 0<&-; exec true";
  text[5] = (char)('0' + window.number);
  char* const arguments[] = {(char*)"sh", (char*)"-c", text, NULL};
  pid_t pid = 0;
  must(posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ) == 0);
  must(waitpid(pid, NULL, 0) == pid);
  close_window(&window);
  return 0;
}
