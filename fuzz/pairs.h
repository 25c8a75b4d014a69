// SPDX-License-Identifier: MIT
//
// Which pairs of operations have overlapped in the runs of a campaign: progress for its screen. The engines learn
// nothing of it: no benefit could be shown (README.md, "Feedback").
#pragma once

#include <cstddef>

#include "model/scenario/history.h"
#include "model/scenario/scenario.h"

namespace spawncheck::fuzz {

// The file that $SPAWNCHECK_PAIRS names has a byte for each pair, shared by all processes of a campaign
// (fuzz/campaign/store.py).
inline constexpr std::size_t pair_bytes = 64 * 64 * 4;

// Maps that file. Does nothing if the variable is not set. Returns false, with errno, if the file cannot be mapped.
bool share_pairs();

// Marks each two operations of different threads that overlapped: which they were, which began first, which returned
// first. Does nothing without a shared file.
void note_pairs(const Scenario&, const sc_history&);

}  // namespace spawncheck::fuzz
