// SPDX-License-Identifier: MIT
//
// A recorded system call, and an operation of a scenario, as C.
#pragma once

#include <optional>
#include <string>

#include "impl/reproducer/recorded.h"

namespace spawncheck {

// Returns a call of a spawn as an expression, as in `dup3(5, 3, 0)`; not for calls that start a child, exec or exit. If
// the call cannot be written, `why` says why.
std::string call_text(const Recorded&, const sc_step&, std::string& why);

// Returns true if the call only asks, and no task can see the answer: the program leaves it out.
bool only_asks(const sc_step&);

// Returns the statements of an operation, which store its results in v[]. `id`: the operation's number in the program.
std::string operation_text(const Recorded&, unsigned thread, unsigned operation, unsigned id);
std::string world_text(const sc_world&);  // the lines that make the initial world
std::string operand_text(const sc_operand&, unsigned thread);
std::string program_text(const sc_request&);  // the path of what is exec'd: a variable of the program
std::string hex(std::uint64_t);
std::string signal_text(int signal);

}  // namespace spawncheck
