/* SPDX-License-Identifier: MIT
 *
 * Helpers that the hand-written spawns share (sweep.c, vfork_exec.c): a child with a table of its own sets its signals
 * and descriptors. All are async-signal-safe. */
#ifndef SPAWNCHECK_PEERS_BY_HAND_H
#define SPAWNCHECK_PEERS_BY_HAND_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/peers/implementation.h"

enum { BY_HAND_KEPT_MAX = 1024 };

/* The struct of rt_sigaction(2): only the system call reaches the signals that libc reserves. */
struct by_hand_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

static inline long by_hand_mask(const uint64_t* set, uint64_t* old) {
  return syscall(SYS_rt_sigprocmask, SIG_SETMASK, set, old, sizeof *set);
}

static inline void by_hand_dispositions(const struct spawncheck_request* r) {
  for (int s = 1; s <= 64; ++s) {
    struct by_hand_action now, next = {.handler = SIG_DFL};
    if (syscall(SYS_rt_sigaction, s, NULL, &now, sizeof now.mask) != 0) continue;
    if (now.handler == SIG_IGN) next.handler = SIG_IGN;
    if (r->set & SPAWNCHECK_SET_DEFAULT && r->dflt >> (s - 1) & 1) next.handler = SIG_DFL;
    if (r->set & SPAWNCHECK_SET_IGNORE && r->ignore >> (s - 1) & 1) next.handler = SIG_IGN;
    if (next.handler != now.handler) syscall(SYS_rt_sigaction, s, &next, NULL, sizeof next.mask);
  }
}

static inline int by_hand_is_source(const struct spawncheck_request* r, int number) {
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (r->keep[i].source == number) return 1;
  return 0;
}

static inline int by_hand_is_target(const struct spawncheck_request* r, int number) {
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (r->keep[i].target == number) return 1;
  return 0;
}

/* Returns a close-on-exec duplicate of `number` at a number that is neither target nor source: a source that another
 * thread has closed would be open again, as another file. On failure -1 and errno. */
static inline int by_hand_aside(const struct spawncheck_request* r, int number) {
  for (int from = 0;;) {
    const int got = fcntl(number, F_DUPFD_CLOEXEC, from);
    if (got < 0) {
      if (errno == EINVAL) errno = EMFILE; /* `from` has reached RLIMIT_NOFILE */
      return -1;
    }
    const int is_named = by_hand_is_target(r, got) || by_hand_is_source(r, got);
    if (!is_named) return got;
    close(got);
    from = got + 1;
  }
}

/* Reads all sources before it writes any target. `aside` has room for keep_count numbers. 0, or -1 and errno. */
static inline int by_hand_place(const struct spawncheck_request* r, int* aside) {
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if ((aside[i] = by_hand_aside(r, r->keep[i].source)) < 0) return -1;
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (dup2(aside[i], r->keep[i].target) < 0) return -1;
  for (uint32_t i = 0; i < r->keep_count; ++i) close(aside[i]);
  return 0;
}

/* Sets session, group and directory. Returns 0, or -1 and errno. */
static inline int by_hand_surroundings(const struct spawncheck_request* r) {
  if (r->set & SPAWNCHECK_NEW_SESSION && setsid() < 0) return -1;
  if (r->set & SPAWNCHECK_SET_PGROUP && setpgid(0, r->pgroup) != 0) return -1;
  return r->set & SPAWNCHECK_SET_CWD && chdir(r->cwd) != 0 ? -1 : 0;
}

/* Checks all that needs no child. Returns 0 or an errno. */
static inline int by_hand_check(const struct spawncheck_request* r) {
  struct rlimit limit;
  if (r->keep_count > BY_HAND_KEPT_MAX) return EINVAL;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    const struct spawncheck_keep k = r->keep[i];
    if (k.source < 0 || k.target < 0 || (rlim_t)k.target >= limit.rlim_cur || fcntl(k.source, F_GETFD) < 0)
      return EBADF;
    for (uint32_t j = 0; j < i; ++j)
      if (r->keep[j].target == k.target) return EINVAL;
  }
  return 0;
}

#endif
