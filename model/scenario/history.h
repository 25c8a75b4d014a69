/* SPDX-License-Identifier: MIT
 *
 * What happened when a scenario ran: plain records, written by an executor (on the kernel or on the
 * model) and read by the model's judge. The arena writes them into memory it shares with the observer.
 *
 * Time is one counter for the whole run: an operation takes the next stamp before its system call and
 * another after it. Stamps start at 1. a.end < b.begin means that a returned before b was called. */
#ifndef SPAWNCHECK_SCENARIO_HISTORY_H
#define SPAWNCHECK_SCENARIO_HISTORY_H

#include <stdint.h>

#include "model/scenario/attributes.h"
#include "model/scenario/operation.h"

#define SC_ENTRIES_MAX 640 /* observed descriptors of one process, in runs (struct sc_entry.last) */
#define SC_CHILDREN_MAX 16 /* observed children of one run */
#define SC_HANDLED_MAX 256 /* recorded handler runs of one run */

/* What kind of file a descriptor refers to, and which file of that kind (sc_key.id):
 *   memfd      the index its creator put into the name: see sc_identity()
 *   eventfd    likewise, put into the counter
 *   file, program, mqueue, fifo: the name's index
 *   pipe, socket: the inode number, 0: unknown
 *   null, other: 0 */
enum sc_file_kind {
  SC_FILE_NONE,
  SC_FILE_MEMFD,
  SC_FILE_NULL,
  SC_FILE_PIPE_READ,
  SC_FILE_PIPE_WRITE,
  SC_FILE_SOCKET,
  SC_FILE_EVENTFD,
  SC_FILE_MQUEUE,
  SC_FILE_REGULAR,
  SC_FILE_PROGRAM,
  SC_FILE_FIFO_READ,
  SC_FILE_FIFO_WRITE,
  SC_FILE_LISTENER,
  SC_FILE_PIDFD,
  SC_FILE_OTHER
};

struct sc_key {
  uint8_t kind; /* enum sc_file_kind */
  uint64_t id;
};

/* The identity that a creator gives to a file: unique in the run, known without another system call.
 * World line i: 1 + i. Operation o of thread t: 1000 + 100 * t + o. Number n of a `memfds` line: 100000 +
 * n. */
static inline uint64_t sc_identity_of_world(uint32_t line) { return 1 + line; }
static inline uint64_t sc_identity_of_op(uint32_t thread, uint32_t op) { return 1000 + 100 * thread + op; }
static inline uint64_t sc_identity_of_number(int32_t number) { return 100000 + (uint64_t)number; }

/* Bits of sc_op_record.disturbed: what a spawn left changed in its caller. Columns: enumerator, bit, what changed. */
#define SC_DISTURBANCES(X)                                                                                \
  X(MASK, 0, "the mask")                                                                                  \
  X(ALTSTACK, 1, "the alternate stack")                                                                   \
  X(CANCEL, 2, "the cancel state")                                                                        \
  X(ERRNO, 3, "errno")                                                                                    \
  X(ENVIRON, 4, "the environment")                                                                        \
  X(MEMORY, 5, "memory it was not given")                                                                 \
  X(VM_SHARED, 6, "the child ran on the caller's memory after spawn had returned: a fact")                \
  X(MASK_OF_LIBC, 7, "the mask; only 32 to 34 differ") /* beside MASK: a libc may keep them for itself */ \
  X(CANCEL_TYPE, 8, "the cancel type")                                                                    \
  X(TIMERS, 9, "an interval timer")                                                                       \
  X(DUMPABLE, 10, "PR_GET_DUMPABLE")                                                                      \
  X(DEATH_SIGNAL, 11, "PR_GET_PDEATHSIG")                                                                 \
  X(NAME, 12, "the thread's name")                                                                        \
  X(KEEPS_CAPS, 13, "PR_GET_KEEPCAPS")                                                                    \
  X(SUBREAPER, 14, "PR_GET_CHILD_SUBREAPER")                                                              \
  X(SECURE_BITS, 15, "PR_GET_SECUREBITS")                                                                 \
  X(TIMER_SLACK, 16, "PR_GET_TIMERSLACK")                                                                 \
  X(REQUEST, 17, "the request")                                                                           \
  X(RESULT, 18, "result.error: it is not what spawn returned")

