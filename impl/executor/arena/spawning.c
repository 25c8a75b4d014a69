/* SPDX-License-Identifier: MIT
 *
 * The spawn operation: calls the implementation under test, and records what the call changed in its caller. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"
#include "impl/executor/observe/observe.h"

#define LOOK_ONE_IN 4
#define SENTINEL 12321 /* an errno no call gives */

/* Memory that only a wrong spawn writes. */
static volatile uint64_t canary[64];

/* A thread's request, on pages of its own: a watcher of pages (watch.c) notices also a write that is undone later. */
static struct {
  _Alignas(SC_PAGE) struct spawncheck_request request;
  struct spawncheck_keep keep[SC_KEPT_MAX];
} calls[SC_THREADS_MAX];

int requests_are_within(uint64_t start, uint64_t end) {
  return start < (uint64_t)(uintptr_t)(calls + SC_THREADS_MAX) && end > (uint64_t)(uintptr_t)calls;
}

extern char** environ;

static uint64_t sum_of_canary(void) {
  uint64_t sum = 0;
  for (size_t i = 0; i < sizeof canary / sizeof *canary; ++i) sum = sum * 31 + canary[i];
  return sum;
}

static uint64_t sum_of_environment(void) {
  uint64_t sum = (uint64_t)(uintptr_t)environ;
  for (char** e = environ; e && *e; ++e) sum = memory_sum(sum, *e, strlen(*e) + 1);
  return sum;
}

static uint64_t sum_of_request(uint32_t thread, const struct sc_request* r) {
  const struct spawncheck_request* request = &calls[thread].request;
  uint64_t sum = memory_sum(1, request, sizeof *request);
  sum = memory_sum(sum, calls[thread].keep, sc_kept_count(r) * sizeof *calls[thread].keep);
  sum = memory_sum(sum, request->path, strlen(request->path) + 1);
  sum = memory_sum(sum, request->cwd, strlen(request->cwd) + 1);
  return lists_sum(r->argument_count, sum);
}

/* What is compared before and after. */
struct sums {
  uint64_t canary, environment, request;
};

static struct sums sums(uint32_t thread, const struct sc_request* r) {
  return (struct sums){sum_of_canary(), sum_of_environment(), sum_of_request(thread, r)};
}

static uint32_t sums_differ(const struct sums* then, const struct sums* now) {
  return (then->canary != now->canary ? SC_DISTURBED_MEMORY : 0) |
         (then->environment != now->environment ? SC_DISTURBED_ENVIRON : 0) |
         (then->request != now->request ? SC_DISTURBED_REQUEST : 0);
}

