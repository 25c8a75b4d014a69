// SPDX-License-Identifier: MIT
//
// The worlds of litmus tests, and which operands are tried in each.
#pragma once

#include "model/scenario/operation.h"

#include <array>
#include <span>
#include <string_view>
#include <vector>

namespace spawncheck::litmus {

struct World {
  std::string_view name, text;
  std::string_view letters;  // operations are tried whose operands have these letters only
  bool creators;             // and those without operands
  bool flags;                // with and without close-on-exec
  std::vector<std::int32_t> f, n, r;  // for the letters of operation.h
  std::vector<std::int32_t> names;
  std::vector<std::int32_t> signals;
  std::vector<std::uint64_t> sets;
  std::string_view left_out;       // words of operations, each between spaces
  std::string_view shapes;         // of "pair", "chain" and "triple"
};

std::span<const World> worlds();

}  // namespace spawncheck::litmus
