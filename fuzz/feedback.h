// SPDX-License-Identifier: MIT
//
// Coverage beyond edges: what happened in a run, as features that both engines count like edges. $SPAWNCHECK_FEEDBACK
// says which: none, or overlaps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/scenario/history.h"
#include "model/scenario/scenario.h"

namespace spawncheck::fuzz {

// What $SPAWNCHECK_FEEDBACK says; false: it says nothing that is known. Before the first run.
bool choose_feedback();

void note(std::uint64_t feature);

// Which pairs of operations have overlapped, and how, is also kept in the file that $SPAWNCHECK_PAIRS names, a byte
// each, whether they are feedback or not: for all processes of a campaign together (fuzz/campaign/store.py). Does
// nothing where the variable is not set.
inline constexpr std::size_t pair_bytes = 64 * 64 * 4;
bool share_pairs();  // false, with errno: the file cannot be mapped

// Each operation with its errno; for each two that overlapped, which they were and who returned first.
void note_history(const Scenario&, const sc_history&);

}  // namespace spawncheck::fuzz
