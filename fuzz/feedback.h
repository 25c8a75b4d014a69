// SPDX-License-Identifier: MIT
//
// Coverage beyond edges: what happened in a run, as features that both engines count like edges. $SPAWNCHECK_FEEDBACK
// selects them: none, or overlaps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/scenario/history.h"
#include "model/scenario/scenario.h"

namespace spawncheck::fuzz {

// Reads $SPAWNCHECK_FEEDBACK; call it before the first run. Returns false if the value is unknown.
bool choose_feedback();

void note(std::uint64_t feature);

// Also keeps which pairs of operations have overlapped, and how, in the file that $SPAWNCHECK_PAIRS names, one byte
// each, whether they are feedback or not, for all processes of a campaign together (fuzz/campaign/store.py). Does
// nothing if the variable is not set.
inline constexpr std::size_t pair_bytes = 64 * 64 * 4;
bool share_pairs();  // false, with errno: the file cannot be mapped

// Notes each operation with its errno, and each overlapping pair with the one that returned first.
void note_history(const Scenario&, const sc_history&);

}  // namespace spawncheck::fuzz
