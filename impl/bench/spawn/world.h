// SPDX-License-Identifier: MIT
//
// The caller's state around a spawn: open descriptors, resident memory, and the descriptors to keep.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "peer.h"

namespace bench {

class World {
 public:
  // Opens `descriptors` descriptions of /dev/null, then `kept` more above all of them and at or above 64, where no
  // target is; leaves as many of the last numbers below 64 free as strategy staged reserves for `at_once` such spawns
  // (reserved at start-up, before later opens can take them); and touches `bytes` of memory in pages of the
  // smallest size. All descriptors become close-on-exec, also those that were open before, and stay so.
  World(unsigned descriptors, std::size_t bytes, unsigned kept, unsigned at_once = 1);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const std::string& error() const { return error_; }  // empty: success
  // A job in this world; argv is the program's name only, and envp is empty.
  bench_job job(const char* program);

 private:
  void open_all(unsigned descriptors, unsigned kept);
  void touch();

  unsigned at_once_;
  std::vector<int> open_, source_;
  std::size_t bytes_;
  void* memory_ = nullptr;
  std::string error_;
  char* argv_[2] = {};
  char* envp_[1] = {};
};

}  // namespace bench
