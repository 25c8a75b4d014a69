/* SPDX-License-Identifier: MIT
 *
 * glibc's posix_spawn(3), used as a careful program would: file actions run in list order, so sources are
 * first duplicated above every number in use, then put in place. The peer offers only what it can do: `only`
 * needs the keep entries to be the lowest numbers for addclosefrom_np(3), and signals cannot be set to be
 * ignored; there is no pidfd before glibc 2.39. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif

#include "peers.h"

#define KEEP_MAX 1024

/* sigaddset(3) refuses the signals that a libc reserves; the attributes accept them, but the child may ignore
 * them (`limits`, below). */
static sigset_t set_of(uint64_t bits) {
  sigset_t set;
  sigemptyset(&set);
  memcpy(&set, &bits, sizeof bits);
  return set;
}

/* Finds numbers to put sources aside at: closed now, no target, as high as possible, away from other opens. The child
 * loses what another thread opens there meanwhile: posix_spawn cannot ask for a free number. */
static int find_aside(const struct spawncheck_request* r, int* aside) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
  uint32_t found = 0;
  for (int n = (int)limit.rlim_cur - 1; n >= 0 && found < r->keep_count; --n) {
    int is_used = fcntl(n, F_GETFD) >= 0;
    for (uint32_t i = 0; i < r->keep_count; ++i) is_used |= r->keep[i].target == n || r->keep[i].source == n;
    if (!is_used) aside[found++] = n;
  }
  return found == r->keep_count ? 0 : EMFILE;
}

/* posix_spawn cannot express "this source must be open": dup2 in the child fails with EBADF. */
static int add_keep(posix_spawn_file_actions_t* actions, const struct spawncheck_request* r) {
  int aside[KEEP_MAX], error = 0;
  if (r->keep_count > KEEP_MAX) return EINVAL;
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    const struct spawncheck_keep k = r->keep[i];
    for (uint32_t j = 0; j < i; ++j)
      if (r->keep[j].target == k.target) return EINVAL;
    if (k.source < 0 || k.target < 0) return EBADF;
  }
  if (r->keep_count > 0) error = find_aside(r, aside);
  for (uint32_t i = 0; i < r->keep_count && error == 0; ++i)
    error = posix_spawn_file_actions_adddup2(actions, r->keep[i].source, aside[i]);
  for (uint32_t i = 0; i < r->keep_count && error == 0; ++i)
    error = posix_spawn_file_actions_adddup2(actions, aside[i], r->keep[i].target);
  for (uint32_t i = 0; i < r->keep_count && error == 0; ++i)
    error = posix_spawn_file_actions_addclose(actions, aside[i]);
  return error;
}

static int set_attributes(posix_spawnattr_t* attributes, const struct spawncheck_request* r) {
  short flags = 0;
  sigset_t set;
  int error = 0;
  if (r->set & SPAWNCHECK_SET_MASK) {
    flags |= POSIX_SPAWN_SETSIGMASK;
    set = set_of(r->mask);
    error = posix_spawnattr_setsigmask(attributes, &set);
  }
  if (error == 0 && r->set & SPAWNCHECK_SET_DEFAULT) {
    flags |= POSIX_SPAWN_SETSIGDEF;
    set = set_of(r->dflt);
    error = posix_spawnattr_setsigdefault(attributes, &set);
  }
  if (error == 0 && r->set & SPAWNCHECK_SET_PGROUP) {
    flags |= POSIX_SPAWN_SETPGROUP;
    error = posix_spawnattr_setpgroup(attributes, r->pgroup);
  }
  if (r->set & SPAWNCHECK_NEW_SESSION) flags |= POSIX_SPAWN_SETSID;
  return error != 0 ? error : posix_spawnattr_setflags(attributes, flags);
}

static int spawn(const struct spawncheck_request* r, struct spawncheck_result* result) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  pid_t pid = -1;
  result->pidfd = -1;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0) goto out;
  error = posix_spawnattr_init(&attributes);
  if (error != 0) goto without_attributes;
  error = set_attributes(&attributes, r);
  if (error == 0 && r->set & SPAWNCHECK_SET_CWD) error = posix_spawn_file_actions_addchdir_np(&actions, r->cwd);
  if (error == 0) error = add_keep(&actions, r);
  if (error == 0) error = posix_spawn(&pid, r->path, &actions, &attributes, r->argv, r->envp);
  posix_spawnattr_destroy(&attributes);
without_attributes:
  posix_spawn_file_actions_destroy(&actions);
out:
  result->pid = error == 0 ? pid : -1;
  return result->error = error;
}

const struct spawncheck_implementation* peer_posix_spawn(void) {
  static const struct spawncheck_implementation self = {
      .abi = SPAWNCHECK_ABI,
      .name = "posix_spawn",
      .policies = 1u << SPAWNCHECK_FDS_INHERIT | 1u << SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT,
      .sets = SPAWNCHECK_SET_MASK | SPAWNCHECK_SET_DEFAULT | SPAWNCHECK_SET_PGROUP | SPAWNCHECK_NEW_SESSION |
              SPAWNCHECK_SET_CWD,
      .promises = "",
      .spawn = spawn};
  return &self;
}

/* Writing errno is a limit and no habit: the report must show a run in which libc wrote to its caller's memory. */
static const struct spawncheck_documented_limit limits[] = {
    {"err.exact", "",
     "a failure in the child is whatever step failed first: dup2 of a temporary may come before what the contract "
     "names",
     "posix_spawn_file_actions_adddup2(3): actions run in list order"},
#if defined(__GLIBC__)
    {"mm.unwritten", "errno", "errno may change: glibc's child shares it",
     "POSIX XSH 2.3: any function may change errno"},
    {"sig.disposition", "", "the child starts with signals 32 and 33 ignored, which exec keeps (observed with 2.36)",
     "glibc sysdeps/unix/sysv/linux/spawni.c __spawni_child"},
    {"sig.mask", "only 32 to 34 differ", "32 and 33 are taken out of every mask (observed with 2.36)",
     "glibc nptl/pthread_sigmask.c"},
#else
    {"mm.unwritten", "errno", "errno may change: musl's child shares it",
     "POSIX XSH 2.3: any function may change errno"},
    {"fd.untouched", "", "the error pipe takes two of the caller's numbers during the call",
     "musl src/process/posix_spawn.c"},
    {"sig.parent_restored", "only 32 to 34 differ",
     "32 to 34 are taken out of the mask that is reported, and the call restores that",
     "musl src/thread/pthread_sigmask.c"},
    {"sig.mask", "only 32 to 34 differ", "32 to 34 are taken out of the mask that is reported",
     "musl src/thread/pthread_sigmask.c"},
#endif
};

const struct spawncheck_description* peer_posix_spawn_description(void) {
  static struct spawncheck_description self = {
      .size = sizeof self, .limits = limits, .limit_count = sizeof limits / sizeof *limits};
#if defined(__GLIBC__)
  self.version = gnu_get_libc_version();
#endif
  return &self;
}
