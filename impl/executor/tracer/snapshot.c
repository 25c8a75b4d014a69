/* SPDX-License-Identifier: MIT
 *
 * The state of each task between two calls, which lockstep compares with the model: its table, mask and dispositions,
 * and the tasks with which it shares table, dispositions and memory (kcmp(2)). */
#define _GNU_SOURCE
#include <linux/kcmp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/executor/observe/observe.h"
#include "impl/executor/tracer/tracer.h"

#define NUMBERS_PER_INTERVAL 128

static int is_there(int task) {
  const uint8_t state = shared->trace.task[task].state;
  return state != SC_TASK_DEAD && tracee[task].tid > 0;
}

/* Returns the lowest living task that shares it with this one; `what` is a type of kcmp(2). */
static uint8_t lowest_sharer(int task, int what) {
  for (int other = 0; other < task; ++other)
    if (is_there(other) && syscall(SYS_kcmp, tracee[other].tid, tracee[task].tid, what, 0, 0) == 0)
      return (uint8_t)other;
  return (uint8_t)task;
}

static void take_of(int task) {
  static struct sc_process process;
  struct sc_trace* trace = &shared->trace;
  if (trace->snapshot_count >= SC_SNAPSHOTS_MAX || trace->entry_count + SC_ENTRIES_MAX > SC_SNAPSHOT_ENTRIES_MAX)
    return;
  observe_held(&process, tracee[task].tid);
  if (!process.observed || process.truncated) return;
  struct sc_snapshot* s = &trace->snapshot[trace->snapshot_count++];
  *s = (struct sc_snapshot){.after_step = trace->step_count - 1,
                            .task = (uint8_t)task,
                            .mask = process.mask,
                            .ignored = process.ignored,
                            .caught = process.caught};
  s->shares_table = lowest_sharer(task, KCMP_FILES);
  s->shares_dispositions = lowest_sharer(task, KCMP_SIGHAND);
  s->shares_memory = lowest_sharer(task, KCMP_VM);
  s->first_entry = trace->entry_count;
  if (s->shares_table != task) return;
  s->entry_count = process.entry_count;
  memcpy(&trace->entry[trace->entry_count], process.entry, process.entry_count * sizeof *process.entry);
  trace->entry_count += process.entry_count;
}

uint32_t snapshot_take(void) {
  const uint32_t every = shared->policy.snapshot_every, before = observed_numbers;
  if (shared->trace.step_count == 0) return every;
  for (int task = 0; task < (int)shared->trace.task_count; ++task)
    if (is_there(task)) take_of(task);
  return every <= 1 ? every : every * (1 + (observed_numbers - before) / NUMBERS_PER_INTERVAL);
}
