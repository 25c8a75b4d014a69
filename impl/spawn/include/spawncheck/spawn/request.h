/* SPDX-License-Identifier: MIT
 *
 * The reference spawn's C interface: request, planner, runner. No C++ runtime is needed to link it.
 * The C++ interface on top of it is spawn.hpp. Errors are returned, as errno values. Every function is
 * async-signal-safe and thread-safe, allocates nothing that outlives it, and leaves errno alone: raw system calls, no
 * lock (signal-safety(7)). The man page of the call that a field is named for says what the field does (guide.md has
 * the tables). */
#ifndef SPAWNCHECK_SPAWN_REQUEST_H
#define SPAWNCHECK_SPAWN_REQUEST_H

#include <spawncheck/spawn/export.h>
#include <spawncheck/spawn/plan.h>
#include <stddef.h>
#include <stdint.h>

SPAWNCHECK_SPAWN_BEGIN

enum spawn_policy { SPAWN_FDS_INHERIT, SPAWN_FDS_DROP_CLOEXEC_EXCEPT, SPAWN_FDS_ONLY };

/* Which fields of a request apply; the child inherits the rest from its caller. */
enum {
  SPAWN_SET_MASK = 1,
  SPAWN_SET_DEFAULT = 2,
  SPAWN_SET_IGNORE = 4,
  SPAWN_SET_PGROUP = 8,
  SPAWN_NEW_SESSION = 16,
  SPAWN_SET_CWD = 32,
  SPAWN_WANT_PIDFD = 64,
  SPAWN_SET_CWD_FD = 128,
  SPAWN_SET_UMASK = 256,
  SPAWN_PROGRAM_FD = 512,
  SPAWN_SEARCH = 1 << 10,
  SPAWN_SET_UID = 1 << 11,
  SPAWN_SET_GID = 1 << 12,
  SPAWN_SET_GROUPS = 1 << 13,
  SPAWN_SET_NICE = 1 << 14,
  SPAWN_SET_SCHEDULING = 1 << 15,
  SPAWN_SET_AFFINITY = 1 << 16,
  SPAWN_SET_TERMINAL = 1 << 17,
  SPAWN_SET_FOREGROUND = 1 << 18,
  SPAWN_SET_DEATH_SIGNAL = 1 << 19,
  SPAWN_NO_NEW_PRIVS = 1 << 20,
  SPAWN_SET_CGROUP = 1 << 21,
  SPAWN_ALLOW_UNDUMPABLE = 1 << 22
};

struct spawn_keep {
  int source, target;
};

/* A file that the child opens at number `target`. Entries are opened in their order, after the directory and
 * the umask have changed and the keep-list is in place, with the caller's credentials. O_NOCTTY is added
 * (only `terminal` sets a controlling terminal), O_CLOEXEC is refused. An open that sleeps (a FIFO without a
 * writer) suspends the caller: use O_NONBLOCK. Number `target` is closed first, so that a full table is no
 * obstacle; a path below /dev/fd or /proc/self/fd sees it closed. Errors: those of open(2). */
struct spawn_open {
  int target;       /* must not be the target of a keep entry */
  const char* path; /* relative to the child's directory */
  int flags;        /* open(2): an access mode and O_* flags */
  uint32_t mode;    /* with O_CREAT or O_TMPFILE, less the child's umask; else 0 */
};

/* getrlimit(2). Set after every descriptor is in place, before credentials change; exec's own rules apply to
 * the new values (RLIMIT_STACK: E2BIG; RLIMIT_NPROC with a new user: EAGAIN; RLIMIT_AS, RLIMIT_DATA: the new
 * program may be killed at its start). EPERM: a raised hard limit, or RLIMIT_NOFILE over fs.nr_open. */
struct spawn_limit {
  uint64_t soft, hard; /* soft <= hard; SPAWN_UNLIMITED */
  uint32_t resource;   /* RLIMIT_* */
};

