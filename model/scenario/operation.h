/* SPDX-License-Identifier: MIT
 *
 * One line of a scenario as plain data, and THE table of operations.
 *
 * The table drives the parser, the printer, the generator, the mutator, the documentation
 * (`spawncheck list ops`), the arena's dispatch and the model's. No other code enumerates operations:
 * a new one is a row here, a function in the arena and a rule in the model; if one is missing the
 * build fails to link.
 *
 * Plain C, no dependency: the arena is built from the same header, also against musl. */
#ifndef SPAWNCHECK_SCENARIO_OPERATION_H
#define SPAWNCHECK_SCENARIO_OPERATION_H

#include <stdint.h>

/* Bounds of the language. A scenario beyond one is malformed. */
#define SC_THREADS_MAX 24
#define SC_OPS_MAX 32       /* of one thread */
#define SC_VARIABLES_MAX 32 /* of one thread: $0 .. $31 */
#define SC_WORLD_MAX 64     /* lines that open descriptors in the initial world */
#define SC_KEEP_MAX 32      /* entries of a keep-list as written; a run is one entry */
#define SC_KEPT_MAX 8192    /* entries that a keep-list stands for */
#define SC_MEMFDS_MAX 512   /* numbers that the world's `memfds` lines open */
#define SC_REFUSALS_MAX 8   /* system calls that the world refuses */
#define SC_CELLS_MAX 8      /* memory cells, named by number */
#define SC_NAMES_MAX 4      /* files, FIFOs, queues, ports, directories are named a, b, c, d */
#define SC_NUMBER_MAX 19999 /* largest descriptor number, limit or bound a scenario may name */
#define SC_SIGNAL_MAX 64
#define SC_ARGUMENTS_MAX 4096 /* extra arguments of a spawned program, 32 bytes each */

/* Operand signatures: one letter for each operand, in the order on the line.
 *   f  a descriptor: a number, or $N (a result of an earlier operation of the same thread)
 *   k  a child: $N, the pid result of an earlier spawn of the same thread
 *   n  a plain number 0..SC_NUMBER_MAX
 *   r  the end of a range: a number, or the word max (~0)
 *   N  a name: a, b, c or d
 *   d  a direction: read or write
 *   s  a signal: a name (USR1), or a number for those without a portable name
 *   S  a set of signals: names or numbers joined by commas, or none, or all
 *   h  how a mask changes: block, unblock or set
 *   D  a disposition: default, ignore or handler
 *   o  on or off
 *   t  a thread: its index
 *   c  a memory cell: its index
 *   v  a value 0..2^31-1
 *   R  a spawn request (the rest of the line)
 * A trailing flag word is optional and named by the flags column:
 *   C  cloexec
 *   U  unshare, cloexec, and flags=N for raw bits (close_range)
 *
 * Columns: enumerator, word, operand signature, flags, number of results, summary. */
#define SC_OPERATIONS(X)                                                                                       \
  X(MEMFD, "memfd", "", "C", 1, "memfd_create(2); the name carries its identity")                              \
  X(NULL_DEVICE, "null", "", "C", 1, "open(2) of /dev/null")                                                   \
  X(PIPE, "pipe", "", "C", 2, "pipe2(2): read end, write end")                                                 \
  X(SOCKETPAIR, "socketpair", "", "C", 2, "socketpair(2), AF_UNIX, SOCK_STREAM")                               \
  X(EVENTFD, "eventfd", "", "C", 1, "eventfd2(2); the counter carries its identity")                           \
  X(MQUEUE, "mqueue", "N", "C", 1, "mq_open(3) of a queue, created when absent")                               \
  X(FILE, "file", "N", "C", 1, "open(2) O_RDWR|O_CREAT of a regular file")                                     \
  X(PROGRAM, "program", "N", "C", 1, "writes an executable file; the descriptor is still open for writing")    \
  X(FIFO, "fifo", "Nd", "C", 1, "open(2) of a FIFO; blocks until the other side opens, its slot reserved")     \
  X(LISTEN, "listen", "N", "C", 1, "socket(2), bind(2) to a loopback port without SO_REUSEADDR, listen(2)")    \
  X(FLOCK, "flock", "f", "", 0, "flock(2) LOCK_EX|LOCK_NB")                                                    \
  X(DUP, "dup", "f", "", 1, "dup(2)")                                                                          \
  X(DUP2, "dup2", "fn", "", 1, "dup2(2)")                                                                      \
  X(DUP3, "dup3", "fn", "C", 1, "dup3(2)")                                                                     \
  X(DUPFD, "dupfd", "fn", "C", 1, "fcntl(2) F_DUPFD or F_DUPFD_CLOEXEC: lowest free number >= the bound")      \
  X(GETFD, "getfd", "f", "", 0, "fcntl(2) F_GETFD")                                                            \
  X(SETFD, "setfd", "f", "C", 0, "fcntl(2) F_SETFD")                                                           \
  X(CLOSE, "close", "f", "", 0, "close(2)")                                                                    \
  X(CLOSE_RANGE, "close_range", "nr", "U", 0, "close_range(2)")                                                \
  X(LIMIT, "limit", "n", "", 0, "setrlimit(2) RLIMIT_NOFILE, soft")                                            \
  X(MASK, "mask", "hS", "", 0, "rt_sigprocmask(2) of the calling thread")                                      \
  X(DISPOSITION, "disposition", "sD", "", 0, "rt_sigaction(2)")                                                \
  X(KILL, "kill", "s", "", 0, "kill(2) to the own process")                                                    \
  X(KILL_GROUP, "kill_group", "s", "", 0, "kill(2) to the own process group: children that are in it as well") \
  X(TGKILL, "tgkill", "ts", "", 0, "tgkill(2) to a thread of the own process")                                 \
  X(ALTSTACK, "altstack", "o", "", 0, "sigaltstack(2) of the calling thread")                                  \
  X(STORE, "store", "cv", "", 0, "writes a memory cell")                                                       \
  X(LOAD, "load", "c", "", 0, "reads a memory cell")                                                           \
  X(SPAWN, "spawn", "R", "", 2, "the implementation under test: pid, pidfd")                                   \
  X(WAIT, "wait", "k", "", 0, "waitid(2) WEXITED: blocks until the child has ended")                           \
  X(KILL_CHILD, "kill_child", "ks", "", 0, "kill(2) to a child")

