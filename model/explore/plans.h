// SPDX-License-Identifier: MIT
//
// The plans of a scenario's spawns, made once for each request, keep-list, group and set of free slots of the window,
// and then shared by every state of an exploration.
#pragma once

#include <deque>
#include <mutex>

#include "model/explore/simulate.h"

namespace spawncheck::explore {

using KeepList = std::vector<std::pair<std::int32_t, std::int32_t>>;  // source, target: numbers

// What a step does to the descriptor table of its process; of one that nobody knows, the most.
spawn_table_use table_use_of(const spawn_step&);

struct PlannedSpawn {
  const sc_request* request;
  KeepList keep;
  std::int32_t pgroup;
  std::uint64_t window;         // the free slots that it was made for
  std::uint64_t window_in_use;  // numbers of the window that it reads and another spawn has
  int error = 0;                // what the planner refused it with
  std::uint32_t start = 0;
  std::vector<spawn_step> steps;

  // Until its child's table is private, nothing but the pidfd's number changes in the table that it shares with its
  // caller.
  bool leaves_table_alone() const;
};

// Thread-safe. What of() returns lives as long as this; the planner must live as long, too.
class Plans {
 public:
  explicit Plans(const Planner& planner) : planner_(planner) {}
  const PlannedSpawn* of(const sc_request&, const KeepList&, std::int32_t pgroup, std::uint64_t window,
                         std::uint64_t window_in_use = 0, std::int32_t placeholder = -1);

 private:
  const Planner& planner_;
  std::mutex lock_;
  std::deque<PlannedSpawn> all_;
};

}  // namespace spawncheck::explore
