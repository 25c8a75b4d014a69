/* SPDX-License-Identifier: MIT
 *
 * The plan: what one spawn will do, as plain data.
 *
 * request -> plan (pure, no system call) -> run. The child is a loop over the steps; the
 * model of spawncheck runs the same array. Pointers in a plan point into the request it was built
 * from, which must outlive it.
 *
 * C and C++; no dependency beyond the C headers named. */
#ifndef SPAWNCHECK_SPAWN_PLAN_H
#define SPAWNCHECK_SPAWN_PLAN_H

#include <spawncheck/spawn/export.h>
#include <stddef.h>
#include <stdint.h>

SPAWNCHECK_SPAWN_BEGIN

/* How kept descriptors cross. Columns: enumerator; word; 1 if inherited descriptors can cross too, 0 if only a
 * keep-list can (SPAWN_FDS_ONLY); 1 if the caller's descriptors are read at one instant, 0 if one by one; the
 * behaviours of the kernel that it needs, in the words of `spawncheck kernel`; what it does. */
#define SPAWN_STRATEGIES(X)                                                                            \
  X(COPY, "copy", 1, 1, "", "the table is copied at clone; what is dropped is closed in the copy")     \
  X(UNSHARE, "unshare", 1, 1, "close-range",                                                           \
    "the table is shared at clone, then copied and closed by close_range(2) UNSHARE")                  \
  X(STAGED, "staged", 0, 0, "close-range",                                                             \
    "likewise; sources of 64 and above are first placed in the window (request.h)")                    \
  X(FETCHED, "fetched", 0, 0, "close-range pidfd-getfd pidfd-thread",                                  \
    "the table is shared at clone, left with nothing, and filled by pidfd_getfd(2) from the caller's") \
  X(EXCEPT, "except", 1, 1, "close-range-except",                                                      \
    "the table is shared at clone, then close_range(2) UNSHARE with EXCEPT leaves all but the sources")

/* AUTOMATIC is for requests only: a plan names the chosen strategy. */
enum spawn_strategy {
  SPAWN_STRATEGY_AUTOMATIC,
#define SPAWN_ROW(id, word, inherits, at_once, needs, meaning) SPAWN_STRATEGY_##id,
  SPAWN_STRATEGIES(SPAWN_ROW)
#undef SPAWN_ROW
      SPAWN_STRATEGY_COUNT
};

/* A row of the table. */
struct spawn_strategy_row {
  const char* word;
  int inherits;
  int at_once;
  const char* needs;
  const char* meaning;
};

/* How the child starts: bits of spawn_plan.start. */
enum {
  SPAWN_START_VM = 1,            /* CLONE_VM */
  SPAWN_START_VFORK = 2,         /* CLONE_VFORK */
  SPAWN_START_FILES = 4,         /* CLONE_FILES: share the table */
  SPAWN_START_CLEAR_SIGHAND = 8, /* CLONE_CLEAR_SIGHAND; needs clone3(2) */
  SPAWN_START_PIDFD = 16,        /* CLONE_PIDFD */
  SPAWN_START_CLONE3 = 32,       /* clone3(2); else clone(2) */
  SPAWN_START_INTO_CGROUP = 64   /* CLONE_INTO_CGROUP, spawn_plan.cgroup_fd; needs clone3(2) */
};

/* In place of a number: the descriptor that SPAWN_STEP_DUP_TO_TEMPORARY made. At most one of each is open. */
#define SPAWN_TEMPORARY (-2)         /* breaks a cycle of moves */
#define SPAWN_PROGRAM_TEMPORARY (-3) /* the program's descriptor, out of the way of a target */

/* Numbers of the window that one staged source takes: the slot that the child reads, and its witness (window.cpp). */
#define SPAWN_NUMBERS_STAGED 2

/* close_range(2) UNSHARE always copies the numbers below this, open or not, whatever it closes (fs/file.c
 * sane_fdtable_size). */
#define SPAWN_COPIED_ALWAYS 64

/* spawn_step.flags of SPAWN_STEP_CLOSE_RANGE, as close_range(2) has them. The last two are from Linux 7.4; no released
 * header has CLOEXEC_ONLY yet, so its value is defined only here. */
#define SPAWN_CLOSE_RANGE_UNSHARE 2
#define SPAWN_CLOSE_RANGE_EXCEPT 8
#define SPAWN_CLOSE_RANGE_CLOEXEC_ONLY 16

/* spawn_step.flags of SPAWN_STEP_MASK: the caller's own mask, which only the runner knows. */
#define SPAWN_MASK_OF_CALLER 1

/* The steps. Columns: enumerator; its use of the process's descriptor table, which may still be shared (enum
 * spawn_table_use); word; what it does with the fields of spawn_step. A failing step fails the spawn with its errno,
 * unless its row says otherwise. */
