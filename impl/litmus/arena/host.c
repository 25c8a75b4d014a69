/* SPDX-License-Identifier: MIT
 *
 * What the executor's operations need of the arena that they run in: the scenario and its records are in a mapping of
 * their own; there are no stamps, since no litmus test asks for the order of a run, and there is no observer. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "litmus.h"

uint32_t next_stamp(void) { return 1; }
void attract_attention(void) {}
int implementation_prepare(char where[SC_WHERE_MAX]) { return where[0] = 0; }

void spawn_run_operation(const struct sc_operation* op, uint32_t thread, uint32_t index, struct sc_op_record* record) {
  (void)op, (void)thread, (void)index;
  record->error = ENOSYS; /* no litmus test has a spawn */
}

/* No litmus test has a spawn. */
void spawn_look_later(uint32_t thread, uint32_t index) { (void)thread, (void)index; }

void operations_prepare(void) {
  const struct sc_litmus_test* test = &litmus->test;
  shared->thread_count = test->thread_count;
  shared->world = test->world;
  shared->world_errno = 0;
  for (uint32_t t = 0; t < test->thread_count; ++t) {
    shared->op_count[t] = test->op_count[t];
    memcpy(shared->op[t], test->op[t], sizeof test->op[t]);
  }
  operations_reset();
}

void operations_reset(void) {
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    for (uint32_t o = 0; o < shared->op_count[t]; ++o) {
      struct sc_op_record* r = &shared->history.op[t][o];
      r->value[0] = r->value[1] = -1;
      r->error = 0;
      r->end = 0;
    }
  shared->history.handled_count = 0;
}

/* Makes the operation wrong on purpose: see program.h. Returns 1 if it must not be run. */
static int go_wrong(uint32_t thread, uint32_t index) {
  struct sc_operation* op = &shared->op[thread][index];
  if (litmus->fault == SC_LITMUS_FAULT_DUP_FORGETS_CLOEXEC && op->kind == SC_OP_DUP3) op->flags = 0;
  if (litmus->fault == SC_LITMUS_FAULT_CLOSE_KEEPS_OPEN && op->kind == SC_OP_CLOSE) {
    shared->history.op[thread][index].end = 1;
    return 1;
  }
  return 0;
}

void operation_go(uint32_t thread, uint32_t index) {
  if (litmus->fault != SC_LITMUS_FAULT_NONE && go_wrong(thread, index)) return;
  operation_run(thread, index);
}
