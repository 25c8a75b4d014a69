// SPDX-License-Identifier: MIT
//
// A client under valgrind. Valgrind's clone(2) knows threads, fork and vfork, and runs vfork as fork; any other
// clone ends the process
// ("Valgrind does not support general clone()"). clone3, pidfd_open and pidfd_send_signal are ENOSYS there.
// (valgrind 3.19, coregrind/m_syswrap/syswrap-linux.c, sys_clone)
//
// So the child is forked: it runs the same plan on a copy of memory and table. It reports a failure in a shared page.
// Nothing announces its exec: a descriptor for that is impossible, since the plan would close it. So the parent asks
// every millisecond whether the child has not exec'd yet (__WCLONE, as in run.cpp). The benefits of sharing are lost:
// low cost, and fd.untransient. All other clauses hold as for strategy copy.
//
// Rejected: forking only after memory turns out not to be shared (by then valgrind has ended the process).
// Checked by impl/spawn/consumer/check clients: the same client program under memcheck, with its failures.
#include "emulated.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "system.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

namespace spawncheck_spawn {

bool is_emulated() { return RUNNING_ON_VALGRIND != 0; }

namespace {

// Returns when the child has exec'd or ended, which is when the real start's vfork would resume its caller.
void wait_for_exec(int pid) {
  for (;;) {
    siginfo_t info = {};
    const long seen = call(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WCLONE, nullptr);
    if (seen != 0 || info.si_pid != 0) return;
    const timespec millisecond = {0, 1'000'000};
    call(SYS_nanosleep, &millisecond, nullptr);
  }
}

}  // namespace

long start_emulated(const spawn_plan& plan, Shared& shared, void (*child_entry)(void*)) {
  const long at = call(SYS_mmap, nullptr, sizeof shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at < 0 && at > -4096) return at;
  auto* const both = reinterpret_cast<Shared*>(at);
  *both = shared;
  const unsigned long flags = (plan.start & SPAWN_START_PIDFD) != 0 ? CLONE_PIDFD : 0;
  const long pid = call(SYS_clone, flags, nullptr, &shared.pidfd, nullptr, 0);
  if (pid == 0) child_entry(both);  // on its copy of this stack; does not return
  if (pid > 0) {
    wait_for_exec(static_cast<int>(pid));
    shared.error = both->error;
    shared.step = both->step;
  }
  call(SYS_munmap, both, sizeof shared);
  return pid;
}

}  // namespace spawncheck_spawn
