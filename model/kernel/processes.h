// SPDX-License-Identifier: MIT
//
// How processes end, their groups, and which children wait(2) selects.
#pragma once

#include "model/kernel/state.h"

namespace spawncheck::model {

inline constexpr std::int32_t status_of_exit_program = 7;  // SC_PROGRAM_EXIT

// Ends the task's whole process (kernel/exit.c do_group_exit): its other tasks end at once, in the middle of a call or
// not; the task's own call, if any, ends too, and its exit takes steps, as a call of the task. status: an exit status,
// or -signal.
void begin_exit(State&, Index task, std::int32_t status);

// Ends the task's process in one step. The process becomes a zombie, or is reaped at once if its parent ignores
// SIGCHLD or has ended (kernel/signal.c do_notify_parent).
void end_task(State&, Index task, std::int32_t status);
// The first half of an exit or exec (kernel/fork.c mm_release): the task never runs on its memory again, and its vfork
// parent is woken. The task still has the memory until exec installs another, or exit drops it.
void release_memory(State&, Index task);

// Returns true if no member of the process's group has a parent in the same session but in another group
// (kernel/exit.c will_become_orphaned_pgrp): TSTP, TTIN and TTOU stop no process there. The arena's own parent,
// which also adopts orphans, leads the session.
bool is_in_orphaned_group(const State&, Index process);

// In Call::a of a setpgid: the index + 1 of the process that leads the group, one of these constants, or the negative
// number that was passed.
inline constexpr std::int32_t group_of_caller = 0, group_of_nobody = INT32_MAX;

// Call::flags of a wait: the options of wait(2), and which children are eligible (kernel/exit.c eligible_child).
inline constexpr std::uint32_t wait_no_hang = 1, wait_leaves_it = 2, wait_all = 4, wait_clones = 8;

}  // namespace spawncheck::model
