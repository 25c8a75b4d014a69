// SPDX-License-Identifier: MIT
//
// How often a test repeats itself on a slow machine, and with sanitizers.
#pragma once

#include <algorithm>

#include "impl/session/slowness.h"

namespace spawncheck {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool is_sanitized = true;
#elif defined(__has_feature)
inline constexpr bool is_sanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool is_sanitized = false;
#endif

// `usual` rounds; on a slow machine as many as take the same time there, but at least `least`. With sanitizers a
// quarter: the arena is never sanitized, and what a sanitizer finds in the rest rarely needs many rounds.
inline unsigned rounds(unsigned usual, unsigned least) {
  return std::max(least, usual / slowness_of_machine() / (is_sanitized ? 4 : 1));
}

// Returns true if rounds() returns fewer than usual.
inline bool is_abridged() { return is_sanitized || slowness_of_machine() > 1; }

}  // namespace spawncheck
