// SPDX-License-Identifier: MIT
// audit: observed exec.busy
// confirm: observed exec.busy
//
// A program that was just written cannot be run: a child of another thread, not yet at its exec, holds the writer's
// descriptor, close-on-exec or not.
#include "audit.h"

static char name[] = "/tmp/spawncheck-audit-XXXXXX";
static _Atomic int is_open, has_forked;
static int gate[2];

static void* forks(void* unused) {
  spin_until(&is_open);
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    close(gate[1]);
    must(read(gate[0], &byte, 1) == 0);
    execl("/bin/true", "true", NULL);
    _exit(99);
  }
  has_forked = 1;
  must(waitpid(child, NULL, 0) == child);
  return unused;
}

int main(void) {
  must(pipe2(gate, O_CLOEXEC) == 0);
  const pthread_t thread = start(forks, NULL);
  const int fd = mkostemp(name, O_CLOEXEC);
  must(fd >= 0 && fchmod(fd, 0700) == 0 && write(fd, "#!/bin/true\n", 12) == 12);
  is_open = 1;
  spin_until(&has_forked);
  close(fd);
  const pid_t child = fork();
  if (child == 0) {
    execl(name, name, NULL);
    _exit(errno == ETXTBSY ? 0 : 99);
  }
  must(waitpid(child, NULL, 0) == child);
  close(gate[1]);
  pthread_join(thread, NULL);
  unlink(name);
  return 0;
}
