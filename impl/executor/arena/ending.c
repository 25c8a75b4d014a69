/* SPDX-License-Identifier: MIT
 *
 * The exit work of the caller's process must not run in a spawn's child: an exit handler, and the flush of a stream
 * that has something to write (exit(3)). The server sets up one of each before it forks the first arena. A process that
 * runs them and is neither the server nor the arena records that in the history, which is in memory that all processes
 * share.
 *
 * Handlers of pthread_atfork(3) are not checked: fork(2) runs them, and a spawn may fork. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"

static void tell(uint32_t what) {
  const int32_t self = (int32_t)syscall(SYS_getpid);
  if (self != shared->server_pid && self != shared->arena_pid)
    __atomic_fetch_or(&shared->history.ran_in_child, what, __ATOMIC_SEQ_CST);
}

static void exit_handler(void) { tell(SC_RAN_EXIT_HANDLER); }

static ssize_t write_nowhere(void* cookie, const char* text, size_t size) {
  (void)cookie;
  (void)text;
  tell(SC_RAN_FLUSH);
  return (ssize_t)size;
}

void ending_prepare(void) {
  shared->server_pid = (int32_t)getpid();
  atexit(exit_handler);
  FILE* stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_nowhere});
  if (stream == NULL) return;
  setvbuf(stream, NULL, _IOFBF, 64);
  fputs("unflushed", stream);
}
