// SPDX-License-Identifier: MIT
#include "fuzz/mutator.h"

#include <utility>

#include "model/scenario/generate.h"
#include "model/scenario/mutate.h"

namespace spawncheck::fuzz {

namespace {

// Damages a few bytes: the parser's error paths are worth inputs too.
std::string damage(std::string_view text, Random& random) {
  std::string out(text);
  const std::uint32_t count = 1 + random.below(3);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t at = random.below(static_cast<std::uint32_t>(out.size() + 1));
    switch (random.below(3)) {
      case 0:
        out.insert(at, 1, static_cast<char>(random.below(256)));
        break;
      case 1:
        if (at < out.size()) out[at] = static_cast<char>(random.below(256));
        break;
      default:
        if (at < out.size()) out.erase(at, 1 + random.below(4));
    }
  }
  return out.empty() ? "\n" : out;
}

std::string fitting(std::string text, std::string_view otherwise, std::size_t bytes_max) {
  return text.size() <= bytes_max ? std::move(text) : std::string(otherwise.substr(0, bytes_max));
}

}  // namespace

std::string mutate_text(std::string_view text, std::size_t bytes_max, std::uint64_t seed) {
  Random random(seed);
  auto parsed = parse(text);
  const Scenario* scenario = std::get_if<Scenario>(&parsed);
  if (random.chance(1, 64)) return fitting(damage(text, random), text, bytes_max);
  if (scenario == nullptr || random.chance(1, 64)) return fitting(print(generate(random)), text, bytes_max);
  return fitting(print(mutate(*scenario, random)), text, bytes_max);
}

std::string cross_text(std::string_view a, std::string_view b, std::size_t bytes_max, std::uint64_t seed) {
  Random random(seed);
  auto first = parse(a), second = parse(b);
  const Scenario *x = std::get_if<Scenario>(&first), *y = std::get_if<Scenario>(&second);
  if (x == nullptr || y == nullptr) return mutate_text(a, bytes_max, seed);
  return fitting(print(cross(*x, *y, random)), a, bytes_max);
}

}  // namespace spawncheck::fuzz
