/* SPDX-License-Identifier: MIT
 *
 * The reference spawn's C interface: request, planner, runner. No C++ runtime is needed to link it.
 * The C++ interface on top of it is spawn.hpp. */
#ifndef SPAWNCHECK_SPAWN_REQUEST_H
#define SPAWNCHECK_SPAWN_REQUEST_H

#include <spawncheck/spawn/plan.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum spawn_policy { SPAWN_FDS_INHERIT, SPAWN_FDS_DROP_CLOEXEC_EXCEPT, SPAWN_FDS_ONLY };

/* Which fields of a request count; for the others the child is as its caller. */
enum {
  SPAWN_SET_MASK = 1, SPAWN_SET_DEFAULT = 2, SPAWN_SET_IGNORE = 4, SPAWN_SET_PGROUP = 8,
  SPAWN_NEW_SESSION = 16, SPAWN_SET_CWD = 32, SPAWN_WANT_PIDFD = 64, SPAWN_SET_CWD_FD = 128,
  SPAWN_SET_UMASK = 256, SPAWN_PROGRAM_FD = 512
};

struct spawn_keep {
  int source, target;
};

/* All pointers are borrowed until the spawn returns. */
struct spawn_request {
  uint32_t policy;   /* enum spawn_policy */
  uint32_t strategy; /* enum spawn_strategy; one that is not AUTOMATIC is used or refused with ENOTSUP */
  uint32_t set;      /* SPAWN_SET_*, SPAWN_NEW_SESSION, SPAWN_WANT_PIDFD, SPAWN_PROGRAM_FD */
  const char *path;  /* of the program, relative to the child's directory; no PATH search */
  int program_fd;    /* with SPAWN_PROGRAM_FD, in place of path */
  char *const *argv; /* null-terminated, not null */
  char *const *envp; /* null-terminated; null: an empty environment */
  const struct spawn_keep *keep;
  uint32_t keep_count;
  uint64_t mask, dflt, ignore; /* bit n-1 is signal n; a signal in both dflt and ignore: EINVAL */
  int32_t pgroup;
  const char *cwd;
  int cwd_fd;
  uint32_t umask;
};

/* What the running kernel, or its sandbox, lets us do. Probed, never derived from version numbers. */
struct spawn_abilities {
  uint8_t clone3;        /* clone3(2) */
  uint8_t clear_sighand; /* CLONE_CLEAR_SIGHAND */
  uint8_t pidfd;         /* CLONE_PIDFD */
  uint8_t pidfd_open;    /* pidfd_open(2) */
  uint8_t close_range;   /* close_range(2) with CLOSE_RANGE_UNSHARE */
  uint8_t unshare_files; /* unshare(2) CLONE_FILES */
  uint8_t fetch;         /* pidfd_open(2) and pidfd_getfd(2) of the caller; needs ptrace rights on it (ptrace(2)) */
  uint8_t except;        /* CLOSE_RANGE_EXCEPT, Linux 7.4 */
  uint8_t cloexec_only;  /* CLOSE_RANGE_CLOEXEC_ONLY together with it, Linux 7.4 */
  uint64_t window;       /* bit n: number n is a slot of the window that may be used now */
};

#define SPAWN_KEEP_MAX 4096 /* entries of one keep-list; more: EINVAL */

/* Where a spawn failed. Outside the child's steps: */
enum {
  SPAWN_FAILED_NOWHERE = -1, /* it did not */
  SPAWN_FAILED_REQUEST = -2, /* the request is bad: field says which; no child was made */
  SPAWN_FAILED_MEMORY = -3,  /* mmap(2) of stack and plan */
  SPAWN_FAILED_CLONE = -4,   /* clone3(2) or clone(2) */
  SPAWN_FAILED_KILLED = -5   /* the child was ended before exec, by signal `signal`; error is ECANCELED */
};

struct spawn_result {
  int32_t pid;       /* the child; -1 after a failure */
  int32_t pidfd;     /* close-on-exec, owned by the caller; -1 unless asked for */
  int32_t error;     /* errno; 0 on success */
  int32_t failed;    /* SPAWN_FAILED_*, or the kind of the failing step (enum spawn_step_kind) */
  int32_t step;      /* index of the failing step in the plan, -1: none */
  int32_t signal;    /* with SPAWN_FAILED_KILLED */
  const char *field; /* with SPAWN_FAILED_REQUEST: the field's name and what is wrong, a constant string */
  uint32_t strategy; /* enum spawn_strategy: what was used */
  const char *reason;
};

/* Checks everything that can be checked without a system call (spawn_run() adds: is each source open, is
 * each target below RLIMIT_NOFILE). 0, or an errno with *field naming the field. Async-signal-safe. */
int spawn_request_check(const struct spawn_request *request, const char **field);

/* An upper bound on the steps of this request's plan, under any abilities. */
uint32_t spawn_plan_steps_max(const struct spawn_request *request);

/* Pure: no system call, no allocation. plan->step and plan->step_capacity are the caller's. 0, or ENOTSUP
 * (a forced strategy the abilities do not allow), ENOSPC (capacity), or what spawn_request_check says. */
int spawn_plan_build(const struct spawn_request *request, const struct spawn_abilities *abilities,
                     struct spawn_plan *plan);

/* The abilities of this process, probed at the first call and remembered; what turns out to be refused
 * later (a sandbox entered since) is forgotten by spawn_run(). Thread-safe, async-signal-safe. */
struct spawn_abilities spawn_abilities_probed(void);

/* The window: numbers below 64 that the process sets aside at start-up, so that kept sources of 64 and above can cross in
 * them (strategy staged), at a cost that does not grow with the table. Each is a close-on-exec descriptor of an empty
 * memfd. `count` slots, 1 to SPAWN_WINDOW_MAX, and one more for itself are taken from the highest free numbers below 64,
 * never 0, 1 or 2; a spawn takes one for each distinct source of 64 and above, and spawns that find too few take another
 * strategy. One window a process, which all its threads use. 0, or an errno with nothing changed: EINVAL (count),
 * EALREADY (there is one), EBUSY (another thread is at it), ENOSPC (too few of these numbers are free below
 * RLIMIT_NOFILE), or what memfd_create(2) or mmap(2) says. Thread-safe, async-signal-safe, errno is left as it was.
 * Other code must leave these numbers alone. What it closes or reuses all the same is never used or overwritten again
 * (README.md says how that is found out, and in which instant it cannot be). */
int spawn_window_reserve(uint32_t count);

/* Closes what is left of the window. 0, ENOENT (there is none) or EBUSY (a spawn uses it just now, or another thread is
 * at it). Thread-safe, async-signal-safe. */
int spawn_window_release(void);

#define SPAWN_WINDOW_MAX 60

/* Starts the child. Returns result->error. Any number of threads may call it at once. On failure nothing is
 * left: no child, no zombie, no descriptor, no memory. The calling thread's signals are blocked
 * meanwhile. errno is left as it was. */
int spawn_run(const struct spawn_request *request, struct spawn_result *result);

/* The same with given abilities instead of the probed ones, for tests; what is refused at run time is an
 * error here, no second try is made. */
int spawn_run_with(const struct spawn_request *request, const struct spawn_abilities *abilities,
                   struct spawn_result *result);

/* Runs a plan as it stands, also one the caller changed. For tests of the plan itself. A start without
 * SPAWN_START_VM and SPAWN_START_VFORK is refused with EINVAL, and so is a plan that stages. */
int spawn_run_plan(const struct spawn_plan *plan, struct spawn_result *result);

#ifdef __cplusplus
}
#endif

#endif
