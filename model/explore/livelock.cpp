// SPDX-License-Identifier: MIT
//
// Removes states without an outgoing edge, repeatedly (Kahn's topological order, from the ends): every remaining state
// leads to a cycle. Then removes states without an incoming edge likewise: every remaining state is on a cycle or on a
// path between two.
#include "model/explore/livelock.h"

#include <utility>

namespace spawncheck::explore {

namespace {

// Removes, repeatedly, states without an edge in the given direction. `gone`: the removed states.
void peel(std::uint32_t states, const std::vector<Edge>& edges, std::uint32_t Edge::*end, std::uint32_t Edge::*other,
          std::vector<bool>& gone) {
  std::vector<std::uint32_t> first(states + 1), degree(states), waiting;
  for (const Edge& e : edges) ++first[e.*other];
  for (std::uint32_t s = 0, sum = 0; s <= states; ++s) sum += std::exchange(first[s], sum);
  std::vector<std::uint32_t> into(edges.size()), next(first);
  for (const Edge& e : edges) {
    into[next[e.*other]++] = e.*end;
    if (!gone[e.*other]) ++degree[e.*end];
  }
  for (std::uint32_t s = 0; s < states; ++s)
    if (!gone[s] && degree[s] == 0) waiting.push_back(s);
  while (!waiting.empty()) {
    const std::uint32_t s = waiting.back();
    waiting.pop_back();
    gone[s] = true;
    for (std::uint32_t i = first[s]; i < first[s + 1]; ++i)
      if (!gone[into[i]] && --degree[into[i]] == 0) waiting.push_back(into[i]);
  }
}

}  // namespace

std::optional<std::uint32_t> state_on_cycle(std::uint32_t states, const std::vector<Edge>& edges) {
  std::vector<bool> gone(states);
  peel(states, edges, &Edge::from, &Edge::to, gone);
  peel(states, edges, &Edge::to, &Edge::from, gone);
  for (std::uint32_t s = 0; s < states; ++s)
    if (!gone[s]) return s;
  return std::nullopt;
}

}  // namespace spawncheck::explore