enum {
#define SC_ROW(id, bit, text) SC_DISTURBED_##id = 1 << bit,
  SC_DISTURBANCES(SC_ROW)
#undef SC_ROW
};

struct sc_op_record {
  uint32_t begin;   /* 0: never begun */
  uint32_t end;     /* 0: had not returned when the run ended */
  int32_t value[2]; /* results: descriptors, pid and pidfd, loaded value, wait: exit status or -signal */
  int32_t error;    /* errno, 0 on success */
  uint32_t disturbed;
  /* pipe, socketpair: the inode numbers that fstat(2) reported for the two results right afterwards, at
   * stamp `identified`. Evidence only if no other thread closed or replaced the number in between. */
  uint64_t inode[2];
  uint32_t identified;
  int16_t child;  /* index into the run's observed children, -1: none */
  uint8_t looked; /* bits of SC_LOOKED_*: what was looked at after the operation had returned */
  uint64_t pending_before,
      pending_after;    /* of a spawn: signals pending and blocked for the thread, before the call and after it */
  uint64_t actions;     /* of a spawn: signals whose handler, flags or mask are not as the world set them    */
  int32_t result_error; /* of a spawn: result.error */
};

/* A spawn's memory is looked at (SC_DISTURBED_VM_SHARED) if that cannot hide anything from the thread's later
 * operations, and in some other runs, drawn from the seed: see impl/executor/arena/spawning.c. The caller (`actions`,
 * timers and what prctl(2) tells) is looked at before the thread's first later operation from which looking cannot
 * hide anything: SC_LOOKED_AT_CALLER. After EAGAIN, a mapping is tried: SC_LOOKED_MEMORY_IS_LEFT says that it was made.
 */
enum { SC_LOOKED_AT_MEMORY = 1, SC_LOOKED_AT_CALLER = 2, SC_LOOKED_MEMORY_IS_LEFT = 4 };

/* Numbers number..last refer to the same description, with the same flag. */
struct sc_entry {
  int32_t number, last;
  struct sc_key key;
  uint8_t cloexec;
  uint8_t compared;       /* kcmp(2) was possible: same_as_parent is valid */
  int32_t same_as_parent; /* a number in the arena's final table with the same description, -1: none */
  int32_t pidfd_of;       /* the pid that a pidfd refers to, -1: reaped, 0: not a pidfd */
  uint32_t status_flags;  /* of the description: O_APPEND, O_NONBLOCK, ...; neither access mode nor O_CLOEXEC nor
                             O_LARGEFILE */
  uint64_t position;      /* of the description */
};

/* The first string of a list, such as argv, that is not as requested. The texts are bounded. */
#define SC_STRING_MAX 40
struct sc_difference {
  uint8_t is_known; /* the list was read; 0: the rest is invalid */
  uint8_t is_different;
  uint8_t is_missing, is_surplus; /* the list ends before this string; the list should have ended before it */
  uint32_t index;
  char asked[SC_STRING_MAX], seen[SC_STRING_MAX];
};

/* A process (or a thread with a table of its own) as seen from outside. */
struct sc_process {
  int32_t pid;
  uint8_t observed;         /* 0: not observed, which is no evidence; the fields below are invalid */
  uint8_t is_dead;          /* ended while the arena's process ran; excludes `observed` */
  uint8_t knows_end_status; /* of a dead one: unknown if it was waited for, or reaped automatically */
  int32_t end_status;       /* as the sc_op_record.value of wait: an exit status, or -signal */
  uint8_t has_execed;       /* it runs the requested program */
  uint8_t truncated;        /* more descriptors than SC_ENTRIES_MAX runs */
  uint32_t entry_count;
  struct sc_entry entry[SC_ENTRIES_MAX]; /* ascending */
  uint64_t mask, pending, shared_pending, ignored, caught;
  int32_t ppid, pgid, sid;
  uint32_t argument_count;
  int32_t cwd;                                /* name index of the scratch directory, -1: another directory */
  struct sc_attributes attributes;            /* of a child */
  struct sc_difference argument, environment; /* of a child that runs the program */
};

