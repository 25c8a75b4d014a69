/* SPDX-License-Identifier: MIT
 *
 * A scheduled run: gathers all threads at their first calls, then lets one task at a time make one step. All tasks and
 * the tracer share one processor: a stop costs a seventh of what it costs across two. */
#define _GNU_SOURCE
#include "impl/executor/tracer/tracer.h"

#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_US 20000 /* how often a tick interrupts a wait that should be short */
#define RUNS_PER_PROCESSOR 64
#define STEPS_PER_LOOK_AT_CLOCK 64

static uint64_t deadline_ms;
static int is_over;

int is_out_of_time(void) {
  if (!is_over) is_over = now_ms() >= deadline_ms || host_is_gone(SC_SOCKET_FD);
  return is_over;
}

static void tick(int signal) { (void)signal; }

static void set_ticks(long us) {
  /* Without SA_RESTART, so that a tick interrupts a wait. Arenas inherit the disposition: the run's end resets it. */
  const struct sigaction action = {.sa_handler = us != 0 ? tick : SIG_DFL};
  const struct itimerval every = {{0, us}, {0, us}};
  if (us != 0) sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &every, NULL);
  if (us == 0) sigaction(SIGALRM, &action, NULL);
}

/* musl remembers for good which signals ever had a handler, and its posix_spawn(3) resets those. SIGALRM gets its
 * handler once before the first arena is forked, so that all arenas inherit the same. */
void tracer_prepare(void) {
  set_ticks(TICK_US);
  set_ticks(0);
}

/* Stays on a processor for a while, then lets the kernel choose again: another process may have come to stay there. */
static void share_processor(pid_t arena) {
  static uint32_t runs;
  static cpu_set_t all, one;
  if (runs++ % RUNS_PER_PROCESSOR == 0) {
    if (runs == 1) sched_getaffinity(0, sizeof all, &all);
    sched_setaffinity(0, sizeof all, &all);
    sched_yield();
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  sched_setaffinity(arena, sizeof one, &one);
}

static int program_exits(int i) {
  return shared->op[shared->trace.task[i].thread][shared->trace.task[i].operation].request.program == SC_PROGRAM_EXIT;
}

static uint32_t can_go(void) {
  const struct sc_trace* trace = &shared->trace;
  uint32_t set = 0;
  for (int i = 0; i < (int)trace->task_count; ++i) {
    int can = 0;
    switch (trace->task[i].state) {
      case SC_TASK_AT_CALL:
      case SC_TASK_AT_SIGNAL:
        can = 1;
        break;
      case SC_TASK_FINISHED:
        can = has_signal(i);
        break;
      case SC_TASK_PROGRAM:
        can = !tracee[i].is_asleep && (program_exits(i) || has_signal(i));
        break;
      default:
        break;
    }
    set |= (uint32_t)can << i;
  }
  return set;
}

static int all_finished(void) {
  for (uint32_t t = 0; t < shared->thread_count; ++t)
    if (shared->trace.task[t].state != SC_TASK_FINISHED) return 0;
  return 1;
}

static int has_sleeper_with_timeout(void) {
  for (int i = 0; i < (int)shared->trace.task_count; ++i)
    if (tracer_may_time_out(i)) return 1;
  return 0;
}

/* No task can go. A task that a fault has stopped is continued; a sleeper with a timeout is waited for. Every other
 * task rests where only another task could move it, so without a timeout none will go any more. Returns 1 if a task
 * has moved or can go. */
static int wait_for_wakeup(void) {
  const uint32_t steps = shared->trace.step_count;
  for (;;) {
    const int helpers_rest = helpers_are_at_rest(); /* first: the tasks that helpers woke before are seen below */
    fault_continue();
    let_sleepers_return(1);
    if (can_go() != 0 || shared->trace.step_count != steps) return 1;
    if ((helpers_rest && !has_sleeper_with_timeout()) || is_out_of_time()) return 0;
    usleep(1000);
  }
}

/* No task will go any more. */
static enum sc_run_end end_of_all(void) {
  if (is_over) return SC_RUN_TIMEOUT;
  for (uint32_t i = 0; i < shared->trace.task_count; ++i)
    if (shared->trace.task[i].state == SC_TASK_STOPPED) {
      shared->history.end_signal = tracer_stop_signal();
      return SC_RUN_STOPPED;
    }
  return SC_RUN_BLOCKED;
}

/* The arena is dead. Returns true if each child of a spawn has died, or has reached its program, by itself. */
static int orphans_have_settled(void) {
  for (uint32_t i = shared->thread_count; i < shared->trace.task_count; ++i) {
    const uint8_t state = shared->trace.task[i].state;
    if (state != SC_TASK_DEAD && state != SC_TASK_PROGRAM) return 0;
  }
  return 1;
}

static enum sc_run_end run_steps(void) {
  struct chooser chooser;
  uint32_t since_snapshot = 0, until_snapshot = shared->policy.snapshot_every;
  chooser_reset(&chooser, &shared->policy);
  fault_reset();
  for (;;) {
    if (shared->history.end_signal != 0 &&
        (shared->policy.fault.kind != SC_FAULT_KILL_PARENT || orphans_have_settled()))
      return SC_RUN_KILLED;
    if (shared->trace.is_cut) return SC_RUN_CUT;
    if (shared->trace.step_count % STEPS_PER_LOOK_AT_CLOCK == 0) is_out_of_time();
    if (is_over) return SC_RUN_TIMEOUT;
    helpers_serve();
    const uint32_t enabled = can_go();
    if (all_finished() && (enabled & ((1u << shared->thread_count) - 1)) == 0) return SC_RUN_COMPLETE;
    if (enabled == 0) {
      if (wait_for_wakeup()) continue;
      return end_of_all();
    }
    const int task = choose(&chooser, &shared->trace, enabled);
    if (task < 0) return SC_RUN_MISLED;
    struct sc_step* step = add_step(task, SC_STEP_CALL);
    step->enabled = enabled;
    const int error = fault_before(task);
    step_task(task, step, error);
    let_sleepers_return(step_may_send(step) || fault_sent());
    if (until_snapshot != 0 && ++since_snapshot >= until_snapshot) {
      until_snapshot = snapshot_take();
      since_snapshot = 0;
      is_out_of_time(); /* to read a table of thousands takes long */
    }
  }
}

enum sc_run_end tracer_run(pid_t arena) {
  is_over = 0;
  deadline_ms = now_ms() + shared->timeout_ms;
  share_processor(arena);
  set_ticks(TICK_US);
  enum sc_run_end end = SC_RUN_BROKEN;
  shared->trace.is_begun = (uint8_t)tracer_gather(arena);
  if (shared->trace.is_begun)
    end = run_steps();
  else if (is_over)
    end = SC_RUN_TIMEOUT;
  if (shared->history.end_signal == HAS_EXITED) shared->history.end_signal = 0;
  set_ticks(0);
  watch_end();
  tracer_forget();
  return end;
}

/* None of the pids can have been reused: these tasks have not been reaped. */
int tracer_kill_all(void) {
  int count = 1; /* the main thread, which comes last */
  for (uint32_t i = 0; i < shared->trace.task_count; ++i) {
    if (shared->trace.task[i].state == SC_TASK_DEAD || tracee[i].tid <= 0) continue;
    ++count;
    if (i >= shared->thread_count) kill(tracee[i].tid, SIGKILL);
  }
  return count;
}

int tracer_thread(pid_t tid) {
  for (int t = 0; t < (int)shared->thread_count; ++t)
    if (shared->thread[t].tid == tid) return t;
  return -1;
}
