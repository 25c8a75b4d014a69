/* SPDX-License-Identifier: MIT
 *
 * The spawn operation: calls the implementation under test, and looks at what it left different in its
 * caller. */
#define _GNU_SOURCE
#include "arena.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHARING_ROUNDS_MAX 20000
#define SHARING_MAX_NS 20000 /* between the wake and the switch: under 2,000 observed */
#define SENTINEL 12321 /* an errno no call gives */

static char argument_text[] = "argument-of-thirty-one-bytes...";
static char *arguments[SC_ARGUMENTS_MAX + 2];
static char environment_text[] = "SPAWNCHECK=1";
static char *environment[] = {environment_text, NULL};

/* Memory nobody but a wrong spawn writes. */
static volatile uint64_t canary[64];

static char *const *argument_vector(const struct sc_request *r) {
  /* Threads fill in the same pointers; the vector of one request ends where the text ends. */
  static char *const hold[] = {argument_text, NULL};
  if (r->argument_count == 0) return hold;
  for (uint32_t i = 0; i <= SC_ARGUMENTS_MAX; ++i) arguments[i] = argument_text;
  return arguments + (SC_ARGUMENTS_MAX - r->argument_count);
}

struct before {
  uint64_t mask, sum;
  stack_t altstack;
  int cancel_state;
};

static uint64_t sum_of_memory(void) {
  uint64_t sum = 0;
  for (size_t i = 0; i < sizeof canary / sizeof *canary; ++i) sum = sum * 31 + canary[i];
  for (const char *c = argument_text; *c; ++c) sum = sum * 31 + (unsigned char)*c;
  return sum;
}

extern char **environ;

static uint64_t sum_of_environment(void) {
  uint64_t sum = (uint64_t)(uintptr_t)environ;
  for (char **e = environ; e && *e; ++e)
    for (const char *c = *e; *c; ++c) sum = sum * 31 + (unsigned char)*c;
  for (const char *c = environment_text; *c; ++c) sum = sum * 31 + (unsigned char)*c;
  return sum * 31 + (environment[0] == environment_text) * 2 + (environment[1] == NULL);
}

static void look(struct before *state) {
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &state->mask, sizeof state->mask);
  syscall(SYS_sigaltstack, NULL, &state->altstack);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state->cancel_state);
  pthread_setcancelstate(state->cancel_state, NULL);
  state->sum = sum_of_memory();
}

static uint32_t differences(const struct before *then, const struct before *now) {
  uint32_t bits = 0;
  if (then->mask != now->mask) bits |= SC_DISTURBED_MASK;
  if (then->mask != now->mask && ((then->mask ^ now->mask) & ~(7ull << 31)) == 0) bits |= SC_DISTURBED_MASK_OF_LIBC;
  if (then->altstack.ss_sp != now->altstack.ss_sp || then->altstack.ss_flags != now->altstack.ss_flags) bits |= SC_DISTURBED_ALTSTACK;
  if (then->cancel_state != now->cancel_state) bits |= SC_DISTURBED_CANCEL;
  if (then->sum != now->sum) bits |= SC_DISTURBED_MEMORY;
  return bits;
}

static const char *path_of(const struct sc_request *r) {
  return r->program == SC_PROGRAM_WRITTEN ? places.program[r->name] : places.executable[r->program];
}

static int16_t report_child(int32_t pid) {
  const uint32_t at = __atomic_fetch_add(&shared->history.child_count, 1, __ATOMIC_SEQ_CST);
  if (at >= SC_CHILDREN_MAX) {
    __atomic_fetch_sub(&shared->history.child_count, 1, __ATOMIC_SEQ_CST);
    return -1;
  }
  shared->history.child[at].pid = pid;
  return (int16_t)at;
}

static int shares_memory(pid_t pid) { return syscall(SYS_kcmp, shared->arena_pid, pid, KCMP_VM, 0, 0) == 0; }

static int64_t cpu_time_ns(pid_t pid) {
  clockid_t clock;
  struct timespec used;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return -1;
  return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* Does the child run on our memory although spawn has returned? That the memory is the same is not enough:
 * exec wakes the vfork parent (fs/exec.c exec_mmap: exec_mm_release) a moment before it switches the memory,
 * and may be preempted there. But it needs hardly any processor time from the one to the other, while a
 * child that has yet to exec needs much. The clock is read before each comparison: what it shows was
 * used while the memory was still shared, however long this thread is kept from looking. */
static int ran_on_our_memory(pid_t pid) {
  const int64_t at_return_ns = cpu_time_ns(pid);
  int64_t shared_ns = at_return_ns;
  for (int round = 0; round < SHARING_ROUNDS_MAX && at_return_ns >= 0; ++round) {
    const int64_t now_ns = cpu_time_ns(pid);
    if (now_ns < 0 || !shares_memory(pid)) break;
    shared_ns = now_ns;
    sched_yield();
  }
  return shared_ns - at_return_ns > SHARING_MAX_NS;
}

void spawn_run_operation(const struct sc_operation *op, uint32_t thread, uint32_t index, struct sc_op_record *record) {
  const struct sc_request *r = &op->request;
  struct spawncheck_keep keep[SC_KEEP_MAX];
  for (uint32_t i = 0; i < r->keep_count; ++i)
    keep[i] = (struct spawncheck_keep){operand_value(thread, index, r->keep[i].source), r->keep[i].target};
  const struct spawncheck_request request = {
      .size = sizeof request, .fd_policy = r->policy, .path = path_of(r), .argv = argument_vector(r), .envp = environment,
      .keep = keep, .keep_count = r->keep_count, .set = r->set, .mask = r->mask, .dflt = r->dflt, .ignore = r->ignore,
      .pgroup = r->pgroup, .cwd = places.directory[r->cwd]};
  struct spawncheck_result result = {.pid = -1, .pidfd = -1};
  struct before then, now;
  if ((implementation->policies >> r->policy & 1) == 0 || (r->set & ~implementation->sets) != 0) {
    record->error = EOPNOTSUPP; /* the judge says unsupported, whatever the error */
    return;
  }
  look(&then);
  const uint64_t environment_then = sum_of_environment();
  shared->thread[thread].frame = (uint64_t)(uintptr_t)__builtin_frame_address(0);
  errno = SENTINEL;
  const int error = implementation->spawn(&request, &result);
  const int errno_now = errno;
  /* The end of the operation: what follows only looks. */
  record->end = next_stamp();
  if (error == 0 && shares_memory(result.pid) && (shared->policy.is_scheduled || ran_on_our_memory(result.pid))) record->disturbed |= SC_DISTURBED_VM_SHARED;
  look(&now);
  record->disturbed |= differences(&then, &now);
  if (errno_now != SENTINEL) record->disturbed |= SC_DISTURBED_ERRNO;
  if (sum_of_environment() != environment_then) record->disturbed |= SC_DISTURBED_ENVIRON;
  record->error = error;
  if (error != 0) return;
  record->value[0] = result.pid;
  record->value[1] = result.pidfd;
  record->child = report_child(result.pid);
}
