// SPDX-License-Identifier: MIT
//
// How slow this machine is said to be.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace spawncheck {

// $SPAWNCHECK_SLOWNESS, 1 to 100: how many times longer than on a usual machine a run may take, in emulation or on a
// stolen processor. Returns 1 if the variable is not set. Bounds of time are multiplied by it.
inline std::uint32_t slowness_of_machine() {
  const char* set = std::getenv("SPAWNCHECK_SLOWNESS");
  return set == nullptr ? 1 : static_cast<std::uint32_t>(std::clamp(std::atoi(set), 1, 100));
}

}  // namespace spawncheck
