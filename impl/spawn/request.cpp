// SPDX-License-Identifier: MIT
//
// Checks a request as far as that is possible without a system call.
#include <errno.h>
#include <spawncheck/spawn/request.h>

#include "attributes.h"
#include "number_filter.h"

namespace {

constexpr uint32_t known_bits =
    SPAWN_SET_MASK | SPAWN_SET_DEFAULT | SPAWN_SET_IGNORE | SPAWN_SET_PGROUP | SPAWN_NEW_SESSION | SPAWN_SET_CWD |
    SPAWN_WANT_PIDFD | SPAWN_SET_CWD_FD | SPAWN_SET_UMASK | SPAWN_PROGRAM_FD | SPAWN_SEARCH | SPAWN_SET_UID |
    SPAWN_SET_GID | SPAWN_SET_GROUPS | SPAWN_SET_NICE | SPAWN_SET_SCHEDULING | SPAWN_SET_AFFINITY | SPAWN_SET_TERMINAL |
    SPAWN_SET_FOREGROUND | SPAWN_SET_DEATH_SIGNAL | SPAWN_NO_NEW_PRIVS | SPAWN_SET_CGROUP | SPAWN_ALLOW_UNDUMPABLE;
constexpr uint64_t unblockable = 1ull << 8 | 1ull << 18;  // KILL, STOP

bool has(const spawn_request* r, uint32_t bits) { return (r->set & bits) == bits; }

int refuse(const char** field, const char* why, int error) {
  if (field != nullptr) *field = why;
  return error;
}

int check_keep(const spawn_request* r, const char** field) {
  if (r->keep_count > SPAWN_KEEP_MAX) return refuse(field, "keep_count: over SPAWN_KEEP_MAX", EINVAL);
  if (r->keep_count != 0 && r->keep == nullptr) return refuse(field, "keep: null", EINVAL);
  spawncheck_spawn::NumberFilter targets;
  for (uint32_t i = 0; i < r->keep_count; ++i) {
    if (r->keep[i].source < 0) return refuse(field, "keep: a negative source", EBADF);
    if (r->keep[i].target < 0) return refuse(field, "keep: a negative target", EBADF);
    for (uint32_t j = 0; targets.may_have(r->keep[i].target) && j < i; ++j)
      if (r->keep[j].target == r->keep[i].target) return refuse(field, "keep: a target twice", EINVAL);
    targets.add(r->keep[i].target);
  }
  return 0;
}

}  // namespace

int spawn_request_check(const spawn_request* r, const char** field) {
  if (r->policy > SPAWN_FDS_ONLY) return refuse(field, "policy: unknown", EINVAL);
  if (r->strategy >= SPAWN_STRATEGY_COUNT) return refuse(field, "strategy: unknown", EINVAL);
  if ((r->set & ~known_bits) != 0) return refuse(field, "set: an unknown bit", EINVAL);
  if (has(r, SPAWN_PROGRAM_FD) ? r->program_fd < 0 : r->path == nullptr)
    return has(r, SPAWN_PROGRAM_FD) ? refuse(field, "program_fd: negative", EBADF)
                                    : refuse(field, "path: null", EINVAL);
  if (r->argv == nullptr) return refuse(field, "argv: null", EINVAL);
  // Many programs break on an empty argv, and newer kernels add an empty argv[0] (fs/exec.c do_execveat_common).
  if (r->argv[0] == nullptr) return refuse(field, "argv: without argv[0]", EINVAL);
  // setsid(2) makes the child the leader of a new group; setpgid(2) refuses session leaders.
  if (has(r, SPAWN_SET_PGROUP | SPAWN_NEW_SESSION)) return refuse(field, "pgroup: together with a new session", EINVAL);
  if (has(r, SPAWN_SET_PGROUP) && r->pgroup < 0) return refuse(field, "pgroup: negative", EINVAL);
  if (has(r, SPAWN_SET_CWD | SPAWN_SET_CWD_FD)) return refuse(field, "cwd: together with cwd_fd", EINVAL);
  if (has(r, SPAWN_SET_CWD) && r->cwd == nullptr) return refuse(field, "cwd: null", EINVAL);
  if (has(r, SPAWN_SET_CWD_FD) && r->cwd_fd < 0) return refuse(field, "cwd_fd: negative", EBADF);
  if (has(r, SPAWN_SET_UMASK) && (r->umask & ~0777u) != 0) return refuse(field, "umask: bits beyond 0777", EINVAL);
  if (has(r, SPAWN_SET_IGNORE) && (r->ignore & unblockable) != 0) return refuse(field, "ignore: KILL or STOP", EINVAL);
  if (has(r, SPAWN_SET_IGNORE | SPAWN_SET_DEFAULT) && (r->ignore & r->dflt) != 0)
    return refuse(field, "ignore: a signal that is to be default as well", EINVAL);
  if (const int error = check_keep(r, field)) return error;
  return spawncheck_spawn::check_attributes(*r, field);
}
