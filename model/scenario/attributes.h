/* SPDX-License-Identifier: MIT
 *
 * THE table of attributes: what a program inherits from its caller, and what a spawn must leave alone in its caller.
 * The only operation that changes one is `limit` (the soft limit of RLIMIT_NOFILE), so at the end the caller has what
 * it started with.
 *
 * Each value is one number, or the hash of a text. One reader fills the values in (impl/executor/observe/attributes.c).
 * Plain C. */
#ifndef SPAWNCHECK_SCENARIO_ATTRIBUTES_H
#define SPAWNCHECK_SCENARIO_ATTRIBUTES_H

#include <stdint.h>

/* Where a value is read:
 *   STATUS    a line of /proc/PID/status, by its name; `at`: which number of the line
 *   TEXT      the hash of such a line
 *   FILE      a number in a file of /proc/PID
 *   FILE_TEXT the hash of such a file
 *   LINK      the hash of a link's target
 *   LIMIT     getrlimit(2); `at`: RLIMIT_*
 *   TASK      sched_getscheduler(2) and others; `at`: enum sc_attribute_of_task
 *   SPACES    the hash of all links below ns
 *
 * How a value is shown: d decimal, o octal, x hexadecimal, # a hash, which is not shown.
 *
 * Columns: enumerator, what it is, where, name, at (for STATUS: the number's place and then its base), how it is shown,
 * source. */
