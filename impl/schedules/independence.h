// SPDX-License-Identifier: MIT
//
// Which steps of a trace commute. Derived from the effects in model/scenario/visible.h and from what the calls
// returned: open(2) that gave 5 says that 0 to 4 were taken and reads nothing above 5.
#pragma once

#include <cstdint>
#include <vector>

#include "model/scenario/scenario.h"
#include "model/scenario/trace.h"

namespace spawncheck {

struct Access {
  enum Kind : std::uint8_t {
    occupancy,     // which file is at a number, or none; id: table
    flags,         // close-on-exec at a number; id: table
    files,         // anything beyond the table: locks, ports, pipe ends, who has a file open
    dispositions,  // id: process
    limit,         // RLIMIT_NOFILE; id: process
    place,         // current directory and umask (struct fs_struct), which threads share; id: who has them
    group,         // process group and session; range of processes
    memory,        // id: cell + 1, 0 for every futex
    life,          // that a process has ended; range of tasks
    everything
  };
  enum Mode : std::uint8_t { read, write, drop };  // two reads commute, and two drops of references

  Kind kind;
  Mode mode;
  std::uint16_t id;
  std::int32_t low, high;
  bool operator==(const Access&) const = default;
};

// What one turn did: its task's step, and the wakes that it caused.
struct Transition {
  std::uint8_t task = 0;
  std::uint32_t enabled = 0;  // before it
  std::uint32_t tasks = 0;    // it moved: its own, whom it created, woke or ended
  std::vector<Access> accesses;
};

bool conflict(const Access&, const Access&);
bool commute(const Transition&, const Transition&);

std::vector<Transition> transitions_of(const Scenario&, const sc_trace&);

}  // namespace spawncheck