/* The caller must zero it first: an empty list and a clear bit ask for nothing. All pointers are borrowed until the
 * spawn returns. A mistake that can be found without trying it is refused, with the field's name, before there is a
 * child; what the kernel refuses is the error of a step (plan.h). */
struct spawn_request {
  uint32_t policy;   /* enum spawn_policy */
  uint32_t strategy; /* enum spawn_strategy; one that is not AUTOMATIC is used or refused with ENOTSUP */
  uint32_t set;      /* SPAWN_SET_* and the other bits of that enum */
  const char* path;  /* the program, relative to the child's directory; searched in PATH only with SPAWN_SEARCH */
  int program_fd;    /* with SPAWN_PROGRAM_FD, replaces path; closed in the program, unless a target has its
                        number */
  char* const* argv; /* null-terminated; neither it nor argv[0] may be null */
  char* const* envp; /* null-terminated; null: an empty environment */
  const struct spawn_keep* keep;
  uint32_t keep_count;
  uint64_t mask, dflt, ignore; /* bit n-1 is signal n; a signal in both dflt and ignore: EINVAL */
  int32_t pgroup;
  const char* cwd;
  int cwd_fd;
  uint32_t umask;

  const struct spawn_open* open;
  uint32_t open_count; /* at most SPAWN_OPEN_MAX */
  uint32_t limit_count;
  const struct spawn_limit* limit; /* each resource at most once */

  /* SPAWN_SEARCH: `path` is a name, searched in this list of directories, separated by colons, from
   * the child's directory and with its credentials. Null: PATH of envp, or SPAWN_SEARCH_DEFAULT if envp has no
   * PATH; for the caller's own PATH pass getenv("PATH"). A name with a slash is not searched. An
   * empty element is the current directory. As in POSIX exec and execvpe(3): after ENOENT, ENOTDIR, EACCES,
   * ESTALE, ENODEV and ETIMEDOUT the next directory is tried; any other error ends the search (E2BIG, ENAMETOOLONG,
   * ENOEXEC: no shell is run, ETXTBSY, ELOOP, ...). At the end: EACCES if one occurred, else the last error. A
   * directory too long for a path of less than PATH_MAX (4096) bytes is skipped, as glibc and musl do; ENOENT
   * if no directory is left. A name of over 255 bytes: ENAMETOOLONG, without a child. */
  const char* search;

  /* Credentials: groups, then gid, then uid, by the raw calls, in the child only (libc's own setuid changes
   * every thread of the caller). Real, effective and saved ids alike: setresuid(2), setresgid(2), setgroups(2). They
   * change last: the directory and every opened file are reached with the caller's rights, the program with the
   * new ones. An empty list of groups is set (group_count 0); without SPAWN_SET_GROUPS the child keeps the
   * caller's groups, also as another user. EPERM: not privileged; EINVAL: the user namespace does not map the id.
   * A change of uid or gid makes memory undumpable (kernel/cred.c commit_creds); shared memory would make the
   * caller undumpable, for good. So such a child starts on a copy of the memory: the cost then grows with the
   * resident size. SPAWN_ALLOW_UNDUMPABLE shares it all the same: as fast as any other spawn, but afterwards the
   * caller is undumpable (prctl PR_GET_DUMPABLE): no core dump, no ptrace(2) by its own user. It must not become
   * dumpable while it spawns: the new user could then trace the child, and with it the caller's memory. */
  uint32_t uid, gid;
  const uint32_t* groups;
  uint32_t group_count; /* at most SPAWN_GROUPS_MAX */

  /* setpriority(2): -20 to 19. EACCES: lower than RLIMIT_NICE allows. */
  int32_t nice;
  /* sched_setscheduler(2): SCHED_OTHER, BATCH, IDLE with priority 0, FIFO and RR with 1 to 99. Set before nice. */
  int32_t scheduling, priority;
  /* sched_setaffinity(2): bit i of the words is CPU i. EINVAL: none of these CPUs may be used. */
  const uint64_t* cpus;
  uint32_t cpu_words; /* 1 to SPAWN_CPU_WORDS_MAX, with at least one bit set */

