// SPDX-License-Identifier: MIT
#pragma once

#include <spawncheck/spawn/request.h>

namespace spawncheck_spawn {

constexpr unsigned can_clone3 = 1, can_clear_sighand = 2, can_pidfd = 4, can_pidfd_open = 8, can_close_range = 16,
                   can_unshare_files = 32, can_fetch = 64, can_except = 128, can_cloexec_only = 256;

unsigned abilities_known();  // probed once; async-signal-safe, thread-safe
void abilities_forget(unsigned bits);
spawn_abilities abilities_of(unsigned bits);  // without the window's fields

}  // namespace spawncheck_spawn
