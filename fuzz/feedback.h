// SPDX-License-Identifier: MIT
//
// Coverage beyond edges: what happened in a run, as features that both engines count like edges. $SPAWNCHECK_FEEDBACK
// says which: none, overlaps, reads-from, both.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fuzz/reads_from.h"

namespace spawncheck::fuzz {

// What $SPAWNCHECK_FEEDBACK says; false: it says nothing that is known. Before the first run.
bool choose_feedback();

void note(std::uint64_t feature);

// Which pairs have been met, whether they are feedback or not, is also kept in the file that $SPAWNCHECK_PAIRS names, a
// byte each: for all processes of a campaign together (fuzz/campaign/store.py). Does nothing where the variable is not
// set.
inline constexpr std::size_t pair_bytes = 64 * 64 * 4;
bool share_pairs();  // false, with errno: the file cannot be mapped

// Each operation with its errno; for each two that overlapped, which they were and who returned first; the reads-from
// pairs that are certain.
void note_history(const Scenario&, const sc_history&);
void note_steps(const Scenario&, const std::vector<Event>& run);  // of a scheduled run: its reads-from pairs

}  // namespace spawncheck::fuzz
