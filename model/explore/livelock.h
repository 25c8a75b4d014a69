// SPDX-License-Identifier: MIT
//
// Is there a way round in a graph of states: steps that somebody can make for ever and get nowhere?
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace spawncheck::explore {

struct Edge {
  std::uint32_t from, to;
};

// A state on a circle of 0..states-1, or one from which every way ends in a circle; of these the smallest that is on
// one. None: every path ends. Linear in states and edges.
std::optional<std::uint32_t> state_on_a_circle(std::uint32_t states, const std::vector<Edge>& edges);

}  // namespace spawncheck::explore
