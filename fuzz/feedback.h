// SPDX-License-Identifier: MIT
//
// Coverage beyond edges: what happened in a run, as features that libFuzzer counts like edges. AFL++ goes by
// edges alone.
#pragma once

#include <cstdint>

#include "model/scenario/history.h"
#include "model/scenario/scenario.h"

namespace spawncheck::fuzz {

void note(std::uint64_t feature);

// Each operation with its errno; for each two that overlapped, which they were and who returned first.
void note_history(const Scenario&, const sc_history&);

}  // namespace spawncheck::fuzz
