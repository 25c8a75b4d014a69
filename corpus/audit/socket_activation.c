// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// Another thread's socket is 3 in the child, which LISTEN_FDS tells (sd_listen_fds(3)).
#include "audit.h"

static _Atomic int opened = -1, is_done;

static void* opens(void* unused) {
  opened = socket(AF_UNIX, SOCK_STREAM, 0);
  spin_until(&is_done);
  return unused;
}

int main(void) {
  const pthread_t thread = start(opens, NULL);
  while (opened < 0) sched_yield();
  must(opened == 3);
  const pid_t pid = fork();
  if (pid == 0) {
    char text[32];
    snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
    setenv("LISTEN_FDS", "1", 1);
    execl("/bin/true", "true", NULL);
    _exit(99);
  }
  must(waitpid(pid, NULL, 0) == pid);
  is_done = 1;
  pthread_join(thread, NULL);
  return 0;
}
