// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// Another thread's descriptor goes to the child because the child is told so: by a file action, and by F_SETFD.
#include "audit.h"

static _Atomic int opened = -1, is_done;

static void* opens(void* unused) {
  opened = open("/dev/null", O_RDONLY | O_CLOEXEC);
  spin_until(&is_done);
  return unused;
}

int main(void) {
  char* const arguments[] = {(char*)"true", NULL};
  const pthread_t thread = start(opens, NULL);
  while (opened < 0) sched_yield();
  posix_spawn_file_actions_t actions;
  pid_t pid = 0;
  must(posix_spawn_file_actions_init(&actions) == 0);
  must(posix_spawn_file_actions_adddup2(&actions, opened, 7) == 0);
  must(posix_spawn(&pid, "/bin/true", &actions, NULL, arguments, environ) == 0);
  must(waitpid(pid, NULL, 0) == pid);
  posix_spawn_file_actions_destroy(&actions);
  pid = fork();
  if (pid == 0) {
    fcntl(opened, F_SETFD, 0);
    execv("/bin/true", arguments);
    _exit(99);
  }
  must(waitpid(pid, NULL, 0) == pid);
  is_done = 1;
  pthread_join(thread, NULL);
  return 0;
}
