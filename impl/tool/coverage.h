// SPDX-License-Identifier: MIT
//
// Which features the scenarios of a search had, and which of them met in one scenario.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "model/scenario/scenario.h"

namespace spawncheck::tool {

class Coverage {
 public:
  Coverage();
  void add(const Scenario&);
  // A line for each feature: in how many scenarios it was, how many other features it met there, and some that it did
  // not meet.
  std::string table() const;
  // {"scenarios": n, "features": {WORD: n, ...}, "pairs": {WORD: {WORD: n, ...}, ...}}; a pair stands below the word
  // that comes first.
  nlohmann::json to_json() const;

 private:
  std::uint64_t& met(std::size_t a, std::size_t b) { return met_[a * words_.size() + b]; }
  std::uint64_t met(std::size_t a, std::size_t b) const { return met_[a * words_.size() + b]; }
  const std::vector<std::string>& words_;  // ascending
  std::vector<std::uint64_t> met_;         // the pair of a word with itself counts the scenarios with the word
  std::uint64_t scenarios_ = 0;
};

}  // namespace spawncheck::tool
