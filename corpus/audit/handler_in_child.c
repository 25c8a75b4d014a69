// SPDX-License-Identifier: MIT
// audit: observed sig.handler_in_child
// audit: note sig.handler_may_run
// confirm: observed sig.handler_in_child
//
// A signal to a vfork child whose parent catches it.
#include "audit.h"

static void handler(int signal) { (void)signal; }

int main(void) {
  signal(SIGUSR1, handler);
  const pid_t child = vfork();
  if (child == 0) {
    kill(getpid(), SIGUSR1);
    execl("/bin/true", "true", NULL);
    _exit(99);
  }
  must(waitpid(child, NULL, 0) == child);
  return 0;
}
