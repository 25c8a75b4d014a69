// SPDX-License-Identifier: MIT
//
// Livelock: is there a cycle in a graph of states, whose steps can be made for ever?
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace spawncheck::explore {

struct Edge {
  std::uint32_t from, to;
};

// Returns the smallest state in 0..states-1 that is on a cycle or on a path from one cycle to another; nullopt if
// every path ends. Linear in states and edges.
std::optional<std::uint32_t> state_on_cycle(std::uint32_t states, const std::vector<Edge>& edges);

}  // namespace spawncheck::explore
