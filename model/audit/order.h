// SPDX-License-Identifier: MIT
//
// Happens-before over the tasks of a run, by vector clocks (Mattern 1989; as in Djit and FastTrack).
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/audit/event.h"

namespace spawncheck::audit {

// How much of each task's past is known to be before an instant; ascending by task.
using Clock = std::vector<std::pair<TaskId, std::uint32_t>>;

struct Instant {
  TaskId task = -1;
  std::uint32_t count = 0;
  std::shared_ptr<const Clock> seen;
};

// Returns true if a is known to be before b.
bool is_before(const Instant& a, const Instant& b);

class Order {
 public:
  void born(TaskId parent, TaskId child);  // parent -1: the first
  void release(TaskId, std::uint64_t object);
  void acquire(TaskId, std::uint64_t object);
  Instant now(TaskId);

 private:
  struct Task {
    std::uint32_t count = 1;
    std::shared_ptr<const Clock> seen = std::make_shared<Clock>();
  };
  std::unordered_map<TaskId, Task> tasks_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const Clock>> objects_;
};

}  // namespace spawncheck::audit
