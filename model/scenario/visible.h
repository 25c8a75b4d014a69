/* SPDX-License-Identifier: MIT
 *
 * THE table of visible system calls: those whose effect another task can see, or that can see the effect of
 * another task's call. Scheduled runs stop at exactly these; the seccomp filter, the trace's text, the
 * independence relation and lockstep are made from the table. A call that is not here is not scheduled: it
 * happens together with the visible call before it.
 *
 * A query is not visible: rt_sigprocmask(2), rt_sigaction(2) and sigaltstack(2) without a new value
 * (filter.c lets them pass). rt_sigaction's old value is read back only by the task that set it.
 *
 * Columns: name as in SYS_name, effect (below), whether it can sleep, arguments, one letter each:
 *   d number   f descriptor   x bits   i a process or a thread   p address (only null or not counts)
 *   m address of a signal set   a address of a struct sigaction   c address of a struct clone_args
 *   l address of a struct rlimit (only the new one: its soft limit is read)
 *   n address of two descriptors that the call fills in   s address of a text, mostly a path
 *
 * Plain C, no dependency. */
#ifndef SPAWNCHECK_SCENARIO_VISIBLE_H
#define SPAWNCHECK_SCENARIO_VISIBLE_H

/* What a call touches, for the independence relation (impl/schedules/independence.cpp):
 *   allocate   the lowest free number of the caller's table, which it returns
 *   allocate2  two of them, stored at its argument n
 *   number     reads or writes the entry of its first argument; close(2) also drops a reference
 *   replace    the entry of its second argument, from the first
 *   fcntl      by its command: number or allocate
 *   range      the numbers from its first to its second argument
 *   file       a file, lock, queue, port or pipe, from outside the table
 *   attribute  an attribute of the caller that no other task sees
 *   mask       the caller's mask: which signals it takes now
 *   disposition, send   the process's dispositions, another task's pending signals
 *   limit      the process's RLIMIT_NOFILE
 *   clone, exec, exit, wait   the life of a process, and its table
 *   memory     a word or a mapping of the process: futexes
 *   anything   unknown: conflicts with every call */
enum sc_effect {
  SC_EFFECT_ALLOCATE,
  SC_EFFECT_ALLOCATE2,
  SC_EFFECT_NUMBER,
  SC_EFFECT_REPLACE,
  SC_EFFECT_FCNTL,
  SC_EFFECT_RANGE,
  SC_EFFECT_FILE,
  SC_EFFECT_ATTRIBUTE,
  SC_EFFECT_MASK,
  SC_EFFECT_DISPOSITION,
  SC_EFFECT_SEND,
  SC_EFFECT_LIMIT,
  SC_EFFECT_CLONE,
  SC_EFFECT_EXEC,
  SC_EFFECT_EXIT,
  SC_EFFECT_WAIT,
  SC_EFFECT_MEMORY,
  SC_EFFECT_ANYTHING
};

