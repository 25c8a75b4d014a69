/* SPDX-License-Identifier: MIT
 *
 * What stops a task of a scheduled run: a seccomp filter made from the table of visible calls. The verdict
 * carries the call's index, which the tracer reads back (ptrace(2) PTRACE_GET_SYSCALL_INFO). */
#define _GNU_SOURCE
#include "arena.h"

#include "model/scenario/visible.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define GIVE(verdict) BPF_STMT(BPF_RET | BPF_K, (verdict))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define WHEN(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (skip), 0)
#define NUMBER offsetof(struct seccomp_data, nr)
#define ARGUMENT(i) (offsetof(struct seccomp_data, args) + 8 * (i)) /* the low half, on little endian */

#define STOP_AT(name) GIVE(SECCOMP_RET_TRACE | SC_VISIBLE_##name)
/* A call that only asks when argument i is a null pointer. */
#define STOP_UNLESS_NULL(name, i) \
  UNLESS(SYS_##name, 6), LOAD(ARGUMENT(i)), UNLESS(0, 2), LOAD(ARGUMENT(i) + 4), WHEN(0, 1), STOP_AT(name), GIVE(SECCOMP_RET_ALLOW)

static const struct sock_filter program[] = {
    LOAD(NUMBER),
    STOP_UNLESS_NULL(rt_sigprocmask, 1), STOP_UNLESS_NULL(rt_sigaction, 1), STOP_UNLESS_NULL(sigaltstack, 0),
#define SC_ROW(name, effect, sleeps, arguments) UNLESS(SYS_##name, 1), STOP_AT(name),
    SC_VISIBLE_CALLS(SC_ROW) SC_VISIBLE_CALLS_OLD(SC_ROW)
#undef SC_ROW
    UNLESS(SC_MARKER_NUMBER, 1), STOP_AT(marker),
    GIVE(SECCOMP_RET_ALLOW)};

/* For every thread of the caller, and all that they start. 0 or an errno. */
int filter_install(void) {
  const struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = (struct sock_filter *)(uintptr_t)program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0 ? 0 : errno;
}
