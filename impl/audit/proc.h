// SPDX-License-Identifier: MIT
//
// What an audit reads of /proc/PID: facts of tasks that are stopped, or that are read twice (Waiting).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/audit/event.h"

namespace spawncheck::audit {

struct SignalSets {
  std::uint64_t blocked = 0, ignored = 0, caught = 0;
};
SignalSets read_signals(pid_t);
std::string read_name(pid_t);
std::vector<OpenNumber> read_descriptors(pid_t);
// After an exec. The environment is read only where a descriptor above 2 is open.
ExecFacts read_exec(pid_t);
bool is_zombie_of(pid_t, pid_t parent);
pid_t group_of(pid_t tid);  // its thread group; 0 if it is gone
// A FIFO's inode; 0 for a descriptor of another kind.
std::uint64_t fifo_inode(pid_t, int number);

// A task that sleeps in a call that only another task, or the outside, can end.
struct Waiting {
  bool is_asleep = false, is_for_ever = false;
  long call = -1;
};
Waiting read_waiting(pid_t);

}  // namespace spawncheck::audit
