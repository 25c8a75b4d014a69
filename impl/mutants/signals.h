/* SPDX-License-Identifier: MIT
 *
 * Part of mutant.c: masks and dispositions of the child. */
#ifndef SPAWNCHECK_MUTANTS_SIGNALS_H
#define SPAWNCHECK_MUTANTS_SIGNALS_H

#include "impl/mutants/mutant.h"

static const int spared_signals[] = {SIGINT, SIGQUIT, SIGPIPE}; /* IGNORED_MEANWHILE */

static int is_reset_although_ignored(int s) {
  return HAS(IGNORE_RESET) || (HAS(REALTIME_RESET) && s >= 34) || (HAS(CHILD_RESET) && s == SIGCHLD) ||
         (HAS(PIPE_RESET) && s == SIGPIPE);
}

static int is_missed_by_default(int s, const struct kernel_action* now) {
  return (HAS(DEFAULT_IGNORED) && now->handler == SIG_IGN) || (HAS(DEFAULT_TO_63) && s == 64) ||
         (HAS(DEFAULT_FROM_2) && s == 1);
}

static void read_action(const struct job* job, int s, struct kernel_action* now) {
  get_action(s, now);
  for (unsigned i = 0; HAS(IGNORED_MEANWHILE) && i < 3; ++i)
    if (spared_signals[i] == s) *now = job->spared[i];
}

static void set_dispositions(const struct job* job) {
  const struct spawncheck_request* r = &job->request;
  const uint64_t dflt = r->set & SPAWNCHECK_SET_DEFAULT ? r->dflt : 0;
  uint64_t ignore = r->set & SPAWNCHECK_SET_IGNORE ? r->ignore : 0;
  if (HAS(IGNORE_FIRST)) ignore &= ~ignore + 1;
  for (int s = 1; s <= (HAS(RESET_TO_31) ? 31 : 64); ++s) {
    struct kernel_action now = {0}, next = {0};
    if (s == SIGKILL || s == SIGSTOP) continue;
    read_action(job, s, &now);
    next.handler = now.handler == SIG_IGN && !is_reset_although_ignored(s) ? SIG_IGN : SIG_DFL;
    if (dflt & bit(s) && !is_missed_by_default(s, &now)) next.handler = SIG_DFL;
    if (ignore & bit(s)) next.handler = SIG_IGN;
    set_action(s, &next);
  }
  for (int s = 32; HAS(RESET_TO_31) && s <= 64; ++s) {
    const struct kernel_action next = {.handler = ignore & bit(s) ? SIG_IGN : SIG_DFL};
    if ((dflt | ignore) & bit(s)) set_action(s, &next);
  }
}

static void set_mask_of_child(const struct job* job) {
  const struct spawncheck_request* r = &job->request;
  const int is_asked = (r->set & SPAWNCHECK_SET_MASK) != 0;
  uint64_t mask = is_asked ? r->mask : job->caller_mask;
  if (HAS(MASK_FULL)) return;
  if (HAS(MASK_CLEARED) && !is_asked) mask = 0;
  if (HAS(MASK_32) && is_asked) mask = (uint32_t)mask;
  if (HAS(MASK_ADDED)) mask |= job->caller_mask;
  set_mask(SIG_SETMASK, &mask, NULL);
}

#endif
