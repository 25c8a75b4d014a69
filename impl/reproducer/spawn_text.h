// SPDX-License-Identifier: MIT
//
// A spawn as C: the recorded calls written out, posix_spawn(3), or a call of a shared object.
#pragma once

#include <string>
#include <vector>

#include "impl/reproducer/order.h"

namespace spawncheck {

enum class Form { calls, posix_spawn, object };

struct SpawnPlace {
  unsigned thread, operation;
  unsigned index;  // among the program's spawns
};

// Returns the function spawn_THREAD_OPERATION and what it needs. If it cannot be written, `why` says why.
std::string spawn_text(const Recorded&, const std::vector<RecordedEvent>&, const SpawnPlace&, Form, bool has_turns,
                       std::string& why);

// What Form::posix_spawn or Form::object needs once, in front of the spawns.
std::string form_text(Form, const std::string& implementation);

std::string begin_turn(const RecordedEvent&, bool has_turns);  // in front of an event's call
std::string end_turn(const RecordedEvent&, bool has_turns);    // behind it

}  // namespace spawncheck
