/* SPDX-License-Identifier: MIT
 *
 * The caller of a spawn, before and after: the state that the calling thread can read of itself.
 *
 * The part that takes three system calls is read at once. The rest takes some seventy calls, during which a child could
 * close what the thread's next operations may find busy: it is read later, before the scenario changes it. Only
 * `disposition` changes it, and the judge leaves out the signals that such an operation names. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "impl/executor/arena/arena.h"
#include "impl/executor/observe/observe.h"

void caller_ask(struct caller* c) {
  memset(c, 0, sizeof *c); /* a call that the world refuses writes nothing, before and after */
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &c->mask, sizeof c->mask);
  syscall(SYS_rt_sigpending, &c->pending, sizeof c->pending);
  syscall(SYS_sigaltstack, NULL, &c->altstack);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &c->cancel_state);
  pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &c->cancel_type);
  pthread_setcanceltype(c->cancel_type, NULL);
  pthread_setcancelstate(c->cancel_state, NULL);
}

uint32_t caller_differs(const struct caller* then, const struct caller* now) {
  uint32_t bits = 0;
  const uint64_t mask = then->mask ^ now->mask;
  if (mask != 0) bits |= SC_DISTURBED_MASK;
  if (mask != 0 && (mask & ~(7ull << 31)) == 0) bits |= SC_DISTURBED_MASK_OF_LIBC;
  if (then->altstack.ss_sp != now->altstack.ss_sp || then->altstack.ss_flags != now->altstack.ss_flags ||
      then->altstack.ss_size != now->altstack.ss_size)
    bits |= SC_DISTURBED_ALTSTACK;
  if (then->cancel_state != now->cancel_state) bits |= SC_DISTURBED_CANCEL;
  if (then->cancel_type != now->cancel_type) bits |= SC_DISTURBED_CANCEL_TYPE;
  return bits;
}

/* ---- what is read later ------------------------------------------------------------------------- */

static struct kernel_action made[SC_SIGNAL_MAX + 1]; /* as the world set them */

#define SA_RESTORER_FLAG 0x04000000ul

/* Leaves out the restorer and its flag: a libc's sigaction(3) sets its own, so a spawn that restores an action through
 * its libc changes both, which makes no difference to any program. */
static int ask_action(int signal, struct kernel_action* action) {
  memset(action, 0, sizeof *action);
  if (syscall(SYS_rt_sigaction, signal, NULL, action, sizeof action->mask) != 0) return 0;
  action->flags &= ~SA_RESTORER_FLAG;
  action->restorer = NULL;
  return 1;
}

/* The arena sets one timer, which expires long after the run: a wrong spawn may cancel it, or set others. */
static const struct itimerval own_timer = {.it_interval = {.tv_sec = 7200}, .it_value = {.tv_sec = 3600}};

void caller_begin(void) {
  setitimer(ITIMER_REAL, &own_timer, NULL);
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal) ask_action(signal, &made[signal]);
  shared->no_new_privs = 1; /* in a scheduled run filter.c will set both for all threads */
  shared->seccomp = 2;
  if (shared->policy.is_scheduled) return;
  shared->no_new_privs = (uint32_t)syscall(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
  shared->seccomp = (uint32_t)syscall(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0);
}

static uint64_t changed_actions(void) {
  uint64_t set = 0;
  struct kernel_action now;
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal) {
    if (ask_action(signal, &now) && memcmp(&now, &made[signal], sizeof now) != 0) set |= 1ull << (signal - 1);
  }
  return set;
}

/* What prctl(2) reads, as its return value or through its argument. */
#define PRCTL_COUNT 6
static const struct asked {
  uint32_t bit;
  int option, is_through_argument;
} asked[PRCTL_COUNT] = {
    {SC_DISTURBED_DUMPABLE, PR_GET_DUMPABLE, 0},      {SC_DISTURBED_DEATH_SIGNAL, PR_GET_PDEATHSIG, 1},
    {SC_DISTURBED_KEEPS_CAPS, PR_GET_KEEPCAPS, 0},    {SC_DISTURBED_SUBREAPER, PR_GET_CHILD_SUBREAPER, 1},
    {SC_DISTURBED_SECURE_BITS, PR_GET_SECUREBITS, 0}, {SC_DISTURBED_TIMER_SLACK, PR_GET_TIMERSLACK, 0}};

struct of_thread {
  long value[PRCTL_COUNT];
  char name[16];
  int has_name;
};

static void ask_prctl(struct of_thread* t) {
  for (int i = 0; i < PRCTL_COUNT; ++i) {
    int value = 0;
    const long result = syscall(SYS_prctl, asked[i].option, asked[i].is_through_argument ? &value : 0, 0, 0, 0);
    t->value[i] = result >= 0 && asked[i].is_through_argument ? value : result;
  }
  memset(t->name, 0, sizeof t->name);
  t->has_name = syscall(SYS_prctl, PR_GET_NAME, t->name, 0, 0, 0) == 0;
}

static struct of_thread threads[SC_THREADS_MAX];

void caller_begin_thread(uint32_t thread) {
  shared->thread[thread].processors = attributes_processors(0);
  if (!shared->policy.is_scheduled) ask_prctl(&threads[thread]);
}

static uint32_t timers_differ(void) {
  for (int which = ITIMER_REAL; which <= ITIMER_PROF; ++which) {
    const struct itimerval asked_for = which == ITIMER_REAL ? own_timer : (struct itimerval){0};
    struct itimerval now;
    if (getitimer(which, &now) != 0) continue;
    const int is_set = (now.it_value.tv_sec | now.it_value.tv_usec) != 0;
    if (is_set != (which == ITIMER_REAL) || now.it_value.tv_sec > asked_for.it_value.tv_sec ||
        memcmp(&now.it_interval, &asked_for.it_interval, sizeof now.it_interval) != 0)
      return SC_DISTURBED_TIMERS;
  }
  return 0;
}

/* In a scheduled run prctl(2) is a step of the schedule, so it is not called to look. */
void caller_look(uint32_t thread, struct sc_op_record* record) {
  record->actions = changed_actions();
  record->disturbed |= timers_differ();
  record->looked |= SC_LOOKED_AT_CALLER;
  if (shared->policy.is_scheduled) return;
  struct of_thread now;
  ask_prctl(&now);
  for (int i = 0; i < PRCTL_COUNT; ++i)
    if (now.value[i] >= 0 && threads[thread].value[i] >= 0 && now.value[i] != threads[thread].value[i])
      record->disturbed |= asked[i].bit;
  if (now.has_name && threads[thread].has_name && memcmp(now.name, threads[thread].name, sizeof now.name) != 0)
    record->disturbed |= SC_DISTURBED_NAME;
}
