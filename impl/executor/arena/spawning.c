/* SPDX-License-Identifier: MIT
 *
 * The spawn operation: calls the implementation under test, and looks at what it left different in its
 * caller. */
#define _GNU_SOURCE
#include "arena.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_ONE_IN 4
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

static int shares(pid_t pid, int what) { return syscall(SYS_kcmp, shared->arena_pid, pid, what, 0, 0) == 0; }

/* What may be busy, or still open at the other end, because a child has not let go of it yet. */
static int may_find_busy(const struct sc_operation *op) {
  switch (op->kind) {
    case SC_OP_FLOCK: case SC_OP_LISTEN: case SC_OP_PROGRAM: case SC_OP_FIFO: return 1;
    case SC_OP_SPAWN: return op->request.program == SC_PROGRAM_WRITTEN;
    default: return 0;
  }
}

/* kcmp(2) waits until the child's exec is through (kernel/kcmp.c: exec_update_lock), and so until it has closed what it drops:
 * whoever calls it right after a spawn cannot see any more what the child held when spawn returned. So a free run looks after
 * a spawn where none of the thread's later operations could have seen it, and else in one run out of LOOK_ONE_IN.
 * What looking may still hide: what other threads' later operations find, which this thread's loss of time may delay. */
static int is_to_be_looked_at(uint32_t thread, uint32_t index) {
  if (shared->policy.is_scheduled) return 1;
  uint64_t random = shared->seed ^ (thread * SC_OPS_MAX + index);
  for (uint32_t o = index + 1; o < shared->op_count[thread]; ++o)
    if (may_find_busy(&shared->op[thread][o])) return shared->seed != 0 && draw(&random) % LOOK_ONE_IN == 0;
  return 1;
}

/* Is the child on our memory although spawn has returned? In a scheduled run each task rests, outside of exec. Else the server
 * finds out (memory.c): this process cannot open a file without changing its table. */
static int runs_on_our_memory(uint32_t thread, pid_t pid) {
  struct sc_thread_state *state = &shared->thread[thread];
  const int had_table = shares(pid, KCMP_FILES); /* before the memory: see memory.c */
  if (!shares(pid, KCMP_VM)) return 0;
  if (shared->policy.is_scheduled) return 1;
  state->had_table = (uint32_t)had_table;
  state->is_sharer = 0;
  __atomic_store_n(&state->sharer, pid, __ATOMIC_SEQ_CST);
  attract_attention();
  while (__atomic_load_n(&state->sharer, __ATOMIC_SEQ_CST) == pid) futex_wait((uint32_t *)&state->sharer, (uint32_t)pid, 1000);
  return state->is_sharer != 0;
}

/* The keep-list of the thread's request, with its runs spelled out: not on the stack, which is small in some libcs. */
static const struct spawncheck_keep *keep_list(const struct sc_request *r, uint32_t thread, uint32_t index) {
  static struct spawncheck_keep lists[SC_THREADS_MAX][SC_KEPT_MAX];
  struct spawncheck_keep *next = lists[thread];
  for (uint32_t i = 0; i < r->keep_count; ++i)
    for (int32_t n = 0; n <= r->keep[i].more; ++n) {
      const struct sc_keep k = sc_kept_of(r->keep[i], n);
      *next++ = (struct spawncheck_keep){operand_value(thread, index, k.source), k.target};
    }
  return lists[thread];
}

void spawn_run_operation(const struct sc_operation *op, uint32_t thread, uint32_t index, struct sc_op_record *record) {
  const struct sc_request *r = &op->request;
  const struct spawncheck_request request = {
      .size = sizeof request, .fd_policy = r->policy, .path = path_of(r), .argv = argument_vector(r), .envp = environment,
      .keep = keep_list(r, thread, index), .keep_count = sc_kept_count(r), .set = r->set, .mask = r->mask, .dflt = r->dflt, .ignore = r->ignore,
      .pgroup = operand_value(thread, index, r->pgroup), .cwd = places.directory[r->cwd]};
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
  record->error = error;
  if (error == 0) {
    record->value[0] = result.pid;
    record->value[1] = result.pidfd;
    record->child = report_child(result.pid);
  }
  /* The end of the operation: what follows only looks. What it gave is in the record before: a signal may end the process here. */
  __atomic_store_n(&record->end, next_stamp(), __ATOMIC_SEQ_CST);
  if (error == 0 && is_to_be_looked_at(thread, index)) {
    record->looked |= SC_LOOKED_AT_MEMORY;
    if (runs_on_our_memory(thread, result.pid)) record->disturbed |= SC_DISTURBED_VM_SHARED;
  }
  look(&now);
  record->disturbed |= differences(&then, &now);
  if (errno_now != SENTINEL) record->disturbed |= SC_DISTURBED_ERRNO;
  if (sum_of_environment() != environment_then) record->disturbed |= SC_DISTURBED_ENVIRON;
}
