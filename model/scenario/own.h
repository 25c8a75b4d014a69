// SPDX-License-Identifier: MIT
//
// Whether the threads of a scenario touch only their own descriptors. A library may have descriptors of its own in the
// caller's table, during a call or for good. A thread that closes such a number, replaces or duplicates its file breaks
// the library, which is no evidence against the library. A thread's own are those that it has opened, and those of the
// world.
#pragma once

#include "model/scenario/scenario.h"

namespace spawncheck {

// Returns true if each number that a thread closes, replaces, marks or duplicates was
// opened by the scenario itself, in every order of the operations: - a variable's, of an
// operation that opens a new number, before the thread closes it; - one of the world, which
// operations close at most once and never replace after that. close_range(2) names numbers
// that no thread has opened: false. The sources of keep-lists are ignored: a spawn touches
// nothing.
bool touches_own_only(const Scenario&);

// Likewise for each source of a keep-list. A closed source may for a moment be a descriptor of the implementation.
bool keeps_own_only(const Scenario&);

// touches_own_only() and keeps_own_only().
bool is_own_only(const Scenario&);

// Removes each operation that breaks touches_own_only(), or replaces it by one that opens a new file. With several
// threads also removes each source that breaks keeps_own_only(): a single thread may keep a closed one.
void make_own_only(Scenario&);

// Returns true if an operation closes, replaces, marks, duplicates or keeps the descriptor at this number by naming it.
bool names_number(const Scenario&, std::int32_t number);

}  // namespace spawncheck
