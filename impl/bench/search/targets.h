// SPDX-License-Identifier: MIT
//
// The targets of a search: bugs that only some interleavings of several threads show.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "impl/bench/search/statistics.h"
#include "impl/session/session.h"

namespace spawncheck {

struct Target {
  std::string group, name;     // "mutants", "listed-before"
  std::string implementation;  // as for a session
  std::string scenario;        // its text; empty: scenarios are drawn, as `spawncheck check` draws them
};

// Every racing bug of impl/mutants, reorder and twostage for several numbers of threads, racing peers.
std::vector<Target> search_targets();

// Searches from a seed with a scheduler until a violation or the bound on schedules. Returns nothing if it was stopped
// before either.
std::optional<Trial> try_target(Session&, const Target&, const std::string& search, std::uint64_t seed,
                                std::uint64_t schedules_max, const std::function<bool()>& is_over);

}  // namespace spawncheck
