// SPDX-License-Identifier: MIT
//
// Compares a child, seen from outside, with its request; and the caller's state that a spawn must not change.
#pragma once

#include <spawncheck/spawn/request.h>

#include <string>

namespace spawncheck::fuzz {

// Descriptors below 110 with their flags and files, mask, dispositions, credentials, umask, directory, limits,
// priority, CPUs, dumpable: the state of this process, as text to compare.
std::string caller_state();

// What in the child is not as requested; empty: nothing. This process must be the caller, spawncheck-hold the program.
std::string child_is_wrong(const spawn_request&, const spawn_result&);

}  // namespace spawncheck::fuzz
