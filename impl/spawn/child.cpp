// SPDX-License-Identifier: MIT
//
// The child between clone and exec: a loop over the plan's steps, on a stack of its own, in the parent's
// memory.
//
// Hazard: every write of the child is a write to the parent's memory; every lock is the parent's; a handler
// that runs here runs on the parent's data. So: no allocation, no libc, no errno, no stack protector or
// sanitizer (this file is compiled without), every signal blocked until the MASK step, and _exit only.
// Rejected: calling libc's wrappers and restoring errno afterwards (another thread cannot see this
// thread's errno, but the child's calls would still be cancellation points of the parent's thread).
// Checked by the properties of mm.unwritten, sig.no_handler_in_child and err.exact.
#include "child.h"

#include <errno.h>
#include <sys/resource.h>

#include "attributes.h"
#include "system.h"

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

namespace spawncheck_spawn {

namespace {

constexpr unsigned open_numbers_max = 1u << 20;  // bound of the loops that run without /proc

struct Child {
  Shared* shared;
  int temporary, program, caller;

  int number(int n) const { return n == SPAWN_TEMPORARY ? temporary : n == SPAWN_PROGRAM_TEMPORARY ? program : n; }
};

long set_disposition(int signal, void (*handler)(int)) {
  Action action = {};
  action.handler = handler;
  return call(SYS_rt_sigaction, signal, &action, nullptr, sizeof action.mask);
}

long set_dispositions(uint64_t bits, void (*handler)(int)) {
  constexpr uint64_t unblockable = 1ull << 8 | 1ull << 18;
  bits &= ~unblockable;
  for (int signal = 1; signal <= 64; ++signal)
    if ((bits >> (signal - 1) & 1) != 0)
      if (const long error = set_disposition(signal, handler)) return error;
  return 0;
}

long reset_handlers() {
  for (int signal = 1; signal <= 64; ++signal) {
    Action now = {};
    if (call(SYS_rt_sigaction, signal, nullptr, &now, sizeof now.mask) != 0) continue;
    if (now.handler == SIG_DFL || now.handler == SIG_IGN) continue;
    if (const long error = set_disposition(signal, SIG_DFL)) return error;
  }
  return 0;
}

struct DirectoryEntry {  // struct linux_dirent64, getdents64(2)
  uint64_t inode;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[1];
};

// Calls visit(number) for every open number, with or without /proc/self/fd. visit may close numbers.
template <typename Visit>
void for_each_open(Visit visit) {
  const long directory = call(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (directory < 0) {
    struct rlimit limit = {};
    call(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
    const uint64_t end = limit.rlim_max < open_numbers_max ? limit.rlim_max : open_numbers_max;
    for (unsigned n = 0; n < end; ++n)
      if (get_fd_flags(static_cast<int>(n)) >= 0) visit(static_cast<int>(n));
    return;
  }
  alignas(8) char buffer[2048];
  for (unsigned rounds = 0; rounds < open_numbers_max; ++rounds) {
    const long size = call(SYS_getdents64, directory, buffer, sizeof buffer);
    if (size <= 0) break;
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      at += entry->size;
      int number = 0;
      bool is_number = entry->name[0] != '.';
      for (const char* c = entry->name; is_number && *c != 0; ++c) number = number * 10 + (*c - '0');
      if (is_number && number != directory) visit(number);
    }
  }
  close_fd(static_cast<int>(directory));
}

// One function per row of the plan's table of steps.
#define STEP(id) long step_##id([[maybe_unused]] Child& child, [[maybe_unused]] const spawn_step& s)

STEP(RESET_HANDLERS) { return reset_handlers(); }
STEP(DEFAULT) { return set_dispositions(s.bits, SIG_DFL); }
STEP(IGNORE) { return set_dispositions(s.bits, SIG_IGN); }
STEP(SESSION) { return call(SYS_setsid); }
STEP(PGROUP) { return call(SYS_setpgid, 0, s.a); }
STEP(UMASK) {
  call(SYS_umask, s.a);
  return 0;
}
STEP(CHDIR) { return call(SYS_chdir, s.path); }
STEP(FCHDIR) { return call(SYS_fchdir, s.a); }
STEP(UNSHARE) { return call(SYS_unshare, CLONE_FILES); }
// Only the kernel of ci/kernels.d/array reads the last two, for a flag that no plan of the reference uses.
STEP(CLOSE_RANGE) { return call(SYS_close_range, s.first, s.last, s.flags, s.data, s.a); }
STEP(CLOSE_EACH) {
  for_each_open([&](int n) {
    if (static_cast<unsigned>(n) >= s.first && static_cast<unsigned>(n) <= s.last) close_fd(n);
  });
  return 0;
}
STEP(CLOSE_PIDFD) {
  if (child.shared->pidfd >= 0) close_fd(child.shared->pidfd);
  return 0;
}
STEP(STAGE) { return 0; }  // the caller did it before clone
STEP(CHECK_STAGED) {
  for (unsigned i = 0; i < child.shared->staged_count; ++i) {
    const Staged& staged = child.shared->staged[i];
    const bool is_as_staged =
        identity_of(staged.slot) == staged.file && is_same_description(staged.slot, staged.witness, staged.file);
    if (!is_as_staged) return -EBADF;  // read from a table that only this child writes
  }
  return 0;
}
// A thread may have unshared its table from the process's, so the pidfd names the thread (PIDFD_THREAD, Linux 6.9);
// older kernels can name the main thread only. A caller in an outer pid namespace has no number here.
STEP(CALLER) {
  constexpr unsigned of_thread = O_EXCL;
  const long process = call(SYS_getppid);
  if (process == 0) return -ESRCH;
  long fd = call(SYS_pidfd_open, child.shared->caller, of_thread);
  if (fd == -EINVAL && process == child.shared->caller) fd = call(SYS_pidfd_open, process, 0u);
  if (fd < 0) return fd;
  child.caller = static_cast<int>(fd);
  return child.caller == s.a ? 0 : -EBADFD;
}
STEP(FETCH) {
  if (s.a == child.shared->pidfd) return -EBADF;  // the source was closed, and CLONE_PIDFD took its number
  const long fd = call(SYS_pidfd_getfd, child.caller, s.a, 0u);
  if (fd < 0) return fd;
  return fd == s.b ? 0 : -EBADFD;
}
STEP(CLOSE) {
  close_fd(child.number(s.a));
  return 0;
}
STEP(DUP_TO_TEMPORARY) {
  const long fd = call(SYS_fcntl, child.number(s.a), F_DUPFD_CLOEXEC, s.b);
  if (fd < 0) return fd == -EINVAL ? -EMFILE : fd;  // EINVAL: RLIMIT_NOFILE is at or below b, so no number is free
  (s.flags != 0 ? child.program : child.temporary) = static_cast<int>(fd);
  return 0;
}
STEP(DUP) {
  const long fd = call(SYS_dup3, child.number(s.a), child.number(s.b), s.flags);
  return fd < 0 ? fd : 0;
}
STEP(SET_CLOEXEC) { return call(SYS_fcntl, child.number(s.a), F_SETFD, FD_CLOEXEC); }
STEP(CLEAR_CLOEXEC) { return call(SYS_fcntl, child.number(s.a), F_SETFD, 0); }
STEP(SWEEP_CLOEXEC) {
  const int except = child.number(s.a);
  for_each_open([&](int n) {
    if (n == except) return;
    const long flags = get_fd_flags(n);
    if (flags >= 0 && (flags & FD_CLOEXEC) != 0) close_fd(n);
  });
  return 0;
}
STEP(OPEN) { return open_at(s.a, s.path, s.b, s.first); }
STEP(TERMINAL) { return take_terminal(s.a); }
STEP(FOREGROUND) { return take_foreground(s.a); }
STEP(NICE) { return set_nice(s.a); }
STEP(SCHEDULING) { return set_scheduling(s.a, s.b); }
STEP(AFFINITY) { return set_affinity(s.first, s.data); }
STEP(LIMIT) { return set_limit(s.a, *static_cast<const spawn_limit*>(s.data)); }
STEP(GROUPS) { return set_groups(s.first, s.data); }
STEP(GID) { return set_gid(s.first); }
STEP(UID) { return set_uid(s.first); }
STEP(DEATH_SIGNAL) { return set_death_signal(s.a, child.shared->parent); }
STEP(NO_NEW_PRIVS) { return set_no_new_privs(); }
STEP(MASK) {
  const uint64_t mask = (s.flags & SPAWN_MASK_OF_CALLER) != 0 ? child.shared->caller_mask : s.bits;
  return set_mask(&mask, nullptr);
}

char* const no_environment[] = {nullptr};

char* const* environment(const Child& child) {
  return child.shared->plan->envp != nullptr ? child.shared->plan->envp : no_environment;
}

STEP(EXEC) { return call(SYS_execve, s.path, child.shared->plan->argv, environment(child)); }
STEP(EXEC_FD) {
  return call(SYS_execveat, child.number(s.a), "", child.shared->plan->argv, environment(child), AT_EMPTY_PATH);
}
STEP(EXEC_SEARCH) {
  return exec_search(s.path, static_cast<const char*>(s.data), child.shared->plan->argv, environment(child));
}

#undef STEP

using StepFunction = long (*)(Child&, const spawn_step&);
constexpr StepFunction step_functions[] = {
#define SPAWN_ROW(id, table, word, meaning) step_##id,
    SPAWN_STEPS(SPAWN_ROW)
#undef SPAWN_ROW
};

[[noreturn]] void fail(Shared* shared, int error, int step) {
  shared->step = step;
  shared->error = error;
  for (;;) call(SYS_exit_group, 127);
}

}  // namespace

void run_child(Shared* shared) {
  Child child = {shared, -1, -1, -1};
  const spawn_plan& plan = *shared->plan;
  for (uint32_t i = 0; i < plan.step_count; ++i) {
    const spawn_step& s = plan.step[i];
    const long result = s.kind < SPAWN_STEP_COUNT ? step_functions[s.kind](child, s) : -ENOSYS;
    if (result < 0) fail(shared, static_cast<int>(-result), static_cast<int>(i));
  }
  fail(shared, ENOEXEC, static_cast<int>(plan.step_count));  // a plan that does not end in exec
}

}  // namespace spawncheck_spawn
