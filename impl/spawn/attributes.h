// SPDX-License-Identifier: MIT
//
// A child's attributes other than descriptors and signals: the checks of those fields of a request, and the
// child's steps for them. One function per row of the plan's table; each returns 0 or a negative errno.
#pragma once

#include <spawncheck/spawn/request.h>
#include <stdint.h>

namespace spawncheck_spawn {

// Checks the fields from `open` on. Returns 0, or an errno with *field (if not null) naming field and reason. Pure.
int check_attributes(const spawn_request& request, const char** field);

// Between clone and exec. Async-signal-safe: raw calls on the caller's stack, at most 5 KiB of it.
long open_at(int target, const char* path, int flags, uint32_t mode);
long take_terminal(int fd);
long take_foreground(int fd);
long set_nice(int nice);
long set_scheduling(int policy, int priority);
long set_affinity(uint32_t bytes, const void* cpus);
long set_limit(int resource, const spawn_limit& limit);
long set_groups(uint32_t count, const void* groups);
long set_gid(uint32_t gid);
long set_uid(uint32_t uid);
long set_death_signal(int signal, int parent);
long set_no_new_privs();
long exec_search(const char* name, const char* list, char* const* argv, char* const* envp);

}  // namespace spawncheck_spawn
