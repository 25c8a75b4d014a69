// SPDX-License-Identifier: MIT
//
// The plans of a scenario's spawns: made once for each request, keep-list, group and set of free window slots, then
// shared by all states of an exploration.
#pragma once

#include <deque>
#include <mutex>

#include "model/explore/simulate.h"

namespace spawncheck::explore {

using KeepList = std::vector<std::pair<std::int32_t, std::int32_t>>;  // source, target: numbers

// What a step does to the descriptor table of its process; for an unknown step the worst case.
spawn_table_use table_use_of(const spawn_step&);

struct PlannedSpawn {
  const sc_request* request;
  KeepList keep;
  std::int32_t pgroup;
  std::uint64_t window;         // the free slots that the plan was made for
  std::uint64_t window_in_use;  // window numbers that the plan reads and another spawn uses
  int error = 0;                // the errno with which the planner refused the request
  std::uint32_t start = 0;
  std::vector<spawn_step> steps;

  // Returns true if, until the child's table is private, only the pidfd's number changes in the table shared with
  // the caller.
  bool leaves_table_alone() const;
};

// Thread-safe. What of() returns lives as long as the Plans; the planner must outlive them.
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
