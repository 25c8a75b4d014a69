// SPDX-License-Identifier: MIT
//
// The memory of one spawn: the child's stack, with a guard below it, and the plan's steps.
#pragma once

#include <spawncheck/spawn/plan.h>

#include <stddef.h>

namespace spawncheck_spawn {

// Nobody else's until the destructor, which must not run before the child is off it. Async-signal-safe.
class Area {
 public:
  explicit Area(size_t step_bytes);
  ~Area();
  Area(const Area&) = delete;
  Area& operator=(const Area&) = delete;

  static constexpr size_t stack_size = 65536;
  int error() const { return error_; }  // errno of mmap(2), 0: the rest is there
  char* stack() const;                  // lowest address
  spawn_step* steps() const;

 private:
  size_t size_;
  char* base_ = nullptr;
  int error_ = 0;
};

}  // namespace spawncheck_spawn
