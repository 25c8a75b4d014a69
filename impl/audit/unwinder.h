// SPDX-License-Identifier: MIT
//
// Finds the caller of a system call: walks the frames of the task stopped at it, by call frame information, and by
// frame pointers in code without it (Go's, a run-time compiler's).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "impl/audit/call_frames.h"
#include "impl/audit/memory.h"

namespace spawncheck::audit {

class Unwinder {
 public:
  using Find = std::function<const Mapping*(std::uint64_t address)>;
  using Path = std::function<std::string(std::uint32_t module)>;

  // The return address in the first caller outside the C library; 0 if the frames do not lead there.
  std::uint64_t caller(pid_t, const Find&, const Path&);

 private:
  CallFrames& frames_of(std::uint32_t module, const Path&);
  std::map<std::uint32_t, CallFrames> files_;
};

}  // namespace spawncheck::audit