  /* Numbers in the child's final table: with policy `only`, each is a target of a keep or an open entry.
   * terminal: becomes the controlling terminal (TIOCSCTTY, ioctl_tty(2)); needs SPAWN_NEW_SESSION; EPERM: another
   * session has it. foreground: the child's process group becomes that terminal's foreground group (tcsetpgrp(3));
   * SIGTTOU is blocked meanwhile, as every signal is. ENOTTY: not the child's controlling terminal. */
  int terminal, foreground;

  /* Sent to the child when the thread that spawned it ends: prctl(2) PR_SET_PDEATHSIG. Set after credentials, which
   * clear it; a set-user-ID program clears it again. If the parent has died by then (getppid(2)), the child
   * exits, unless a PID namespace hides the parent. */
  int32_t death_signal; /* 1 to 64 */

  /* A directory of a cgroup (version 2) that the child starts in: CLONE_INTO_CGROUP, clone(2). ENOTSUP: no clone3(2),
   * or a kernel before 5.7. From the kernel: EBADF (not a cgroup), EACCES, EBUSY, EOPNOTSUPP; the failing place is
   * SPAWN_FAILED_CLONE. */
  int cgroup_fd;
};

/* What the running kernel or a sandbox allows this process. Probed, never derived from version numbers. */
struct spawn_abilities {
  uint8_t clone3;         /* clone3(2) */
  uint8_t clear_sighand;  /* CLONE_CLEAR_SIGHAND */
  uint8_t pidfd;          /* CLONE_PIDFD */
  uint8_t pidfd_open;     /* pidfd_open(2) */
  uint8_t close_range;    /* close_range(2) with CLOSE_RANGE_UNSHARE */
  uint8_t unshare_files;  /* unshare(2) CLONE_FILES */
  uint8_t fetch;          /* pidfd_open(2) and pidfd_getfd(2) of the caller; needs ptrace rights on it (ptrace(2)) */
  uint8_t except;         /* CLOSE_RANGE_EXCEPT, Linux 7.4 */
  uint8_t cloexec_only;   /* CLOSE_RANGE_CLOEXEC_ONLY together with it, Linux 7.4 */
  uint64_t window;        /* bit n: number n is a free slot of the window */
  uint64_t window_in_use; /* bit n: this request reads number n of the window, which another spawn uses: read
                             `placeholder` instead */
  int32_t placeholder;    /* a number that holds what every unused number of the window holds */
};

#define SPAWN_KEEP_MAX 4096 /* entries of one keep-list; more: EINVAL */
#define SPAWN_OPEN_MAX 256
#define SPAWN_GROUPS_MAX 65536 /* NGROUPS_MAX */
#define SPAWN_CPU_WORDS_MAX 128
#define SPAWN_UNLIMITED (~0ull)              /* RLIM64_INFINITY */
#define SPAWN_SEARCH_DEFAULT "/bin:/usr/bin" /* glibc's confstr(_CS_PATH) */

/* Where a spawn failed. Outside the child's steps: */
enum {
  SPAWN_FAILED_NOWHERE = -1, /* success */
  SPAWN_FAILED_REQUEST = -2, /* the request is bad: field says which; no child was made */
  SPAWN_FAILED_MEMORY = -3,  /* mmap(2) of stack and plan */
  SPAWN_FAILED_CLONE = -4,   /* clone3(2) or clone(2) */
  SPAWN_FAILED_KILLED = -5   /* signal `signal` killed the child before exec; error is ECANCELED */
};

