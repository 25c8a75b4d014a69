// SPDX-License-Identifier: MIT
//
// How often a test repeats itself on a slow machine.
#pragma once

#include <algorithm>

#include "impl/session/slowness.h"

namespace spawncheck {

// `usual` rounds; on a slow machine as many as take the same time there, but at least `least`.
inline unsigned rounds(unsigned usual, unsigned least) { return std::max(least, usual / slowness_of_machine()); }

}  // namespace spawncheck
