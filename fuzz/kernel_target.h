// SPDX-License-Identifier: MIT
//
// Shared by the two targets on the kernel. The implementation is $SPAWNCHECK_IMPLEMENTATION, or
// the reference if that is not set. Scenarios run in the arena, never in the fuzzer's own process.
#pragma once

#include <cstdint>

#include "model/scenario/scenario.h"

namespace spawncheck::fuzz {

void start_session(const char* target);
// Runs and judges. A violation or a broken run is a finding. Seed 0 provokes no race.
void run_and_judge(const char* target, const Scenario&, std::uint64_t seed);
// Makes one scheduled run, led by POS.
void run_scheduled_and_judge(const char* target, const Scenario&, std::uint64_t seed);

}  // namespace spawncheck::fuzz