static const char* path_of(const struct sc_request* r) {
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

/* Returns true if the operation may find something busy, or still open at the other end, because a child has not closed
 * it yet. */
static int may_find_busy(const struct sc_operation* op) {
  switch (op->kind) {
    case SC_OP_FLOCK:
    case SC_OP_LISTEN:
    case SC_OP_PROGRAM:
    case SC_OP_FIFO:
      return 1;
    case SC_OP_SPAWN:
      return op->request.program == SC_PROGRAM_WRITTEN;
    default:
      return 0;
  }
}

static int finds_busy_later(uint32_t thread, uint32_t index) {
  for (uint32_t o = index + 1; o < shared->op_count[thread]; ++o)
    if (may_find_busy(&shared->op[thread][o])) return 1;
  return 0;
}

/* kcmp(2) waits until the child's exec is over (kernel/kcmp.c: exec_update_lock), and so until close-on-exec has closed
 * its descriptors: after kcmp(2), a caller cannot see any more what the child held when spawn returned. So a free run
 * looks after a spawn if none of the thread's later operations could have seen that, and else in one run out of
 * LOOK_ONE_IN of those with a seed. To look may still hide what the later operations of other threads find: this thread
 * loses time, which may delay them. */
static int is_to_be_looked_at(uint32_t thread, uint32_t index) {
  if (shared->policy.is_scheduled || !finds_busy_later(thread, index)) return 1;
  uint64_t random = shared->seed ^ (thread * SC_OPS_MAX + index);
  return shared->seed != 0 && draw(&random) % LOOK_ONE_IN == 0;
}

/* Returns true if the child runs on the arena's memory although spawn has returned. In a scheduled run each task rests,
 * outside of exec. In a free run the server finds out (memory.c): the arena cannot open a file without changing its
 * table. */
static int runs_on_our_memory(uint32_t thread, pid_t pid) {
  struct sc_thread_state* state = &shared->thread[thread];
  const int had_table = shares(pid, KCMP_FILES); /* before the memory: see memory.c */
  if (!shares(pid, KCMP_VM)) return 0;
  if (shared->policy.is_scheduled) return 1;
  state->had_table = (uint32_t)had_table;
  state->is_sharer = 0;
  __atomic_store_n(&state->sharer, pid, __ATOMIC_SEQ_CST);
  attract_attention();
  while (__atomic_load_n(&state->sharer, __ATOMIC_SEQ_CST) == pid)
    futex_wait((uint32_t*)&state->sharer, (uint32_t)pid, 1000);
  return state->is_sharer != 0;
}

/* The last spawn of each thread whose caller has not been looked at yet; null: none. */
static struct sc_op_record* unseen[SC_THREADS_MAX];

void spawn_look_later(uint32_t thread, uint32_t index) {
  if (unseen[thread] == NULL || (!shared->policy.is_scheduled && finds_busy_later(thread, index))) return;
  caller_look(thread, unseen[thread]);
  unseen[thread] = NULL;
}

static void fill_in(uint32_t thread, uint32_t index, const struct sc_request* r) {
  struct spawncheck_keep* next = calls[thread].keep;
  for (uint32_t i = 0; i < r->keep_count; ++i)
    for (int32_t n = 0; n <= r->keep[i].more; ++n) {
      const struct sc_keep k = sc_kept_of(r->keep[i], n);
      *next++ = (struct spawncheck_keep){operand_value(thread, index, k.source), k.target};
    }
  calls[thread].request = (struct spawncheck_request){.size = sizeof(struct spawncheck_request),
                                                      .fd_policy = r->policy,
                                                      .path = path_of(r),
                                                      .argv = list_of_arguments(r->argument_count),
                                                      .envp = list_of_environment(),
                                                      .keep = calls[thread].keep,
                                                      .keep_count = sc_kept_count(r),
                                                      .set = r->set,
                                                      .mask = r->mask,
                                                      .dflt = r->dflt,
                                                      .ignore = r->ignore,
                                                      .pgroup = operand_value(thread, index, r->pgroup),
                                                      .cwd = places.directory[r->cwd]};
}

/* pthread_create(3) answers EAGAIN also where its stack could not be mapped, and mmap(2) is not in the trace. So after
 * EAGAIN the stack of a thread is mapped here: if that works, the machine has memory left. */
static int memory_is_left(void) {
  const size_t size = (size_t)8 << 20;
  void* stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  return stack != MAP_FAILED && munmap(stack, size) == 0;
}

static void take_result(const struct spawncheck_result* result, int error, struct sc_op_record* record) {
  record->error = error;
  record->result_error = result->error;
  if (result->error != error) record->disturbed |= SC_DISTURBED_RESULT;
  if (error != 0) return;
  record->value[0] = result->pid;
  record->value[1] = result->pidfd;
  if (result->pid > 0) record->child = report_child(result->pid);
}

void spawn_run_operation(const struct sc_operation* op, uint32_t thread, uint32_t index, struct sc_op_record* record) {
  const struct sc_request* r = &op->request;
  struct caller then, now;
  if ((implementation->policies >> r->policy & 1) == 0 || (r->set & ~implementation->sets) != 0) {
    record->error = SPAWNCHECK_DECLINED;
    return;
  }
  fill_in(thread, index, r);
  struct spawncheck_result result = {.pid = -1, .pidfd = -1};
  caller_ask(&then);
  const struct sums sums_then = sums(thread, r);
  shared->thread[thread].frame = (uint64_t)(uintptr_t)__builtin_frame_address(0);
  errno = SENTINEL;
  const int error = implementation->spawn(&calls[thread].request, &result);
  const int errno_now = errno;
  take_result(&result, error, record);
  /* The operation ends here: what follows only looks. Its results are in the record before its end stamp is, because a
   * signal may end the process at any instant. */
  __atomic_store_n(&record->end, next_stamp(), __ATOMIC_SEQ_CST);
  caller_ask(&now);
  record->pending_before = then.pending & then.mask;
  record->pending_after = now.pending;
  record->disturbed |= caller_differs(&then, &now);
  if (errno_now != SENTINEL) record->disturbed |= SC_DISTURBED_ERRNO;
  if (error == EAGAIN && memory_is_left()) record->looked |= SC_LOOKED_MEMORY_IS_LEFT;
  const struct sums sums_now = sums(thread, r);
  record->disturbed |= sums_differ(&sums_then, &sums_now);
  if (record->child >= 0 && is_to_be_looked_at(thread, index)) {
    record->looked |= SC_LOOKED_AT_MEMORY;
    if (runs_on_our_memory(thread, result.pid)) record->disturbed |= SC_DISTURBED_VM_SHARED;
  }
  unseen[thread] = record;
}
