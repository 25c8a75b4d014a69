/* SPDX-License-Identifier: MIT
 *
 * The seccomp filter for the system calls that the world refuses: a refused call is not made and fails with the given
 * error. In a scheduled run this filter has precedence over the one that stops tasks (seccomp(2): the action of least
 * value), so a refused call is no turn. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "impl/executor/arena/arena.h"
#include "model/scenario/visible.h"

static const uint32_t numbers[SC_VISIBLE_COUNT] = {
#define SC_ROW(name, effect, sleeps, arguments) SYS_##name,
    SC_VISIBLE_CALLS(SC_ROW) SC_VISIBLE_CALLS_OLD(SC_ROW)
#undef SC_ROW
        SC_MARKER_NUMBER};

#define PER_REFUSAL_MAX 7

static struct sock_filter program[1 + SC_REFUSALS_MAX * PER_REFUSAL_MAX + 1];
static unsigned short length;

static void emit(struct sock_filter instruction) { program[length++] = instruction; }

/* Of fcntl(2) only the commands that make a descriptor are refused: to read a flag never is. */
static void emit_refusal(const struct sc_refusal* r) {
  const uint32_t verdict = SECCOMP_RET_ERRNO | (uint32_t)r->error;
  if (r->call != SC_VISIBLE_fcntl) {
    emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[r->call], 0, 1));
    emit((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
    return;
  }
  emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 5));
  emit((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])));
  emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_DUPFD, 1, 0));
  emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_DUPFD_CLOEXEC, 0, 1));
  emit((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
  emit((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

int refusals_install(void) {
  const struct sc_world* world = &shared->world;
  if (world->refusal_count == 0) return 0;
  emit((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
  for (uint32_t i = 0; i < world->refusal_count && i < SC_REFUSALS_MAX; ++i) emit_refusal(&world->refusal[i]);
  emit((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const struct sock_fprog filter = {.len = length, .filter = program};
  return filter_for_all_threads(&filter);
}