/* Bits of sc_history.ran_in_child: exit work of the caller's process that ran in another process. */
enum { SC_RAN_EXIT_HANDLER = 1, SC_RAN_FLUSH = 2 };

/* One run of a signal handler that the scenario installed. */
struct sc_handled {
  uint8_t signal;
  uint8_t in_child; /* the handler ran in another process than the arena's */
  uint8_t thread;
};

enum sc_run_end {
  SC_RUN_COMPLETE, /* every operation returned */
  SC_RUN_BLOCKED,  /* no task can run any more, as a fact: what has not returned waits for a task that never acts
                      come */
  SC_RUN_TIMEOUT,  /* the bound was reached while a task ran, or waited with a timeout. `parent` is not observed */
  SC_RUN_KILLED,  /* the arena's process was ended by a signal: end_signal; 0: it has exited, which none of its own code
                     does */
  SC_RUN_BROKEN,  /* the machinery failed: broken_errno, broken_where */
  SC_RUN_CUT,     /* a scheduled run made more steps than a trace holds */
  SC_RUN_REFUSED, /* a scheduled run: the kernel refuses tracing: broken_errno, broken_where */
  SC_RUN_MISLED,  /* a scheduled run: a turn of the schedule is not enabled, see struct sc_trace */
  SC_RUN_STOPPED  /* as BLOCKED, and a signal has stopped a task: the arena's process, or a process it has started, for
                   * which a spawn may wait. end_signal, if known. `parent` is valid: it is held. An operation with end
                   * == 0 may have happened or not. All may have returned, if the stop came with the last */
};

#define SC_WHERE_MAX 96

/* Everything known of one run. Large (about 500 KiB): kept on the heap or in shared memory, never copied
 * on a hot path; a new run resets only the counts and the records that it uses.
 *
 * op[t][o] belongs to operation o of thread t of the scenario. `parent` is the arena's process at the
 * end, before cleanup: its table is that of every thread that did not unshare. thread_mask[t] is the
 * mask of thread t at the end. `stray_count`: processes found after the run that no successful spawn
 * had reported (a zombie, a helper); the first is stray_pid. */
struct sc_history {
  uint32_t thread_count;
  struct sc_op_record op[SC_THREADS_MAX][SC_OPS_MAX];
  uint64_t world_inode[SC_WORLD_MAX][2]; /* the two ends of a pipe or socketpair, by world line; else 0 */
  uint32_t child_count;
  struct sc_process child[SC_CHILDREN_MAX];
  struct sc_process parent;
  uint64_t thread_mask[SC_THREADS_MAX];
  /* Of the threads that spawn: their attributes at the start and at the end. `inherited`: the attributes that a
   * program started by plain fork(2) and execve(2) inherits on this machine, as probed; the others are no evidence
   * against a spawn. */
  struct sc_attributes made[SC_THREADS_MAX], left[SC_THREADS_MAX];
  uint64_t inherited;
  uint32_t ran_in_child;
  uint64_t caught_by_libc;              /* signals with a handler before the world's dispositions were set */
  uint32_t handled_count, handled_lost; /* lost: runs beyond SC_HANDLED_MAX */
  struct sc_handled handled[SC_HANDLED_MAX];
  uint8_t tells_chld; /* `handled` includes runs for SIGCHLD, which the kernel sends and the model does not */
  uint32_t stray_count;
  struct sc_fault fault; /* the injected fault, if it happened; kind SC_FAULT_NONE: none */
  int32_t stray_pid;
  uint8_t end; /* enum sc_run_end */
  int32_t end_signal;
  int32_t broken_errno;
  char broken_where[SC_WHERE_MAX]; /* the call that failed, null-terminated */
};

#endif
