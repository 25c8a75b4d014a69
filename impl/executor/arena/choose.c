/* SPDX-License-Identifier: MIT
 *
 * Who goes next: the schedule's turns first, then its rule. Knows nothing of processes. */
#include "tracer.h"

void chooser_reset(struct chooser* c, const struct sc_policy* policy) {
  *c = (struct chooser){.policy = policy, .random = policy->seed, .last = -1, .lowest = SC_CHANGES_MAX};
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
  if (c->preemptions >= c->policy->preemptions_max) return run_on(c, enabled);
  uint64_t pick = draw(&c->random) % (uint64_t)__builtin_popcount(enabled);
  while (pick-- > 0) enabled &= enabled - 1;
  return lowest_of(enabled);
}

/* Priorities of new tasks are random and above all that change points give. */
static int highest_priority(struct chooser* c, const struct sc_trace* trace, uint32_t enabled) {
  for (; c->prioritised < trace->task_count; ++c->prioritised)
    c->priority[c->prioritised] = SC_CHANGES_MAX + 1 + (uint32_t)(draw(&c->random) >> 33);
  int best;
  for (;;) {
    best = lowest_of(enabled);
    for (int i = best + 1; i < SC_TASKS_MAX; ++i)
      if (enabled >> i & 1 && c->priority[i] > c->priority[best]) best = i;
    int is_change = 0;
    for (uint32_t i = 0; i < c->policy->change_count; ++i) is_change |= c->policy->change[i] == c->steps;
    if (!is_change || c->changed_at == c->steps + 1) break;
    c->changed_at = c->steps + 1;
    c->priority[best] = c->lowest > 0 ? --c->lowest : 0;
  }
  return best;
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
      case SC_RULE_PCT:
        task = highest_priority(c, trace, enabled);
        break;
      default:
        task = run_on(c, preferred != 0 ? preferred : enabled);
    }
  }
  if (c->last >= 0 && task != c->last && enabled >> c->last & 1) ++c->preemptions;
  c->last = task;
  ++c->steps;
  return task;
}
