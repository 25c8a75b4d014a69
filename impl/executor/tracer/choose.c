/* SPDX-License-Identifier: MIT
 *
 * Chooses the task that goes next: by the schedule's turns first, then by its rule. Knows nothing of processes. */
#include <errno.h>
#include <sys/socket.h>

#include "impl/executor/tracer/tracer.h"

void chooser_reset(struct chooser* c, const struct sc_policy* policy) {
  *c = (struct chooser){.policy = policy, .random = policy->seed, .last = -1};
}

static int lowest_of(uint32_t set) { return __builtin_ctz(set); }

static int task_named(const struct sc_trace* trace, struct sc_turn turn) {
  for (uint32_t i = 0; i < trace->task_count; ++i)
    if (trace->task[i].thread == turn.thread && trace->task[i].child == turn.child) return (int)i;
  return -1;
}

static int run_on(struct chooser* c, uint32_t enabled) {
  if (c->last >= 0 && enabled >> c->last & 1) return c->last;
  return lowest_of(enabled);
}

static int random_task(struct chooser* c, uint32_t enabled) {
  uint64_t pick = draw(&c->random) % (uint64_t)__builtin_popcount(enabled);
  while (pick-- > 0) enabled &= enabled - 1;
  return lowest_of(enabled);
}

/* A tick interrupts the wait, and the run's deadline ends it. */
static int host_chooses(uint32_t enabled) {
  const char question = SC_SAY_CHOOSE;
  uint8_t task = 0;
  ssize_t got = -1;
  shared->enabled = enabled;
  if (send(SC_SOCKET_FD, &question, 1, MSG_NOSIGNAL) == 1) do
      got = recv(SC_SOCKET_FD, &task, 1, 0);
    while (got < 0 && errno == EINTR && !is_out_of_time());
  return got == 1 && task < SC_TASKS_MAX && enabled >> task & 1 ? task : __builtin_ctz(enabled);
}

int choose(struct chooser* c, struct sc_trace* trace, uint32_t enabled) {
  int task = -1;
  while (task < 0 && c->turn < c->policy->turn_count) {
    const int named = task_named(trace, c->policy->turn[c->turn]);
    if (named >= 0 && enabled >> named & 1) {
      task = named;
    } else if (c->policy->is_strict) {
      trace->bad_turn = (int32_t)c->turn;
      trace->enabled_at_bad_turn = enabled;
      return -1;
    }
    ++c->turn;
  }
  if (task < 0) {
    const uint32_t preferred = enabled & ~c->policy->avoid;
    switch (c->policy->rule) {
      case SC_RULE_RANDOM:
        task = random_task(c, enabled);
        break;
      case SC_RULE_ASK: /* if only one task is enabled, the host learns of the step from the trace */
        task = (enabled & (enabled - 1)) == 0 ? lowest_of(enabled) : host_chooses(enabled);
        break;
      default:
        task = run_on(c, preferred != 0 ? preferred : enabled);
    }
  }
  c->last = task;
  return task;
}
