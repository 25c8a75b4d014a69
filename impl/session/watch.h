// SPDX-License-Identifier: MIT
//
// Checks three promises directly, in one scheduled run, between any two of its calls.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "impl/session/session.h"

namespace spawncheck {

struct Watched {
  Status status = Status::holds;  // inconclusive, unsupported, broken: there was no run to look at
  std::string why;

  // fd.untouched: where the caller's table differed from what its threads' own operations make of it.
  std::optional<lockstep::Disagreement> touched;
  std::uint32_t tables = 0;  // tables of the caller that were compared

  // fd.untransient: children that had a table of their own before exec, and the number from which on none of them
  // referred to anything that its program does not have. 0: they never did.
  std::uint32_t private_tables = 0;
  std::int32_t untransient_from = 0;

  // mm.unwritten: pages of the caller's memory that a child wrote outside the stack below the frame that made the call.
  bool is_memory_watched = false;  // the kernel could tell, and a child ran on the caller's memory
  // The page beside the thread pointer, which has errno, is reported apart: what the call leaves there is judged when
  // it returns.
  std::uint32_t pages_of_the_call = 0, pages_of_the_thread = 0;
  std::vector<sc_written> elsewhere;
};

// By the scenario's turns, then each task runs on; with a seed, by chance. What another thread writes while a vfork(2)
// parent is suspended counts as the child's: for mm.unwritten, use a scenario with one thread. What is a violation
// whatever the spawn keeps memory for: of a run that was watched, and in which nobody else ran while a child was on the
// caller's memory: one thread.
std::optional<Verdict> forbidden_write(const Scenario&, const sc_trace&);

Watched watch(Session&, const Scenario&, std::uint64_t seed = 0);

std::string report(const Watched&, const sc_trace&);

}  // namespace spawncheck
