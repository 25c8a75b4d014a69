/* SPDX-License-Identifier: MIT
 *
 * glibc's posix_spawn(3) with posix_spawn_file_actions_addclosefrom_np(3), for children that get 0 to n-1 and nothing
 * else. File actions run in list order, so a source that an earlier action would overwrite is first duplicated above
 * the targets, where closefrom closes it. */
#define _GNU_SOURCE
#include <errno.h>
#include <gnu/libc-version.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>

#include "adapter.h"

enum { KEPT_MAX = 256 };

static int is_source(const struct spawncheck_request* r, int number) {
  for (uint32_t i = 0; i < r->keep_count; ++i)
    if (r->keep[i].source == number) return 1;
  return 0;
}

/* Targets are written in rising order: when a target is written, all numbers below it are overwritten. */
static int add_keep(posix_spawn_file_actions_t* actions, const struct spawncheck_request* r) {
  const int count = (int)r->keep_count;
  int from[KEPT_MAX], next_aside = count, error = 0;
  for (int target = 0; target < count && error == 0; ++target) {
    from[target] = adapter_source_of(r, target);
    if (from[target] >= target) continue;
    while (is_source(r, next_aside)) ++next_aside;
    error = posix_spawn_file_actions_adddup2(actions, from[target], next_aside);
    from[target] = next_aside++;
  }
  for (int target = 0; target < count && error == 0; ++target)
    error = posix_spawn_file_actions_adddup2(actions, from[target], target);
  return error != 0 ? error : posix_spawn_file_actions_addclosefrom_np(actions, count);
}

static sigset_t set_of(uint64_t bits) {
  sigset_t set;
  sigemptyset(&set);
  memcpy(&set, &bits, sizeof bits);
  return set;
}

static int set_attributes(posix_spawnattr_t* attributes, const struct spawncheck_request* r) {
  const sigset_t mask = set_of(r->mask), dflt = set_of(r->dflt);
  short flags = 0;
  int error = 0;
  if (r->set & SPAWNCHECK_SET_MASK) {
    flags |= POSIX_SPAWN_SETSIGMASK;
    error = posix_spawnattr_setsigmask(attributes, &mask);
  }
  if (error == 0 && r->set & SPAWNCHECK_SET_DEFAULT) {
    flags |= POSIX_SPAWN_SETSIGDEF;
    error = posix_spawnattr_setsigdefault(attributes, &dflt);
  }
  if (error == 0 && r->set & SPAWNCHECK_SET_PGROUP) {
    flags |= POSIX_SPAWN_SETPGROUP;
    error = posix_spawnattr_setpgroup(attributes, r->pgroup);
  }
  if (r->set & SPAWNCHECK_NEW_SESSION) flags |= POSIX_SPAWN_SETSID;
  return error != 0 ? error : posix_spawnattr_setflags(attributes, flags);
}

static int start(const struct spawncheck_request* r, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0) return error;
  error = posix_spawnattr_init(&attributes);
  if (error == 0) {
    error = set_attributes(&attributes, r);
    if (error == 0 && r->set & SPAWNCHECK_SET_CWD) error = posix_spawn_file_actions_addchdir_np(&actions, r->cwd);
    if (error == 0) error = add_keep(&actions, r);
    if (error == 0) error = posix_spawn(pid, r->path, &actions, &attributes, r->argv, r->envp);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  pid_t pid = -1;
  if (!adapter_is_plain(r) || r->keep_count > KEPT_MAX || !adapter_keeps_below(r, (int)r->keep_count))
    return adapter_decline(result); /* closefrom leaves every lower number open */
  const int saved = errno, error = start(r, &pid);
  errno = saved; /* XSH 2.3: any function may change it */
  return error == 0 ? adapter_succeed(result, pid) : adapter_fail(result, error);
}

const struct spawncheck_implementation* spawncheck_implementation_v1(void) {
  static const struct spawncheck_implementation self = {.abi = SPAWNCHECK_ABI,
                                                        .name = "closefrom",
                                                        .policies = 1u << SPAWNCHECK_FDS_ONLY,
                                                        .sets = SPAWNCHECK_SET_MASK | SPAWNCHECK_SET_DEFAULT |
                                                                SPAWNCHECK_SET_PGROUP | SPAWNCHECK_NEW_SESSION |
                                                                SPAWNCHECK_SET_CWD,
                                                        .promises = "",
                                                        .spawn = spawn};
  return &self;
}

const struct spawncheck_description* spawncheck_description_v1(void) {
  static const struct spawncheck_documented_limit limits[] = {
      {"sig.disposition", "only 32 to 34 differ",
       "the child starts with signals 32 and 33 ignored, as exec keeps what glibc set for its internal signals",
       "sysdeps/unix/sysv/linux/spawni.c __spawni_child"},
      {"sig.mask", "only 32 to 34 differ", "glibc takes 32 and 33 out of every mask",
       "sysdeps/unix/sysv/linux/internal-signals.h clear_internal_signals"},
      {"err.exact", "EBADF",
       "EBADF also where a number that the list of actions sets aside is at or above RLIMIT_NOFILE: the caller names "
       "the "
       "numbers of file actions, there is none for the lowest free one",
       "posix_spawn_file_actions_adddup2(3p)"},
  };
  static struct spawncheck_description self = {
      .size = sizeof self, .limits = limits, .limit_count = sizeof limits / sizeof *limits};
  self.version = gnu_get_libc_version();
  return &self;
}
