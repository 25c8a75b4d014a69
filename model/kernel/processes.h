// SPDX-License-Identifier: MIT
//
// How processes end, and what else is theirs.
#pragma once

#include "model/kernel/state.h"

namespace spawncheck::model {

inline constexpr std::int32_t status_of_exit_program = 7;  // SC_PROGRAM_EXIT

// The task's whole process ends (kernel/exit.c do_group_exit): its other tasks are gone at once, whatever they were in
// the middle of; its own end takes steps, as a call of its. status: an exit status, or -signal. Whatever the task was
// in the middle of is over.
void begin_exit(State&, Index task, std::int32_t status);

// All of it at once. The process is a zombie, or, where its parent ignores SIGCHLD or is gone, reaped (kernel/signal.c
// do_notify_parent).
void end_task(State&, Index task, std::int32_t status);
// Its first half (kernel/fork.c mm_release): the task never runs on its memory again, and who waits for that is woken.
// It still has the memory: a moment later exec takes another, and exit none.
void release_memory(State&, Index task);

// No member of its process group has a parent in the same session but in another group (kernel/exit.c
// will_become_orphaned_pgrp): TSTP, TTIN and TTOU stop nobody there. The arena's own parent, who is also that of
// orphans, leads the session.
bool is_in_orphaned_group(const State&, Index process);

// In Call::a of a setpgid: the index + 1 of the process that leads the group, one of these, or a negative number as it
// is.
inline constexpr std::int32_t group_of_caller = 0, group_of_nobody = INT32_MAX;

// wait(2), which child may be waited for (kernel/exit.c eligible_child). In Call::flags of a wait.
inline constexpr std::uint32_t wait_no_hang = 1, wait_leaves_it = 2, wait_all = 4, wait_clones = 8;

}  // namespace spawncheck::model
