// SPDX-License-Identifier: MIT
//
// Scenarios for rapidcheck: drawn by generate(), shrunk by smaller().
#pragma once

#include <rapidcheck.h>

#include <ostream>

#include "model/scenario/generate.h"
#include "model/scenario/shrink.h"

namespace spawncheck {

inline void showValue(const Scenario& scenario, std::ostream& out) { out << "\n" << print(scenario); }

inline rc::Gen<Scenario> arbitrary_scenario(GenerateOptions options = {}) {
  const auto drawn =
      rc::gen::map(rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>()), [options](std::uint64_t seed) {
        Random random(seed);
        return generate(random, options);
      });
  return rc::gen::shrink(drawn, [](const Scenario& scenario) { return rc::seq::fromContainer(smaller(scenario)); });
}

}  // namespace spawncheck
