// SPDX-License-Identifier: MIT
//
// What this process may use. Each probe asks for something that the kernel refuses with EINVAL or EFAULT
// when it knows the call, so that nothing happens; ENOSYS and EPERM are what old kernels and sandboxes
// answer. One word of atomics remembers; what is refused later is forgotten (run.cpp).
#include "abilities.h"

#include "system.h"

#include <errno.h>

namespace spawncheck_spawn {

namespace {

// Bit i: ability i of struct spawn_abilities; the top bit: probed.
constexpr unsigned probed = 1u << 31;
unsigned remembered;

bool is_refused(long result) { return result == -ENOSYS || result == -EPERM; }

unsigned probe() {
  unsigned found = probed | can_clear_sighand | can_pidfd | can_unshare_files;
  if (!is_refused(call(SYS_clone3, nullptr, 0))) found |= can_clone3;                 // EINVAL: too small
  if (!is_refused(call(SYS_pidfd_open, -1, 0))) found |= can_pidfd_open;              // EINVAL: no such pid
  if (!is_refused(call(SYS_close_range, 1u, 0u, 0u))) found |= can_close_range;       // EINVAL: inverted
  if (is_refused(call(SYS_unshare, 1ul << 62))) found &= ~can_unshare_files;          // EINVAL: unknown flag
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
  return a;
}

}  // namespace spawncheck_spawn

spawn_abilities spawn_abilities_probed(void) {
  return spawncheck_spawn::abilities_of(spawncheck_spawn::abilities_known());
}
