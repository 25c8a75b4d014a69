/* SPDX-License-Identifier: MIT
 *
 * The seccomp filter that stops a task of a scheduled run at each visible call, made from the table of visible calls.
 * The verdict carries the call's index, which the tracer reads back (ptrace(2) PTRACE_GET_SYSCALL_INFO). */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"
#include "model/scenario/visible.h"

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define GIVE(verdict) BPF_STMT(BPF_RET | BPF_K, (verdict))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define WHEN(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (skip), 0)
#define FROM(value, skip) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), (skip), 0)
#define NUMBER offsetof(struct seccomp_data, nr)
#define ARGUMENT(i) (offsetof(struct seccomp_data, args) + 8 * (i)) /* the low half, on little endian */

#define LEAF_MAX 4 /* up to so many numbers are compared one after the other */
#define INSTRUCTIONS_MAX 512

struct stop {
  uint32_t number, index; /* SYS_*, enum sc_visible */
  int asks_by;            /* the argument that is null if the call only reads: no stop then; -1: it always stops */
};

static struct stop stops[] = {
#define SC_ROW(name, effect, sleeps, arguments) {SYS_##name, SC_VISIBLE_##name, -1},
    SC_VISIBLE_CALLS(SC_ROW) SC_VISIBLE_CALLS_OLD(SC_ROW)
#undef SC_ROW
        {SC_MARKER_NUMBER, SC_VISIBLE_marker, -1}};
#define STOPS (sizeof stops / sizeof *stops)

static struct sock_filter program[INSTRUCTIONS_MAX];
static uint32_t length;

static void emit(struct sock_filter instruction) {
  if (length < INSTRUCTIONS_MAX) program[length] = instruction;
  ++length;
}

static void emit_stop(const struct stop* s) {
  emit((struct sock_filter)UNLESS(s->number, s->asks_by < 0 ? 1 : 6));
  if (s->asks_by >= 0) {
    emit((struct sock_filter)LOAD(ARGUMENT((uint32_t)s->asks_by)));
    emit((struct sock_filter)UNLESS(0, 2));
    emit((struct sock_filter)LOAD(ARGUMENT((uint32_t)s->asks_by) + 4));
    emit((struct sock_filter)WHEN(0, 1));
  }
  emit((struct sock_filter)GIVE(SECCOMP_RET_TRACE | s->index));
  if (s->asks_by >= 0) emit((struct sock_filter)GIVE(SECCOMP_RET_ALLOW));
}

/* Emits a search tree, not to make calls faster but to install the filter faster: the kernel then tries it on every
 * number to learn which are always allowed (kernel/seccomp.c seccomp_cache_prepare). With one comparison after the
 * other that took 150 us a run. */
static void emit_tree(const struct stop* first, size_t count) {
  if (count <= LEAF_MAX) {
    for (size_t i = 0; i < count; ++i) emit_stop(&first[i]);
    emit((struct sock_filter)GIVE(SECCOMP_RET_ALLOW));
    return;
  }
  const uint32_t branch = length;
  emit((struct sock_filter)FROM(first[count / 2].number, 0));
  emit_tree(first, count / 2);
  if (branch < INSTRUCTIONS_MAX) program[branch].jt = (uint8_t)(length - branch - 1);
  if (length - branch - 1 > UINT8_MAX) length = INSTRUCTIONS_MAX + 1;
  emit_tree(first + count / 2, count - count / 2);
}

static int by_number(const void* a, const void* b) {
  const struct stop *left = a, *right = b;
  return left->number < right->number ? -1 : left->number > right->number;
}

void filter_prepare(void) {
  for (size_t i = 0; i < STOPS; ++i) {
    if (stops[i].number == SYS_rt_sigprocmask || stops[i].number == SYS_rt_sigaction) stops[i].asks_by = 1;
    if (stops[i].number == SYS_sigaltstack) stops[i].asks_by = 0;
  }
  qsort(stops, STOPS, sizeof *stops, by_number);
  length = 0;
  emit((struct sock_filter)LOAD(NUMBER));
  emit_tree(stops, STOPS);
}

int filter_for_all_threads(const struct sock_fprog* filter) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, filter);
  if (result > 0) return ESRCH; /* seccomp(2): the id of a thread that could not take the filter; errno is not set */
  return result == 0 ? 0 : errno;
}

int filter_install(void) {
  const struct sock_fprog filter = {.len = (unsigned short)length, .filter = program};
  if (length > INSTRUCTIONS_MAX) return E2BIG;
  return filter_for_all_threads(&filter);
}
