// SPDX-License-Identifier: MIT
//
// Maps an operation of a scenario to the system call it makes.
#pragma once

#include <optional>

#include "model/kernel/call.h"
#include "model/scenario/scenario.h"

namespace spawncheck::model {

// What an operation needs beyond its text: its operands as numbers (a variable has the result of its
// operation, -1 if that failed), and the identities of the files it creates.
struct Resolved {
  std::int32_t operand[2] = {-1, -1};
  std::uint64_t identity = 0;       // sc_identity_of_op()
  std::uint64_t inode[2] = {0, 0};  // of the two ends of a pipe or socketpair, 0: unknown
};

// Returns nullopt for spawn, wait and kill_child: the implementation decides what they do, or they depend on pids.
std::optional<Call> call_of(const sc_operation&, const Resolved&);

// Returns true if an operation of the scenario may change RLIMIT_NOFILE (State::has_limit_changes).
bool changes_limits(const Scenario&);

}  // namespace spawncheck::model
