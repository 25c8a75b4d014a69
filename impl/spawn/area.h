// SPDX-License-Identifier: MIT
//
// The memory of one spawn: the child's stack, with a guard below it, and the plan's steps.
#pragma once

#include <stddef.h>

#include "child.h"

namespace spawncheck_spawn {

// One spawn owns it until the destructor, which must not run before the child has left it. Async-signal-safe.
class Area {
 public:
  // is_shared: a child with a copy of the memory shares the area all the same.
  explicit Area(size_t step_bytes, bool is_shared = false);
  ~Area();
  Area(const Area&) = delete;
  Area& operator=(const Area&) = delete;

  static constexpr size_t stack_size = 65536;
  int error() const { return error_; }  // errno of mmap(2); 0: the area is mapped
  char* stack() const;                  // lowest address
  spawn_step* steps() const;
  // Where a child with a copy of the memory reports: the stack's lowest address. Null if the area is not shared.
  Shared* shared() const { return is_shared_ ? reinterpret_cast<Shared*>(stack()) : nullptr; }

 private:
  bool is_shared_;
  size_t size_;
  char* base_ = nullptr;
  int error_ = 0;
};

}  // namespace spawncheck_spawn
