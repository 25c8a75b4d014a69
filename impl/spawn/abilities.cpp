// SPDX-License-Identifier: MIT
//
// What this process may use. Each probe asks for something that the kernel refuses with EINVAL or EFAULT
// when it knows the call, so that nothing happens; ENOSYS and EPERM are what old kernels and sandboxes
// answer. One atomic word keeps the answers; run.cpp clears the bit of an ability that is refused later.
#include "abilities.h"

#include <errno.h>

#include "system.h"
#include "window.h"

namespace spawncheck_spawn {

namespace {

// Bit i: ability i of struct spawn_abilities; the top bit: probed.
constexpr unsigned probed = 1u << 31;
unsigned remembered;

bool is_refused(long result) { return result == -ENOSYS || result == -EPERM; }

// CLOSE_RANGE_EXCEPT of 0..~0 closes nothing. It is tried only if the kernel refuses an unknown flag for a range with
// no open number: a kernel that ignores unknown flags would close everything.
unsigned probe_except() {
  constexpr unsigned nobody_has = 0x7ffffff0u, unknown_flag = 1u << 30, except = SPAWN_CLOSE_RANGE_EXCEPT;
  if (call(SYS_close_range, nobody_has, nobody_has, unknown_flag) != -EINVAL) return 0;
  if (call(SYS_close_range, 0u, ~0u, except) != 0) return 0;
  return call(SYS_close_range, 0u, ~0u, except | SPAWN_CLOSE_RANGE_CLOEXEC_ONLY) == 0 ? can_except | can_cloexec_only
                                                                                      : can_except;
}

unsigned probe() {
  unsigned found = probed | can_clear_sighand | can_pidfd | can_unshare_files;
  if (!is_refused(call(SYS_clone3, nullptr, 0))) found |= can_clone3;            // EINVAL: too small
  if (!is_refused(call(SYS_pidfd_open, -1, 0))) found |= can_pidfd_open;         // EINVAL: no such pid
  if (!is_refused(call(SYS_close_range, 1u, 0u, 0u))) found |= can_close_range;  // EINVAL: inverted
  if (is_refused(call(SYS_unshare, 1ul << 62))) found &= ~can_unshare_files;     // EINVAL: unknown flag
  if ((found & can_pidfd_open) != 0 && !is_refused(call(SYS_pidfd_getfd, -1, -1, 0u))) found |= can_fetch;  // EBADF
  if ((found & can_close_range) != 0) found |= probe_except();
  return found;
}

}  // namespace

unsigned abilities_known() {
  unsigned found = __atomic_load_n(&remembered, __ATOMIC_ACQUIRE);
  if ((found & probed) != 0) return found;
  found = probe();
  __atomic_store_n(&remembered, found, __ATOMIC_RELEASE);
  return found;
}

void abilities_forget(unsigned bits) { __atomic_fetch_and(&remembered, ~bits, __ATOMIC_ACQ_REL); }

spawn_abilities abilities_of(unsigned bits) {
  spawn_abilities a = {};
  a.clone3 = (bits & can_clone3) != 0;
  a.clear_sighand = (bits & can_clear_sighand) != 0;
  a.pidfd = (bits & can_pidfd) != 0;
  a.pidfd_open = (bits & can_pidfd_open) != 0;
  a.close_range = (bits & can_close_range) != 0;
  a.unshare_files = (bits & can_unshare_files) != 0;
  a.fetch = (bits & can_fetch) != 0;
  a.except = (bits & can_except) != 0;
  a.cloexec_only = (bits & can_cloexec_only) != 0;
  return a;
}

}  // namespace spawncheck_spawn

spawn_abilities spawn_abilities_probed(void) {
  spawn_abilities a = spawncheck_spawn::abilities_of(spawncheck_spawn::abilities_known());
  a.window = spawncheck_spawn::window_free();
  return a;
}