/* clang-format off */
#define SC_ATTRIBUTES(X)                                                                                             \
  X(NAME, "name", TEXT, "Name:", 0, '#', "prctl(2) PR_SET_NAME")                                                     \
  X(UMASK, "umask", STATUS, "Umask:", SC_PLACE(0, 8), 'o', "umask(2)")                                               \
  X(REAL_UID, "real user id", STATUS, "Uid:", SC_PLACE(0, 10), 'd', "credentials(7)")                                \
  X(EFFECTIVE_UID, "effective user id", STATUS, "Uid:", SC_PLACE(1, 10), 'd', "credentials(7)")                      \
  X(SAVED_UID, "saved user id", STATUS, "Uid:", SC_PLACE(2, 10), 'd', "credentials(7)")                              \
  X(FILE_UID, "file system user id", STATUS, "Uid:", SC_PLACE(3, 10), 'd', "credentials(7)")                         \
  X(REAL_GID, "real group id", STATUS, "Gid:", SC_PLACE(0, 10), 'd', "credentials(7)")                               \
  X(EFFECTIVE_GID, "effective group id", STATUS, "Gid:", SC_PLACE(1, 10), 'd', "credentials(7)")                     \
  X(SAVED_GID, "saved group id", STATUS, "Gid:", SC_PLACE(2, 10), 'd', "credentials(7)")                             \
  X(FILE_GID, "file system group id", STATUS, "Gid:", SC_PLACE(3, 10), 'd', "credentials(7)")                        \
  X(GROUPS, "supplementary groups", TEXT, "Groups:", 0, '#', "getgroups(2)")                                         \
  X(HUGE_PAGES, "transparent huge pages", STATUS, "THP_enabled:", SC_PLACE(0, 10), 'd', "prctl(2) PR_SET_THP_DISABLE") \
  X(CAP_INHERITABLE, "inheritable capabilities", STATUS, "CapInh:", SC_PLACE(0, 16), 'x', "capabilities(7)")         \
  X(CAP_PERMITTED, "permitted capabilities", STATUS, "CapPrm:", SC_PLACE(0, 16), 'x', "capabilities(7)")             \
  X(CAP_EFFECTIVE, "effective capabilities", STATUS, "CapEff:", SC_PLACE(0, 16), 'x', "capabilities(7)")             \
  X(CAP_BOUNDING, "bounding capabilities", STATUS, "CapBnd:", SC_PLACE(0, 16), 'x', "capabilities(7)")               \
  X(CAP_AMBIENT, "ambient capabilities", STATUS, "CapAmb:", SC_PLACE(0, 16), 'x', "capabilities(7)")                 \
  X(NO_NEW_PRIVS, "no_new_privs", STATUS, "NoNewPrivs:", SC_PLACE(0, 10), 'd', "prctl(2) PR_SET_NO_NEW_PRIVS")       \
  X(SECCOMP, "seccomp mode", STATUS, "Seccomp:", SC_PLACE(0, 10), 'd', "seccomp(2)")                                 \
  X(PROCESSORS, "set of processors", TASK, "", SC_TASK_PROCESSORS, 'x', "sched_setaffinity(2)")                      \
  X(NICE, "nice value", TASK, "", SC_TASK_NICE, 'd', "getpriority(2)")                                               \
  X(POLICY, "scheduling policy", TASK, "", SC_TASK_POLICY, 'd', "sched_setscheduler(2)")                             \
  X(PRIORITY, "real-time priority", TASK, "", SC_TASK_PRIORITY, 'd', "sched_getparam(2)")                            \
  X(IO_PRIORITY, "I/O priority", TASK, "", SC_TASK_IO_PRIORITY, 'x', "ioprio_get(2)")                                \
  X(ROOT, "root directory", LINK, "root", 0, '#', "chroot(2)")                                                       \
  X(DIRECTORY, "directory", LINK, "cwd", 0, '#', "chdir(2)")                                                         \
  X(PERSONALITY, "personality", FILE, "personality", 16, 'x', "personality(2)")                                      \
  X(TIMER_SLACK, "timer slack", FILE, "timerslack_ns", 10, 'd', "prctl(2) PR_SET_TIMERSLACK")                        \
  X(COREDUMP_FILTER, "coredump filter", FILE, "coredump_filter", 16, 'x', "core(5)")                                 \
  X(OOM_SCORE, "oom_score_adj", FILE, "oom_score_adj", 10, 'd', "proc(5)")                                           \
  X(CGROUP, "cgroup", FILE_TEXT, "cgroup", 0, '#', "cgroups(7)")                                                     \
  X(NAMESPACES, "namespaces", SPACES, "ns", 0, '#', "namespaces(7)")                                                 \
  SC_LIMIT(X, CPU) SC_LIMIT(X, FSIZE) SC_LIMIT(X, DATA) SC_LIMIT(X, STACK)                                           \
  SC_LIMIT(X, CORE) SC_LIMIT(X, RSS) SC_LIMIT(X, NPROC) SC_LIMIT(X, NOFILE)                                          \
  SC_LIMIT(X, MEMLOCK) SC_LIMIT(X, AS) SC_LIMIT(X, LOCKS) SC_LIMIT(X, SIGPENDING)                                    \
  SC_LIMIT(X, MSGQUEUE) SC_LIMIT(X, NICE) SC_LIMIT(X, RTPRIO) SC_LIMIT(X, RTTIME)
/* clang-format on */

#define SC_LIMIT(X, limit)                                                                     \
  X(SOFT_##limit, "soft limit RLIMIT_" #limit, LIMIT, "", RLIMIT_##limit, 'd', "getrlimit(2)") \
  X(HARD_##limit, "hard limit RLIMIT_" #limit, LIMIT, "", RLIMIT_##limit, 'd', "getrlimit(2)")

#define SC_PLACE(place, base) ((place) << 8 | (base))
enum sc_attribute_of_task { SC_TASK_PROCESSORS, SC_TASK_NICE, SC_TASK_POLICY, SC_TASK_PRIORITY, SC_TASK_IO_PRIORITY };

enum sc_attribute {
#define SC_ROW(id, text, where, name, at, shown, source) SC_ATTRIBUTE_##id,
  SC_ATTRIBUTES(SC_ROW)
#undef SC_ROW
      SC_ATTRIBUTE_COUNT
};

/* What was read of one process or thread. Bit i of `known` is set if value[i] is valid. */
struct sc_attributes {
  uint64_t known;
  uint64_t value[SC_ATTRIBUTE_COUNT];
};

/* Fails to compile if there are more attributes than bits of `known`. */
typedef char sc_attributes_fit[SC_ATTRIBUTE_COUNT <= 64 ? 1 : -1];

#endif
