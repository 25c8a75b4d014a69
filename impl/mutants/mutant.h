/* SPDX-License-Identifier: MIT
 *
 * What the parts of mutant.c share. The build sets SPAWNCHECK_FAULT, a number of the table in faults.h. */
#ifndef SPAWNCHECK_MUTANTS_MUTANT_H
#define SPAWNCHECK_MUTANTS_MUTANT_H

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "impl/mutants/faults.h"
#include "impl/peers/implementation.h"

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

#define HAS(fault) (SPAWNCHECK_FAULT == SPAWNCHECK_FAULT_##fault)
#define HAS_CHANNEL \
  (HAS(PIPE_LEFT) || HAS(PIPE_PASSED) || HAS(PIPE_MARKED_LATER) || HAS(PIPE_CLOSED_TWICE) || HAS(PIPE_OVERWRITTEN))
#define LISTS_NUMBERS (HAS(LISTED_BEFORE) || HAS(LISTED_ONCE))
#define IS_NOT_SUSPENDED (HAS(NO_VFORK) || HAS(NO_VFORK_COPIED))
/* True if the child starts on the caller's table, which then has the pidfd. */
#define SHARES_TABLE (!HAS(NO_VFORK_COPIED) && !HAS_CHANNEL && !HAS(EXIT_IN_COPY))
#define KEEP_MAX 8192
#define LISTED_MAX 8192

struct kernel_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

/* One call: the child's input, and its report. */
struct job {
  struct spawncheck_request request; /* a copy that deviations may change; its keep array is `keep` */
  uint64_t caller_mask;
  int error;
  int pidfd;
  int temporary;
  int channel[2];
  struct kernel_action spared[3];
  struct spawncheck_keep* keep;
  int *sources, *targets; /* ascending; each source once */
  int* aside;             /* the temporary of each entry */
  int* cleared;           /* 1 for each source that had close-on-exec (CLEARED_MEANWHILE) */
  uint32_t source_count;
  uint32_t listed_count;
  int listed[LISTS_NUMBERS ? LISTED_MAX : 1];
};

static inline long set_mask(int how, const uint64_t* set, uint64_t* old) {
  return syscall(SYS_rt_sigprocmask, how, set, old, sizeof *set);
}

static inline long get_action(int signal, struct kernel_action* action) {
  return syscall(SYS_rt_sigaction, signal, NULL, action, sizeof action->mask);
}

static inline long set_action(int signal, const struct kernel_action* action) {
  return syscall(SYS_rt_sigaction, signal, action, NULL, sizeof action->mask);
}

static inline uint64_t bit(int signal) { return 1ull << (signal - 1); }

#endif
