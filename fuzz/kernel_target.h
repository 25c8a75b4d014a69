// SPDX-License-Identifier: MIT
//
// What the two targets on the kernel share. The implementation is $SPAWNCHECK_IMPLEMENTATION, the
// reference where that is not set. Scenarios run in the arena, never in the fuzzer's own process.
#pragma once

#include <cstdint>

#include "model/scenario/scenario.h"

namespace spawncheck::fuzz {

void start_session(const char* target);
// Runs and judges; a violation, and a broken run, is a finding. Seed 0 provokes no race.
void run_and_judge(const char* target, const Scenario&, std::uint64_t seed);
// One scheduled run, led by POS.
void run_scheduled_and_judge(const char* target, const Scenario&, std::uint64_t seed);

}  // namespace spawncheck::fuzz
