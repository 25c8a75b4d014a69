// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// The child lists its descriptors and closes each from 3 on before its exec.
#include <dirent.h>

#include "audit.h"

static _Atomic int is_marked;

static void* opens(void* unused) {
  mark(open_late());
  is_marked = 1;
  pause();
  return unused;
}

int main(void) {
  start(opens, NULL);
  wait_for_flag(&is_marked);
  const pid_t child = fork();
  if (child == 0) {
    DIR* dir = opendir("/proc/self/fd");
    for (struct dirent* entry; (entry = readdir(dir)) != NULL;)
      if (atoi(entry->d_name) > 2 && atoi(entry->d_name) != dirfd(dir)) close(atoi(entry->d_name));
    execl("/bin/true", "true", NULL);
    _exit(99);
  }
  must(waitpid(child, NULL, 0) == child);
  return 0;
}
