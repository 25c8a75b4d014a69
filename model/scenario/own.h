// SPDX-License-Identifier: MIT
//
// Do the threads of a scenario touch only what is theirs? A library may have descriptors of its own in the caller's
// table, during a call or for good. Whoever closes such a number, puts something else there or duplicates it breaks the
// library, which says nothing about it. Theirs is what a thread has opened itself, and what the world has put at a
// number.
#pragma once

#include "model/scenario/scenario.h"

namespace spawncheck {

// Each number that a thread closes, replaces, marks or duplicates is then open by the scenario's own doing, whatever
// the order of the operations:
// - a variable's, of an operation that opens a new number, before the thread closes it;
// - one of the world, which some operation closes at most once and then nobody replaces.
// close_range(2) names numbers that nobody has opened, and has no place there. The sources of keep-lists are not looked
// at: a spawn touches nothing.
bool touches_own_only(const Scenario&);

// Likewise each source of a keep-list. A closed one may be a descriptor of the implementation's for a moment.
bool keeps_own_only(const Scenario&);

// Both.
bool is_own_only(const Scenario&);

// Leaves out, or replaces by one that opens something new, each operation that is against it. Where there are several
// threads, also each kept source that keeps_own_only() is against: a thread alone may ask for a closed one.
void make_own_only(Scenario&);

// Does an operation close, replace, mark, duplicate or keep what is at this number, by its number?
bool names_number(const Scenario&, std::int32_t number);

}  // namespace spawncheck
