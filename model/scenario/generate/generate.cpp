// SPDX-License-Identifier: MIT
#include "model/scenario/generate.h"

#include <algorithm>
#include <array>

#include "model/scenario/generate/generator.h"
#include "model/scenario/own.h"

namespace spawncheck {

namespace {

struct FamilyRow {
  std::string_view word;
  std::uint32_t weight;
};

constexpr FamilyRow families[] = {
#define SPAWNCHECK_ROW(id, word, weight, what) {word, weight},
    SPAWNCHECK_FAMILIES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

constexpr std::uint32_t weights_of(std::uint32_t chosen) {
  std::uint32_t sum = 0;
  for (int f = 0; f < family_count; ++f) sum += (chosen >> f & 1) != 0 ? families[f].weight : 0;
  return sum;
}

constexpr std::uint32_t round = weights_of(~0u);

// Smooth weighted round robin: each place gets the family that is furthest behind its share.
constexpr std::array<std::uint8_t, round> order_of_families() {
  std::array<std::uint8_t, round> order{};
  std::int32_t credit[family_count] = {};
  for (std::uint8_t& place : order) {
    int best = 0;
    for (int f = 0; f < family_count; ++f) {
      credit[f] += static_cast<std::int32_t>(families[f].weight);
      if (credit[f] > credit[best]) best = f;
    }
    credit[best] -= static_cast<std::int32_t>(round);
    place = static_cast<std::uint8_t>(best);
  }
  return order;
}

}  // namespace

std::string_view name(Family family) { return families[static_cast<std::size_t>(family)].word; }

Family family_in_turn(std::uint64_t i) {
  static constexpr auto order = order_of_families();
  return static_cast<Family>(order[i % round]);
}

Scenario generate(Random& random, const GenerateOptions& options) {
  GenerateOptions usable = options;
  if ((usable.families & ((1u << family_count) - 1)) == 0) usable.families = 1;
  usable.threads_max = std::clamp(usable.threads_max, 1u, static_cast<std::uint32_t>(SC_THREADS_MAX));
  Scenario scenario = generating::Generator(random, usable).run();
  suit(scenario, usable);
  return scenario;
}

void suit(Scenario& scenario, const GenerateOptions& options) {
  if (options.own_descriptors) make_own_only(scenario);
  if (options.waits) return;
  for (Thread& thread : scenario.threads) {
    std::erase_if(thread.operations, [](const sc_operation& op) { return op.kind == SC_OP_WAIT; });
    if (thread.operations.empty()) thread.operations.push_back(blank_operation(SC_OP_LOAD));
  }
}

namespace generating {

Scenario Generator::run() {
  static constexpr void (Generator::*makers[])() = {
#define SPAWNCHECK_ROW(id, word, weight, what) &Generator::id,
      SPAWNCHECK_FAMILIES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
  };
  std::uint32_t drawn = random_.below(weights_of(options_.families));
  for (int f = 0; f < family_count; ++f) {
    if ((options_.families >> f & 1) == 0) continue;
    if (drawn < families[f].weight) {
      (this->*makers[f])();
      break;
    }
    drawn -= families[f].weight;
  }
  if (options_.varies) vary();
  add_window();
  repair(scenario_);
  return std::move(scenario_);
}

}  // namespace generating

}  // namespace spawncheck
