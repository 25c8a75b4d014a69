// SPDX-License-Identifier: MIT
//
// The child's attribute steps. The rules of child.cpp hold here too: no libc, no errno, raw calls only.
//
// Credentials by the raw calls, because libc's setuid(3) asks every thread of the process to change with it
// (nptl's setxid broadcast), and in a child that shares the parent's memory those are the parent's threads.
// Checked by properties/spawn_features_test and fuzz/targets/request.
#include "attributes.h"

#include <errno.h>
#include <linux/limits.h>
#include <linux/prctl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "system.h"

namespace spawncheck_spawn {

// The target is closed first: so the open always has a free number, and the lowest free number is never above the
// target.
long open_at(int target, const char* path, int flags, uint32_t mode) {
  close_fd(target);
  const long fd = call(SYS_openat, AT_FDCWD, path, flags | O_NOCTTY, mode);
  if (fd < 0 || fd == target) return fd < 0 ? fd : 0;
  const long moved = call(SYS_dup3, fd, target, 0);
  close_fd(static_cast<int>(fd));
  return moved < 0 ? moved : 0;
}

long take_terminal(int fd) { return call(SYS_ioctl, fd, TIOCSCTTY, 0); }

// drivers/tty/tty_jobctrl.c __tty_check_change: a background process that has SIGTTOU blocked may do this.
long take_foreground(int fd) {
  int group = static_cast<int>(call(SYS_getpgid, 0));
  return call(SYS_ioctl, fd, TIOCSPGRP, &group);
}

long set_nice(int nice) { return call(SYS_setpriority, PRIO_PROCESS, 0, nice); }
long set_scheduling(int policy, int priority) {
  return call(SYS_sched_setscheduler, 0, policy, &priority);
}  // struct sched_param is its one int
long set_affinity(uint32_t bytes, const void* cpus) { return call(SYS_sched_setaffinity, 0, bytes, cpus); }

long set_limit(int resource, const spawn_limit& limit) {
  const uint64_t both[2] = {limit.soft, limit.hard};  // struct rlimit64
  return call(SYS_prlimit64, 0, resource, both, nullptr);
}

long set_groups(uint32_t count, const void* groups) { return call(SYS_setgroups, count, groups); }
long set_gid(uint32_t gid) { return call(SYS_setresgid, gid, gid, gid); }
long set_uid(uint32_t uid) { return call(SYS_setresuid, uid, uid, uid); }

// If the parent was killed before this prctl, the signal never comes. getppid() is 0 if the parent is
// outside the child's PID namespace; then the parent's death cannot be detected.
long set_death_signal(int signal, int parent) {
  if (const long error = call(SYS_prctl, PR_SET_PDEATHSIG, signal, 0, 0, 0)) return error;
  const long now = call(SYS_getppid);
  return now != 0 && now != parent ? -ESRCH : 0;
}

long set_no_new_privs() { return call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

namespace {

// Copies up to the end or a colon. Returns the end of what was written, or null if it does not fit before `end`. The
// loop must not become a call of memcpy: its first call may run the dynamic linker.
char* append(char* to, const char* end, const char* from) {
  for (; *from != 0 && *from != ':'; ++from) {
    if (to >= end) return nullptr;
    *to++ = *from;
    __asm__ volatile("" : : : "memory");
  }
  return to;
}

bool has_slash_or_is_empty(const char* name) {
  if (*name == 0) return true;
  for (; *name != 0; ++name)
    if (*name == '/') return true;
  return false;
}

bool goes_on_after(long error) {
  switch (-error) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case ESTALE:
    case ENODEV:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

// DIRECTORY/NAME, or NAME alone in the current directory.
bool join(char (&candidate)[PATH_MAX], const char* directory, const char* name) {
  const char* const end = candidate + sizeof candidate - 1;
  char* at = append(candidate, end, directory);
  if (at == nullptr) return false;
  if (at != candidate) {
    if (at >= end) return false;
    *at++ = '/';
  }
  for (; *name != 0; ++name) {  // a name may have colons
    if (at >= end) return false;
    *at++ = *name;
    __asm__ volatile("" : : : "memory");
  }
  *at = 0;
  return true;
}

}  // namespace

long exec_search(const char* name, const char* list, char* const* argv, char* const* envp) {
  if (has_slash_or_is_empty(name)) return call(SYS_execve, name, argv, envp);
  char candidate[PATH_MAX];
  long last = -ENOENT;
  bool was_denied = false;
  for (const char* directory = list;; ++directory) {
    if (join(candidate, directory, name)) {
      last = call(SYS_execve, candidate, argv, envp);
      if (!goes_on_after(last)) return last;
      was_denied |= last == -EACCES;
    }
    while (*directory != 0 && *directory != ':') ++directory;
    if (*directory == 0) return was_denied ? -EACCES : last;
  }
}

}  // namespace spawncheck_spawn