struct spawn_result {
  int32_t pid;       /* the child; -1 after a failure */
  int32_t pidfd;     /* close-on-exec, owned by the caller; -1 unless asked for */
  int32_t error;     /* errno; 0 on success */
  int32_t failed;    /* SPAWN_FAILED_*, or the kind of the failing step (enum spawn_step_kind) */
  int32_t step;      /* index of the failing step in the plan, -1: none */
  int32_t signal;    /* with SPAWN_FAILED_KILLED */
  const char* field; /* with SPAWN_FAILED_REQUEST: the field's name and what is wrong, a constant string */
  uint32_t strategy; /* enum spawn_strategy: the strategy used */
  const char* reason;
};

/* Checks everything that needs no system call (spawn_run() also checks that each named number is open and that
 * each target is below RLIMIT_NOFILE). Returns 0, or an errno with *field naming the field. Async-signal-safe. */
int spawn_request_check(const struct spawn_request* request, const char** field);

/* An upper bound on the steps of this request's plan, under any abilities. */
uint32_t spawn_plan_steps_max(const struct spawn_request* request);

/* Pure: no system call, no allocation. The caller provides plan->step and plan->step_capacity. Returns 0, ENOTSUP
 * (the abilities do not allow a forced strategy), ENOSPC (capacity), or an errno of spawn_request_check. */
int spawn_plan_build(const struct spawn_request* request, const struct spawn_abilities* abilities,
                     struct spawn_plan* plan);

/* Returns the abilities of this process, probed at the first call and remembered. spawn_run() drops an ability that is
 * refused later (by a new sandbox). Thread-safe, async-signal-safe. */
struct spawn_abilities spawn_abilities_probed(void);

/* Reserves the window: numbers below 64, best taken at start-up, in which kept sources of 64 and above can cross
 * (strategy staged) at a cost that does not grow with the table. Each is a close-on-exec descriptor of an
 * empty memfd. For `count` sources at once, 1 to SPAWN_WINDOW_MAX, it takes two numbers each, and one more for itself:
 * the highest free ones below 64, never 0, 1 or 2. A spawn takes two for each distinct source of 64 and above; a
 * spawn that finds too few takes another strategy. All threads share the process's one window. Returns 0, or an errno
 * with nothing changed: EINVAL (count), EALREADY (it exists), EBUSY (another thread is making or releasing it), ENOSPC
 * (too few such numbers are free below RLIMIT_NOFILE), or an errno of memfd_create(2) or mmap(2). Thread-safe,
 * async-signal-safe, leaves errno alone. Other code must not touch these numbers. A number that it closes or reuses all
 * the same is never used or overwritten again (README.md says how that is detected, and in which instant it cannot be).
 * A request may name these numbers like any others: as a source such a number is an empty memfd, whatever other spawns
 * stage there meanwhile; as a target it is the child's. */
int spawn_window_reserve(uint32_t count);

/* Closes the window's remaining numbers. Returns 0, ENOENT (no window) or EBUSY (a spawn is using it, or another thread
 * is making or releasing it). Thread-safe, async-signal-safe. */
int spawn_window_release(void);

#define SPAWN_WINDOW_MAX 30

/* Starts the child. Returns result->error. Any number of threads may call it at once. A failure leaves nothing
 * behind: no child, no zombie, no descriptor, no memory except at most sixteen stacks, kept for later spawns. The
 * calling thread's signals are blocked during the call. errno is left as it was. */
int spawn_run(const struct spawn_request* request, struct spawn_result* result);

/* The same with given abilities instead of the probed ones, for tests. A refusal at run time is an
 * error; nothing is retried. */
int spawn_run_with(const struct spawn_request* request, const struct spawn_abilities* abilities,
                   struct spawn_result* result);

/* Runs a plan as it is, even if the caller has changed it. For tests of the plan itself. EINVAL: a start without
 * SPAWN_START_VFORK, or a plan that stages. */
int spawn_run_plan(const struct spawn_plan* plan, struct spawn_result* result);

SPAWNCHECK_SPAWN_END

#endif
