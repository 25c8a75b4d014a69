// SPDX-License-Identifier: MIT
//
// Which steps of a trace commute. Derived from the effects in model/scenario/visible.h and from the results of the
// calls: an open(2) that returned 5 found 0 to 4 taken, and does not depend on any number above 5.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "model/scenario/scenario.h"
#include "model/scenario/trace.h"

namespace spawncheck {

struct Access {
  enum Kind : std::uint8_t {
    occupancy,     // which file is at a number, or none; id: table
    flags,         // close-on-exec at a number; id: table
    files,         // anything beyond the table: locks, ports, pipe ends, which processes have a file open
    dispositions,  // id: process
    limit,         // RLIMIT_NOFILE; id: process
    place,         // current directory and umask (struct fs_struct), which threads share; id: of the fs_struct
    group,         // process group and session; range of processes
    memory,        // id: cell + 1, 0 for every futex
    life,          // that a process has ended; range of tasks
    everything
  };
  enum Mode : std::uint8_t { read, write, drop };  // drop: of a reference. Two reads commute, and two drops

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
  std::uint32_t tasks = 0;    // that it moved: its own, and those that it created or woke
  std::vector<Access> accesses;
};

// Follows step by step which table, process and place each task has.
class AccessReader {
 public:
  explicit AccessReader(const Scenario&);

  // Adds what the trace's step did. The caller must pass every step of the trace, each once, in order.
  void add(const sc_trace&, unsigned step, Transition&);
  // Returns the accesses of the task's next step, and more where they depend on the step's result.
  std::vector<Access> pending(const sc_trace&, unsigned task) const;

 private:
  void look_at(const sc_operation&);
  void add(Access::Kind, Access::Mode, unsigned id = 0, std::int64_t low = 0, std::int64_t high = 0x7fffffff);
  void look_up(std::int64_t number);
  void put(std::int64_t number);
  void allocate(std::int64_t number, std::int64_t low = 0);
  void copy_table();
  void leave_table(unsigned task);
  void add_step(const sc_trace&, const sc_step&);
  void add_attribute(const sc_step&);
  void add_allocation(const sc_step&);
  void add_fcntl(const sc_step&);
  void add_range(const sc_step&);
  void add_clone(const sc_trace&, const sc_step&);
  void add_copies(const sc_step&);
  void end_process(unsigned task);
  void add_wait(const sc_trace&, const sc_step&);

  Transition now_;
  std::array<std::uint16_t, SC_TASKS_MAX> tables_{}, processes_{}, places_{};
  unsigned table_ = 0, process_ = 0, place_ = 0, next_task_ = 0;
  std::uint16_t next_table_ = 1, next_process_ = 1, next_place_ = 1;
  bool is_done_ = false, is_pending_ = false, has_programs_ = false, sigchld_counts_ = false;
};

bool conflict(const Access&, const Access&);
bool commute(const Transition&, const Transition&);

std::vector<Transition> transitions_of(const Scenario&, const sc_trace&);

}  // namespace spawncheck