enum sc_op_kind {
#define SC_ROW(id, word, operands, flags, results, summary) SC_OP_##id,
  SC_OPERATIONS(SC_ROW)
#undef SC_ROW
      SC_OP_COUNT
};

enum { SC_FLAG_CLOEXEC = 1, SC_FLAG_UNSHARE = 2 }; /* sc_operation.flags, all operations but close_range */
enum { SC_HOW_BLOCK = 0, SC_HOW_UNBLOCK = 1, SC_HOW_SET = 2 };
enum { SC_DISPOSITION_DEFAULT = 0, SC_DISPOSITION_IGNORE = 1, SC_DISPOSITION_HANDLER = 2 };
enum { SC_DIRECTION_READ = 0, SC_DIRECTION_WRITE = 1 };

#define SC_RANGE_MAX (-1) /* operand value of the word max in close_range; means ~0u */

/* What to exec. The word on the spawn line is in the right column. */
#define SC_PROGRAMS(X)                                                                     \
  X(HOLD, "hold", "runs, touches nothing, until it is killed")                             \
  X(EXIT, "exit", "exits at once with status 7")                                           \
  X(WRITTEN, "written", "the file that `program NAME` wrote; followed by the name")        \
  X(MISSING, "missing", "no such file: ENOENT")                                            \
  X(DIRECTORY, "directory", "a directory: EACCES")                                         \
  X(NOT_EXECUTABLE, "not-executable", "a regular file without execute permission: EACCES") \
  X(NO_FORMAT, "no-format", "an executable file in no known format: ENOEXEC")              \
  X(NOT_DIRECTORY, "not-directory", "a path through a regular file: ENOTDIR")              \
  X(TOO_LONG, "too-long", "a path component over NAME_MAX: ENAMETOOLONG")                  \
  X(LOOP, "loop", "a symbolic link to itself: ELOOP")

enum sc_program {
#define SC_ROW(id, word, summary) SC_PROGRAM_##id,
  SC_PROGRAMS(SC_ROW)
#undef SC_ROW
      SC_PROGRAM_COUNT
};

/* A number, or a variable of the same thread. */
struct sc_operand {
  int32_t value;    /* the number, or the variable's index */
  uint8_t variable; /* 1: value is a variable's index */
};

/* A run: source + i to target + i, for each i up to `more`. A variable stays single. */
struct sc_keep {
  struct sc_operand source;
  int32_t target;
  int32_t more; /* how many entries follow the first */
};

/* On the line: spawn POLICY PROGRAM [NAME] [keep S>T,S..S>T,...] [mask SET] [default SET] [ignore SET]
 *                [pgroup N|$N] [session] [cwd NAME] [arguments N] [pidfd] [-> $pid [$pidfd]]
 * A run 300..302>10 stands for 300>10,301>11,302>12. pgroup $N is the group of an earlier child of the same thread.
 * POLICY is inherit, drop or only. `set` holds SPAWNCHECK_SET_* bits (impl/peers/implementation.h): the
 * fields that were given. */
