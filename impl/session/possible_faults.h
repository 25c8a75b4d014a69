// SPDX-License-Identifier: MIT
//
// Which errors a call may return whatever its arguments are. Only these are injected. No correct spawn can expect other
// errors, so a violation under a fault with another error does not count (*unsupported*).
#pragma once

#include <string>
#include <vector>

#include "model/scenario/scenario.h"
#include "model/scenario/trace.h"

namespace spawncheck {

// Follows each thread's mask through its rt_sigprocmask(2) calls: a call returns EINTR only if a handler may run.
class Masks {
 public:
  explicit Masks(const Scenario& s) : handled_(s.world.handled), mask_(s.threads.size(), s.world.mask) {}

  void see(unsigned task, const sc_step& step);
  bool may_be_interrupted(unsigned task) const { return task < mask_.size() && (handled_ & ~mask_[task]) != 0; }

 private:
  std::uint64_t handled_;
  std::vector<std::uint64_t> mask_;
};

// Returns the man pages' errors that depend on the machine, not on the arguments; EPERM also stands for a seccomp
// filter. EINTR is among them even if no handler may run: the caller must ask Masks::may_be_interrupted().
std::vector<int> possible_errors(const sc_step&);

// Says why no machine makes the call fail as the fault, which has happened in the run, did. Empty if one can.
std::string why_impossible(const Scenario&, const sc_trace&, const sc_fault&);

// Returns true if the trace shows that there were processes enough: a process was started, and no clone and no exec
// failed for want of processes or memory (fork(2), execve(2): EAGAIN, ENOMEM). Only they report a lack of processes.
// Returns false if the result of one of them is unknown.
bool processes_sufficed(const sc_trace&);

}  // namespace spawncheck
