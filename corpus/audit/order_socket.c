// SPDX-License-Identifier: MIT
// audit: nothing
// confirm: nothing
//
// A message through a socket pair says that the flag is set.
#include "audit.h"

static int ends[2];

static void* spawns(void* unused) {
  char byte;
  must(recv(ends[0], &byte, 1, 0) == 1);
  spawn_true();
  return unused;
}

int main(void) {
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const pthread_t thread = start(spawns, NULL);
  mark(open_late());
  must(send(ends[1], "", 1, 0) == 1);
  pthread_join(thread, NULL);
  return 0;
}
