// SPDX-License-Identifier: MIT
//
// What the audited programs share. A program exits 0 whatever it finds: the audit is the judge.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline void must(int holds) {
  if (!holds) _exit(99);
}

extern char** environ;

// Another program, which ends at once; waited for.
static inline void spawn_true(void) {
  char* const arguments[] = {(char*)"true", NULL};
  pid_t pid = 0;
  must(posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0);
  must(waitpid(pid, NULL, 0) == pid);
}

// A descriptor that lacks close-on-exec for a moment.
static inline int open_late(void) {
  const int fd = open("/dev/null", O_RDONLY);
  must(fd >= 0);
  return fd;
}
static inline void mark(int fd) { must(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0); }

// Until the flag is set, but not for ever: where a trial holds who sets it, the waiter goes first. By the clock, since
// on a busy machine who sets it may get its first turn late.
static inline void wait_for_flag(const _Atomic int* flag) {
  const struct timespec pause = {.tv_nsec = 1000000};
  for (int tries = 0; tries < 500 && *flag == 0; ++tries) nanosleep(&pause, NULL);
}

static inline pthread_t start(void* (*function)(void*), void* argument) {
  pthread_t thread;
  must(pthread_create(&thread, NULL, function, argument) == 0);
  return thread;
}

// Orders two threads by a futex. Both make their calls also where nobody has to wait, so that on a busy machine too a
// recording sees the order: what precedes set_word() is before its first call, and what follows wait_for() after its
// last.
static inline void set_word(_Atomic uint32_t* word) {
  syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
  *word = 1;
  syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
static inline void wait_for(_Atomic uint32_t* word) {
  do syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
  while (*word == 0);
  syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

// Orders two threads by memory alone: no system call, so that no recording can see it.
static inline void spin_until(_Atomic int* flag) {
  while (*flag == 0) sched_yield();
}

// A window that a spawn falls into each time: a thread has a descriptor that lacks close-on-exec until the spawn is
// through. Memory orders the two.
struct window {
  pthread_t opener;
  _Atomic int number, has_spawned; /* number: of the descriptor, above 2; 0: not open yet */
};

// The opener's part, with what it has opened.
static inline void stay_open(struct window* w, int fd) {
  w->number = fd;
  spin_until(&w->has_spawned);
  mark(fd);
}

// The spawner's: returns when the window is open, and when it is closed again.
static inline void open_window(struct window* w, void* (*opens)(void*)) {
  w->opener = start(opens, w);
  spin_until(&w->number);
}
static inline void close_window(struct window* w) {
  w->has_spawned = 1;
  pthread_join(w->opener, NULL);
}

// The whole of a program whose spawn falls into the window.
static inline int spawn_in_window(void* (*opens)(void*)) {
  struct window window = {0};
  open_window(&window, opens);
  spawn_true();
  close_window(&window);
  return 0;
}
