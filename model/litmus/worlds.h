// SPDX-License-Identifier: MIT
//
// The worlds of litmus tests, and which operands are tried in each.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/scenario/operation.h"

namespace spawncheck::litmus {

struct World {
  std::string_view name, text;
  std::string_view letters;  // operations are tried whose operands have only these letters
  bool creators = false;     // also operations without operands
  bool flags = false;        // with and without close-on-exec
  std::vector<std::int32_t> f{}, n{}, r{}, names{}, signals{};  // for the letters f, n, r, N and s of operation.h
  std::vector<std::uint64_t> sets{};                            // for S
  std::string_view left_out{};                                  // words of excluded operations, each between spaces
  std::string_view shapes{};                                    // some of "pair", "chain" and "triple"
};

std::span<const World> worlds();

}  // namespace spawncheck::litmus
