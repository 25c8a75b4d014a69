// SPDX-License-Identifier: MIT
//
// Checks the attributes of a request as far as that is possible without a system call.
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>

#include "attributes.h"

namespace spawncheck_spawn {

namespace {

constexpr uint32_t resources = 16;  // RLIM_NLIMITS, include/uapi/asm-generic/resource.h
constexpr uint32_t no_id = ~0u;     // setresuid(2): leave it as it is
constexpr unsigned name_length_max = 255;
constexpr int open_flags = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_NONBLOCK | O_NOCTTY | O_DIRECTORY |
                           O_NOFOLLOW | O_SYNC | O_DSYNC | O_ASYNC | O_DIRECT | O_LARGEFILE | O_NOATIME | O_PATH |
                           O_TMPFILE;

int refuse(const char** field, const char* why, int error) {
  if (field != nullptr) *field = why;
  return error;
}

class Check {
 public:
  Check(const spawn_request& request, const char** field) : r_(request), field_(field) {}

  int all() const {
    if (const int error = search()) return error;
    if (const int error = open()) return error;
    if (const int error = limits()) return error;
    if (const int error = credentials()) return error;
    if (const int error = scheduling()) return error;
    if (const int error = terminal()) return error;
    return others();
  }

 private:
  bool asks(uint32_t bit) const { return (r_.set & bit) != 0; }
  int no(const char* why, int error = EINVAL) const { return refuse(field_, why, error); }

  int search() const {
    if (!asks(SPAWN_SEARCH)) return 0;
    if (asks(SPAWN_PROGRAM_FD)) return no("search: together with program_fd");
    unsigned length = 0;
    for (const char* c = r_.path; *c != 0 && length <= name_length_max; ++c, ++length)
      if (*c == '/') return 0;
    return length > name_length_max ? no("path: a name of over 255 bytes", ENAMETOOLONG) : 0;
  }

  bool is_kept(int target) const {
    for (uint32_t i = 0; i < r_.keep_count; ++i)
      if (r_.keep[i].target == target) return true;
    return false;
  }
  bool is_opened(int target, uint32_t before) const {
    for (uint32_t i = 0; i < before; ++i)
      if (r_.open[i].target == target) return true;
    return false;
  }

  int open() const {
    if (r_.open_count > SPAWN_OPEN_MAX) return no("open_count: over SPAWN_OPEN_MAX");
    if (r_.open_count != 0 && r_.open == nullptr) return no("open: null");
    for (uint32_t i = 0; i < r_.open_count; ++i) {
      const spawn_open& o = r_.open[i];
      if (o.target < 0) return no("open: a negative target", EBADF);
      if (is_kept(o.target)) return no("open: a target of a keep entry as well");
      if (is_opened(o.target, i)) return no("open: a target twice");
      if (o.path == nullptr) return no("open: a null path");
      if ((o.flags & O_CLOEXEC) != 0) return no("open: O_CLOEXEC, which would close it");
      if ((o.flags & ~open_flags) != 0) return no("open: an unknown flag");
      if ((o.flags & O_ACCMODE) == O_ACCMODE) return no("open: no access mode");
      if ((o.mode & ~07777u) != 0) return no("open: a mode beyond 07777");
      const bool creates = (o.flags & O_CREAT) != 0 || (o.flags & O_TMPFILE) == O_TMPFILE;
      if (o.mode != 0 && !creates) return no("open: a mode without O_CREAT");
    }
    return 0;
  }

  int limits() const {
    if (r_.limit_count > resources) return no("limit_count: more than there are resources");
    if (r_.limit_count != 0 && r_.limit == nullptr) return no("limit: null");
    uint32_t seen = 0;
    for (uint32_t i = 0; i < r_.limit_count; ++i) {
      const spawn_limit& l = r_.limit[i];
      if (l.resource >= resources) return no("limit: an unknown resource");
      if (l.soft > l.hard) return no("limit: soft over hard");
      if ((seen >> l.resource & 1) != 0) return no("limit: a resource twice");
      seen |= 1u << l.resource;
    }
    return 0;
  }

  int credentials() const {
    if (asks(SPAWN_SET_UID) && r_.uid == no_id) return no("uid: -1");
    if (asks(SPAWN_SET_GID) && r_.gid == no_id) return no("gid: -1");
    if (!asks(SPAWN_SET_GROUPS)) return 0;
    if (r_.group_count > SPAWN_GROUPS_MAX) return no("group_count: over SPAWN_GROUPS_MAX");
    if (r_.group_count != 0 && r_.groups == nullptr) return no("groups: null");
    for (uint32_t i = 0; i < r_.group_count; ++i)
      if (r_.groups[i] == no_id) return no("groups: -1");
    return 0;
  }

  int scheduling() const {
    if (asks(SPAWN_SET_NICE) && (r_.nice < -20 || r_.nice > 19)) return no("nice: not in -20 to 19");
    if (asks(SPAWN_SET_SCHEDULING)) switch (r_.scheduling) {
        case SCHED_NORMAL:
        case SCHED_BATCH:
        case SCHED_IDLE:
          if (r_.priority != 0) return no("priority: not 0 with a policy that has none");
          break;
        case SCHED_FIFO:
        case SCHED_RR:
          if (r_.priority < 1 || r_.priority > 99) return no("priority: not in 1 to 99");
          break;
        default:
          return no("scheduling: unknown policy");
      }
    if (!asks(SPAWN_SET_AFFINITY)) return 0;
    if (r_.cpu_words == 0 || r_.cpu_words > SPAWN_CPU_WORDS_MAX)
      return no("cpu_words: not in 1 to SPAWN_CPU_WORDS_MAX");
    if (r_.cpus == nullptr) return no("cpus: null");
    uint64_t any = 0;
    for (uint32_t i = 0; i < r_.cpu_words; ++i) any |= r_.cpus[i];
    return any == 0 ? no("cpus: none") : 0;
  }

  // With the other policies the child may have numbers that the request does not name.
  bool may_be_open(int number) const {
    return r_.policy != SPAWN_FDS_ONLY || is_kept(number) || is_opened(number, r_.open_count);
  }

  int terminal() const {
    if (asks(SPAWN_SET_TERMINAL)) {
      if (!asks(SPAWN_NEW_SESSION)) return no("terminal: without a new session");
      if (r_.terminal < 0) return no("terminal: negative", EBADF);
      if (!may_be_open(r_.terminal)) return no("terminal: not a target", EBADF);
    }
    if (!asks(SPAWN_SET_FOREGROUND)) return 0;
    if (r_.foreground < 0) return no("foreground: negative", EBADF);
    return may_be_open(r_.foreground) ? 0 : no("foreground: not a target", EBADF);
  }

  int others() const {
    if (asks(SPAWN_SET_DEATH_SIGNAL) && (r_.death_signal < 1 || r_.death_signal > 64))
      return no("death_signal: not in 1 to 64");
    if (asks(SPAWN_SET_CGROUP) && r_.cgroup_fd < 0) return no("cgroup_fd: negative", EBADF);
    if (asks(SPAWN_ALLOW_UNDUMPABLE) && !asks(SPAWN_SET_UID) && !asks(SPAWN_SET_GID))
      return no("set: SPAWN_ALLOW_UNDUMPABLE without uid or gid");
    return 0;
  }

  const spawn_request& r_;
  const char** field_;
};

}  // namespace

int check_attributes(const spawn_request& request, const char** field) { return Check(request, field).all(); }

}  // namespace spawncheck_spawn
