// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A child that asks that nobody traces it (CLONE_UNTRACED), made by clone(2) and by clone3(2), makes calls that stop.
#include <linux/sched.h>

#include "audit.h"

static void in_child(void) {
  const int fd = dup(0);
  must(fd >= 0);
  must(close(fd) == 0);
  _exit(0);
}

static void must_succeed(pid_t pid) {
  int status = 0;
  must(waitpid(pid, &status, 0) == pid);
  must(status == 0);
}

int main(void) {
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, NULL, NULL, NULL, NULL);
  must(pid >= 0);
  if (pid == 0) in_child();
  must_succeed(pid);
  struct clone_args arguments = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
  pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  must(pid >= 0);
  if (pid == 0) in_child();
  must_succeed(pid);
  return 0;
}
