// SPDX-License-Identifier: MIT
//
// A set of descriptor numbers with false positives and no false negatives: it saves a walk over the keep-list for each
// of its entries, without allocation and in half a kilobyte of stack. Exact for numbers that differ by less than 4096.
#pragma once

#include <stdint.h>

namespace spawncheck_spawn {

class NumberFilter {
 public:
  void add(int number) { word(number) |= bit(number); }
  bool may_have(int number) const { return (words_[index(number)] & bit(number)) != 0; }

 private:
  static constexpr unsigned numbers = 4096;
  static unsigned index(int number) { return static_cast<unsigned>(number) % numbers / 64; }
  static uint64_t bit(int number) { return 1ull << (static_cast<unsigned>(number) % 64); }
  uint64_t& word(int number) { return words_[index(number)]; }

  uint64_t words_[numbers / 64] = {};
};

}  // namespace spawncheck_spawn
