// SPDX-License-Identifier: MIT
//
// Random scenarios that mean something: valid, small, and about one subject each.
//
// A scenario belongs to a family, which decides what its threads do. The families and their weights are
// one table (generate.cpp); features() says what a scenario contains, so that a test can show the
// distribution and require every operation, policy, program and feature in it.
#pragma once

#include "model/scenario/random.h"
#include "model/scenario/scenario.h"

#include <cstdint>
#include <string>
#include <vector>

namespace spawncheck {

enum class Family : std::uint8_t { keep_list, policies, close_range, calls, signals, errors, attributes, races, two_spawns, released, limits };
inline constexpr int family_count = 11;
std::string_view name(Family);

struct GenerateOptions {
  std::uint32_t policies = 7;      // bit (1 << SPAWNCHECK_FDS_*): those that may be asked for
  std::uint32_t sets = 127;        // SPAWNCHECK_SET_*: those that may be asked for
  std::uint32_t families = ~0u;    // bit per Family
  std::uint32_t threads_max = 3;
};

// With no family or no policy allowed: the keep-list family, the policy `only`.
Scenario generate(Random&, const GenerateOptions& = {});

// What is in it: operation words, "policy:only", "program:hold", "kind:memfd", and swap, cycle, chain,
// identity, fan-out, closed-source, duplicate-target, wide, race, two-spawns, probe, group-signal, ...
std::vector<std::string> features(const Scenario&);

}  // namespace spawncheck
