// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A child stops itself, and stays stopped until its parent continues it: a tracer that resumes a task from its
// group-stop undoes the stop (ptrace(2), PTRACE_LISTEN). The tracer has seen the stop once it has followed the spawns.
#include "audit.h"

int main(void) {
  _Atomic int* const went_on = mmap(NULL, sizeof *went_on, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(went_on != MAP_FAILED);
  const pid_t pid = fork();
  must(pid >= 0);
  if (pid == 0) {
    raise(SIGSTOP);
    *went_on = 1;
    _exit(0);
  }
  int status = 0;
  must(waitpid(pid, &status, WUNTRACED) == pid);
  must(WIFSTOPPED(status));
  for (int i = 0; i < 20; ++i) spawn_true();
  must(*went_on == 0);
  must(kill(pid, SIGCONT) == 0);
  must(waitpid(pid, &status, 0) == pid);
  must(status == 0 && *went_on == 1);
  return 0;
}
