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

  // fd.untransient: snapshots of children with a table of their own before exec, and the number from which on none of
  // these tables referred to anything that the child's program does not have. 0: they never did.
  std::uint32_t private_tables = 0;
  std::int32_t untransient_from = 0;

  // mm.unwritten: pages of the caller's memory that were written while a child ran on it.
  bool is_memory_watched = false;  // the kernel can tell which pages are written
  // Pages of the call: its stack, below the frame that made the call. Pages of the thread: the page beside the thread
  // pointer, which has errno; what the call leaves there is judged when it returns. All others are `elsewhere`.
  std::uint32_t pages_of_the_call = 0, pages_of_the_thread = 0;
  std::vector<sc_written> elsewhere;
};

// Returns a write that violates mm.unwritten whatever memory the spawn owns: to the request, to another thread's stack
// or to libc's data. Returns nullopt unless the run was watched and the scenario has one thread: then nobody else ran
// while a child was on the caller's memory.
std::optional<Verdict> forbidden_write(const Scenario&, const sc_trace&);

// Runs the scenario by its turns, then each task on; with a seed, by chance. Writes of another thread while a vfork(2)
// parent is suspended count as the child's: for mm.unwritten, the caller must pass a scenario with one thread.
Watched watch(Session&, const Scenario&, std::uint64_t seed = 0);

std::string report(const Watched&, const sc_trace&);

}  // namespace spawncheck
