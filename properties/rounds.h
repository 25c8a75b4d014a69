// SPDX-License-Identifier: MIT
//
// How often a test repeats itself on a slow machine.
#pragma once

#include <algorithm>
#include <cstdlib>

namespace spawncheck {

// $SPAWNCHECK_SLOWNESS: how many times slower than usual this machine is; 1 where nobody says.
inline unsigned slowness_of_machine() {
  const char* set = std::getenv("SPAWNCHECK_SLOWNESS");
  return set == nullptr ? 1 : static_cast<unsigned>(std::max(1, std::atoi(set)));
}

// `usual` rounds; on a slow machine as many as take the same time there, but `least` at least.
inline unsigned rounds(unsigned usual, unsigned least) { return std::max(least, usual / slowness_of_machine()); }

}  // namespace spawncheck