#define SPAWN_STEPS(X)                                                                                                 \
  X(RESET_HANDLERS, LEAVES, "reset-handlers", "each caught signal gets its default disposition; ignored ones stay")    \
  X(DEFAULT, LEAVES, "default", "each signal in bits gets its default disposition")                                    \
  X(IGNORE, LEAVES, "ignore", "each signal in bits is ignored")                                                        \
  X(SESSION, LEAVES, "session", "setsid(2)")                                                                           \
  X(PGROUP, LEAVES, "pgroup", "setpgid(0, a)")                                                                         \
  X(UMASK, LEAVES, "umask", "umask(a); cannot fail")                                                                   \
  X(CHDIR, LEAVES, "chdir", "chdir(path)")                                                                             \
  X(FCHDIR, READS, "fchdir", "fchdir(a)")                                                                              \
  X(UNSHARE, WRITES, "unshare", "unshare(CLONE_FILES)")                                                                \
  X(CLOSE_RANGE, WRITES, "close-range", "close_range(first, last, flags)")                                             \
  X(CLOSE_EACH, WRITES, "close-each", "closes what is open in first..last one by one; a closed number is no error")    \
  X(CLOSE_PIDFD, WRITES, "close-pidfd", "closes the child's entry of its own pidfd; a closed number is no error")      \
  X(STAGE, WRITES, "stage",                                                                                            \
    "made by the caller before clone, and undone by it; such steps come first: dup3(a, n, O_CLOEXEC) for both n, "     \
    "slot b and witness first, of the window")                                                                         \
  X(CHECK_STAGED, READS, "check-staged",                                                                               \
    "each slot has the file that was staged there, and the same description as its witness, else EBADF")               \
  X(CALLER, WRITES, "caller", "pidfd_open(2) of the calling thread, which must be number a (EBADFD)")                  \
  X(FETCH, WRITES, "fetch",                                                                                            \
    "pidfd_getfd(2) of the caller's a, which must become number b (EBADFD); close-on-exec; EBADF for the child's own " \
    "pidfd")                                                                                                           \
  X(CLOSE, WRITES, "close", "close(a); a closed number is no error")                                                   \
  X(DUP_TO_TEMPORARY, WRITES, "dup-to-temporary",                                                                      \
    "fcntl(a, F_DUPFD_CLOEXEC, b), EINVAL said as EMFILE; flags 1: it is SPAWN_PROGRAM_TEMPORARY")                     \
  X(DUP, WRITES, "dup", "dup3(a, b, flags); never with a == b")                                                        \
  X(SET_CLOEXEC, WRITES, "set-cloexec", "fcntl(a, F_SETFD, FD_CLOEXEC)")                                               \
  X(CLEAR_CLOEXEC, WRITES, "clear-cloexec", "fcntl(a, F_SETFD, 0)")                                                    \
  X(SWEEP_CLOEXEC, WRITES, "sweep-cloexec",                                                                            \
    "closes each close-on-exec descriptor but a (-1: none); cannot fail: exec closes the rest")                        \
  X(OPEN, WRITES, "open",                                                                                              \
    "number a becomes openat(path, flags b, mode first), not close-on-exec; what it was is closed first")              \
  X(TERMINAL, READS, "terminal", "ioctl(a, TIOCSCTTY, 0)")                                                             \
  X(FOREGROUND, READS, "foreground", "ioctl(a, TIOCSPGRP, the child's process group)")                                 \
  X(NICE, LEAVES, "nice", "setpriority(PRIO_PROCESS, 0, a)")                                                           \
  X(SCHEDULING, LEAVES, "scheduling", "sched_setscheduler(0, a, priority b)")                                          \
  X(AFFINITY, LEAVES, "affinity", "sched_setaffinity(0, first bytes, data)")                                           \
  X(LIMIT, LEAVES, "limit", "prlimit(0, a, data: a struct spawn_limit's soft and hard)")                               \
  X(GROUPS, LEAVES, "groups", "setgroups(first, data), the raw call")                                                  \
  X(GID, LEAVES, "gid", "setresgid(first, first, first), the raw call")                                                \
  X(UID, LEAVES, "uid", "setresuid(first, first, first), the raw call")                                                \
  X(DEATH_SIGNAL, LEAVES, "death-signal", "prctl(PR_SET_PDEATHSIG, a); ESRCH when the parent is gone already")         \
  X(NO_NEW_PRIVS, LEAVES, "no-new-privs", "prctl(PR_SET_NO_NEW_PRIVS, 1)")                                             \
  X(MASK, LEAVES, "mask", "the signal mask becomes bits, or with SPAWN_MASK_OF_CALLER the caller's")                   \
  X(EXEC, WRITES, "exec", "execve(path)")                                                                              \
  X(EXEC_FD, WRITES, "exec-fd", "execveat(a, \"\", AT_EMPTY_PATH); a may be SPAWN_TEMPORARY")                          \
  X(EXEC_SEARCH, WRITES, "exec-search",                                                                                \
    "execve of path in each directory of the list data, as SPAWN_SEARCH of request.h says")

enum spawn_table_use {
  SPAWN_TABLE_LEAVES, /* neither reads nor changes it */
  SPAWN_TABLE_READS,  /* reads a descriptor in it */
  SPAWN_TABLE_WRITES  /* changes it, or makes it private */
};

enum spawn_step_kind {
#define SPAWN_ROW(id, table, word, meaning) SPAWN_STEP_##id,
  SPAWN_STEPS(SPAWN_ROW)
#undef SPAWN_ROW
      SPAWN_STEP_COUNT
};

struct spawn_step {
  uint16_t kind; /* enum spawn_step_kind */
  uint16_t flags;
  int32_t a, b;
  uint32_t first, last;
  uint64_t bits; /* bit n-1 is signal n */
  const char* path;
  const void* data; /* of AFFINITY, LIMIT, GROUPS, EXEC_SEARCH: points into the request */
};

struct spawn_plan {
  uint32_t strategy;  /* enum spawn_strategy, never AUTOMATIC */
  uint32_t start;     /* SPAWN_START_* */
  const char* reason; /* why this strategy: a constant string */
  struct spawn_step* step;
  uint32_t step_count, step_capacity;
  char* const* argv;
  char* const* envp;
  int cgroup_fd; /* with SPAWN_START_INTO_CGROUP */
};

/* Constant strings; "?" for an unknown value. */
const char* spawn_step_word(uint32_t kind);
const char* spawn_strategy_word(uint32_t strategy);

/* Returns the strategy's row, constant; null for AUTOMATIC and unknown values. */
const struct spawn_strategy_row* spawn_strategy_of(uint32_t strategy);

SPAWNCHECK_SPAWN_END

#endif
