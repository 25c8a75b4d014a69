// SPDX-License-Identifier: MIT
// audit: note proc.zombie
// audit: note proc.pidfd_left
// audit: note sig.blocked
// audit: note sig.ignored
// confirm: nothing
//
// A program that waits for nobody, closes no pidfd, and starts another with what it blocks and ignores.
#include "audit.h"

int main(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGUSR1, SIG_IGN);
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/true", "true", NULL);
    _exit(99);
  }
  must(syscall(SYS_pidfd_open, child, 0) >= 0);
  siginfo_t info;
  must(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
  return 0;
}
