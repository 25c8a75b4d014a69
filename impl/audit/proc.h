// SPDX-License-Identifier: MIT
//
// What an audit reads of /proc/PID. The task is stopped or a zombie; group_of() and read_waiting() also read running
// tasks, and the tracer looks at a Waiting twice before it counts.
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
pid_t group_of(pid_t tid);  // its thread group; 0 if the task is gone
// A FIFO's inode; 0 for a descriptor of another kind.
std::uint64_t fifo_inode(pid_t, int number);

// What a task sleeps in. is_for_ever: the call has no timeout, so that only another task or the outside ends it.
struct Waiting {
  bool is_asleep = false, is_for_ever = false;
  long call = -1;
};
Waiting read_waiting(pid_t);

}  // namespace spawncheck::audit