struct sc_request {
  uint8_t policy;  /* SPAWNCHECK_FDS_* */
  uint8_t program; /* enum sc_program */
  uint8_t name;    /* of a written program */
  uint8_t cwd;     /* name of the directory */
  uint16_t keep_count;
  uint16_t argument_count;
  uint32_t set;
  struct sc_operand pgroup;
  uint64_t mask, dflt, ignore; /* bit n-1 is signal n */
  struct sc_keep keep[SC_KEEP_MAX];
};

/* Entries that the keep-list stands for. */
static inline uint32_t sc_kept_count(const struct sc_request* r) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < r->keep_count; ++i) count += 1 + (uint32_t)r->keep[i].more;
  return count;
}

/* The i-th entry of a run. */
static inline struct sc_keep sc_kept_of(struct sc_keep run, int32_t i) {
  run.source.value += run.source.variable ? 0 : i;
  run.target += i;
  run.more = 0;
  return run;
}

/* operand[i] is the i-th letter of the signature; enumerated words (d, h, D, o, N) are their value. A
 * set of signals is in `signals`, a request in `request`. Unused fields are zero, so that equal
 * operations are equal byte by byte. */
struct sc_operation {
  uint8_t kind;     /* enum sc_op_kind */
  int8_t result[2]; /* variable that takes the result, or -1; unused: -1 */
  uint32_t flags;   /* SC_FLAG_*; close_range: the raw bits of close_range(2) */
  struct sc_operand operand[2];
  uint64_t signals;
  struct sc_request request;
};

/* One line of the initial world that opens descriptors. On the line:
 *   fd N memfd|null|eventfd|mqueue NAME|file NAME [cloexec]
 *   fds N M pipe|socketpair [cloexec]        two ends: read, write for a pipe
 *   alias N M [cloexec]                      N refers to the description of M, an earlier line
 *   fill N M [cloexec]                       every number N..M refers to one description of /dev/null
 *   memfds N M [cloexec]                     every number N..M refers to a memfd of its own
 *   window N M                               N..M below 64 are what the caller has set aside for the reference
 *                                            (spawn_window_reserve): close-on-exec, one description of a memfd; N is
 * its own, the others its slots. One line at most. For other implementations just descriptors */
enum sc_world_kind {
  SC_WORLD_MEMFD,
  SC_WORLD_NULL,
  SC_WORLD_EVENTFD,
  SC_WORLD_MQUEUE,
  SC_WORLD_FILE,
  SC_WORLD_PIPE,
  SC_WORLD_SOCKETPAIR,
  SC_WORLD_ALIAS,
  SC_WORLD_FILL,
  SC_WORLD_WINDOW,
  SC_WORLD_MEMFDS,
  SC_WORLD_KIND_COUNT
};

struct sc_world_line {
  uint8_t kind;
  uint8_t name;
  uint8_t cloexec;
  int32_t number, second; /* second: of fds, alias, fill, memfds and window; else -1 */
};

/* On the line: refuse CALL ERRNO, as in `refuse close_range ENOSYS`. From the moment the race begins, every such call
 * of the scenario's threads and of the processes they start is not made and fails with that error. A call that the
 * scenario's own operations need cannot be refused: validate.h. */
struct sc_refusal {
  uint8_t call;  /* enum sc_visible */
  int32_t error; /* errno */
};

/* The faults that can be injected into a scheduled run. */
enum sc_fault_kind {
  SC_FAULT_NONE,
  SC_FAULT_ERROR,        /* the call is not made and fails with errno `value` */
  SC_FAULT_SIGNAL,       /* signal `value` is sent to the arena's process */
  SC_FAULT_SIGNAL_CHILD, /* signal `value` is sent to the spawn's child */
  SC_FAULT_KILL_CHILD,   /* the spawn's child is ended by SIGKILL */
  SC_FAULT_STOP_CHILD,   /* the spawn's child is stopped, and continued once no other task can go */
  SC_FAULT_KILL_PARENT   /* the arena's process is ended by SIGKILL */
};

/* Injected before the `at`-th visible call (from 0) of operation `operation` of thread `thread`, in whichever of its
 * tasks makes that call. */
struct sc_fault {
  uint8_t kind, thread, operation;
  uint16_t at;
  int32_t value;
};

struct sc_world {
  uint32_t line_count;
  struct sc_world_line line[SC_WORLD_MAX];
  int32_t limit;    /* RLIMIT_NOFILE, soft; 0: unset, the arena's own limit */
  uint64_t mask;    /* of every thread */
  uint64_t ignored; /* dispositions; a signal is in at most one of the two */
  uint64_t handled;
  uint32_t refusal_count;
  struct sc_refusal refusal[SC_REFUSALS_MAX];
};

#endif
