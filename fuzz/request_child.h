// SPDX-License-Identifier: MIT
//
// A child against its request, seen from outside, and what of a caller must not change.
#pragma once

#include <spawncheck/spawn/request.h>

#include <string>

namespace spawncheck::fuzz {

// Descriptors below 110 with their flags and files, mask, dispositions, credentials, umask, directory, limits,
// priority, CPUs, dumpable: of this process, as text to compare.
std::string caller_state();

// What of the child is not as requested; empty: nothing. The child runs spawncheck-hold, its caller is this process.
std::string child_is_wrong(const spawn_request&, const spawn_result&);

}  // namespace spawncheck::fuzz
