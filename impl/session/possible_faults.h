// SPDX-License-Identifier: MIT
//
// Which errors a call may give that says nothing of its arguments: what may be injected, and what a fault of a scenario
// may be without asking of a spawn what no spawn can do.
#pragma once

#include <string>
#include <vector>

#include "model/scenario/scenario.h"
#include "model/scenario/trace.h"

namespace spawncheck {

// What the caller's thread blocks, as its calls go by: EINTR comes only from a handler that may run.
class Masks {
 public:
  explicit Masks(const Scenario& s) : handled_(s.world.handled), mask_(s.threads.size(), s.world.mask) {}

  void see(unsigned task, const sc_step& step);
  bool may_be_interrupted(unsigned task) const { return task < mask_.size() && (handled_ & ~mask_[task]) != 0; }

 private:
  std::uint64_t handled_;
  std::vector<std::uint64_t> mask_;
};

// The man pages' errors that depend on the machine, not on the arguments; EPERM also stands for a seccomp filter. EINTR
// only where a handler may run.
std::vector<int> possible_errors(const sc_step&);

// Why the run's fault, which has happened, is none that its call can give; empty: it can.
std::string why_impossible(const Scenario&, const sc_trace&, const sc_fault&);

// Returns true if the trace shows that there were processes enough: a process was started, and no clone and no exec
// failed for want of processes or memory (fork(2), execve(2): EAGAIN, ENOMEM). Only they report a lack of processes.
// Returns false if the result of one of them is unknown.
bool processes_sufficed(const sc_trace&);

}  // namespace spawncheck
