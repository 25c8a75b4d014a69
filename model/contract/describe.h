// SPDX-License-Identifier: MIT
//
// Observations as words, for reports.
#pragma once

#include <cstdint>
#include <string>

#include "model/scenario/history.h"

namespace spawncheck {

std::string describe(const sc_entry&);  // "memfd 3", "the read end of a pipe, close-on-exec"
std::string describe(const sc_key&);
std::string describe_error(int error);            // "EBADF"
std::string describe_signals(std::uint64_t set);  // "USR1 TERM", "none"

}  // namespace spawncheck