#define SC_VISIBLE_CALLS(X)               \
  X(openat, ALLOCATE, 1, "fsxd")          \
  X(close, NUMBER, 0, "f")                \
  X(dup, ALLOCATE, 0, "f")                \
  X(dup3, REPLACE, 0, "ffx")              \
  X(fcntl, FCNTL, 0, "fdd")               \
  X(pipe2, ALLOCATE2, 0, "nx")            \
  X(socket, ALLOCATE, 0, "dxd")           \
  X(socketpair, ALLOCATE2, 0, "dxdn")     \
  X(bind, FILE, 0, "fpd")                 \
  X(listen, FILE, 0, "fd")                \
  X(accept4, ALLOCATE, 1, "fppx")         \
  X(sendmsg, ANYTHING, 1, "fpx")          \
  X(recvmsg, ANYTHING, 1, "fpx")          \
  X(memfd_create, ALLOCATE, 0, "sx")      \
  X(eventfd2, ALLOCATE, 0, "dx")          \
  X(signalfd4, ALLOCATE, 0, "fmdx")       \
  X(timerfd_create, ALLOCATE, 0, "dx")    \
  X(epoll_create1, ALLOCATE, 0, "x")      \
  X(inotify_init1, ALLOCATE, 0, "x")      \
  X(mq_open, ALLOCATE, 0, "sxdp")         \
  X(flock, FILE, 1, "fd")                 \
  X(read, FILE, 1, "fpd")                 \
  X(write, FILE, 1, "fpd")                \
  X(close_range, RANGE, 0, "ddx")         \
  X(pidfd_open, ALLOCATE, 0, "ix")        \
  X(pidfd_getfd, ALLOCATE, 0, "ffx")      \
  X(pidfd_send_signal, SEND, 0, "fdpx")   \
  X(prlimit64, LIMIT, 0, "idlp")          \
  X(unshare, ANYTHING, 0, "x")            \
  X(rt_sigprocmask, MASK, 0, "dmpd")      \
  X(rt_sigaction, DISPOSITION, 0, "dapd") \
  X(sigaltstack, ATTRIBUTE, 0, "pp")      \
  X(kill, SEND, 0, "id")                  \
  X(tgkill, SEND, 0, "iid")               \
  X(tkill, SEND, 0, "id")                 \
  X(rt_sigqueueinfo, SEND, 0, "idp")      \
  X(rt_sigsuspend, MASK, 1, "md")         \
  X(rt_sigtimedwait, MASK, 1, "mppd")     \
  X(clone, CLONE, 0, "xpppp")             \
  X(clone3, CLONE, 0, "cd")               \
  X(execve, EXEC, 0, "spp")               \
  X(execveat, EXEC, 0, "fsppx")           \
  X(exit, EXIT, 0, "d")                   \
  X(exit_group, EXIT, 0, "d")             \
  X(wait4, WAIT, 1, "ipxp")               \
  X(waitid, WAIT, 1, "dipxp")             \
  X(setpgid, ATTRIBUTE, 0, "id")          \
  X(setsid, ATTRIBUTE, 0, "")             \
  X(chdir, ATTRIBUTE, 0, "s")             \
  X(fchdir, ATTRIBUTE, 0, "f")            \
  X(umask, ATTRIBUTE, 0, "x")             \
  X(setresuid, ATTRIBUTE, 0, "ddd")       \
  X(setresgid, ATTRIBUTE, 0, "ddd")       \
  X(setgroups, ATTRIBUTE, 0, "dp")        \
  X(prctl, ATTRIBUTE, 0, "dddd")          \
  X(futex, MEMORY, 1, "pxdp")             \
  X(ppoll, FILE, 1, "pdpp")               \
  X(nanosleep, MEMORY, 1, "pp")           \
  X(clock_nanosleep, MEMORY, 1, "ddpp")

/* Calls that newer architectures do not have; the same columns. */
#if defined(__x86_64__)
#define SC_VISIBLE_CALLS_OLD(X)     \
  X(open, ALLOCATE, 1, "sxd")       \
  X(creat, ALLOCATE, 1, "sd")       \
  X(dup2, REPLACE, 0, "ff")         \
  X(pipe, ALLOCATE2, 0, "n")        \
  X(accept, ALLOCATE, 1, "fpp")     \
  X(eventfd, ALLOCATE, 0, "d")      \
  X(signalfd, ALLOCATE, 0, "fmd")   \
  X(epoll_create, ALLOCATE, 0, "d") \
  X(inotify_init, ALLOCATE, 0, "")  \
  X(setrlimit, LIMIT, 0, "dl")      \
  X(fork, CLONE, 0, "")             \
  X(vfork, CLONE, 0, "")            \
  X(poll, FILE, 1, "pdd")           \
  X(pause, MASK, 1, "")
#else
#define SC_VISIBLE_CALLS_OLD(X)
#endif

enum sc_visible {
#define SC_ROW(name, effect, sleeps, arguments) SC_VISIBLE_##name,
  SC_VISIBLE_CALLS(SC_ROW) SC_VISIBLE_CALLS_OLD(SC_ROW)
#undef SC_ROW
  /* Not a kernel call: the arena makes it before an operation without a call (store, load), so that the
   * operation is scheduled as well. Its argument is the cell. */
  SC_VISIBLE_marker,
  SC_VISIBLE_COUNT
};

/* The table's rows, indexed by enum sc_visible. */
struct sc_visible_call {
  const char *name, *arguments;
  unsigned char effect, sleeps; /* enum sc_effect */
};

static const struct sc_visible_call sc_visible_calls[SC_VISIBLE_COUNT] = {
#define SC_ROW(name, effect, sleeps, arguments) {#name, arguments, SC_EFFECT_##effect, sleeps},
    SC_VISIBLE_CALLS(SC_ROW) SC_VISIBLE_CALLS_OLD(SC_ROW)
#undef SC_ROW
        {"marker", "d", SC_EFFECT_MEMORY, 0}};

#define SC_MARKER_NUMBER 0x5c00 /* no kernel has a call with this number */

#endif
