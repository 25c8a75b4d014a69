// SPDX-License-Identifier: MIT
//
// A set of small numbers below a bound that its owner sets; one word if 64 are enough.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "model/kernel/state.h"

namespace spawncheck::explore {

class Bits {
 public:
  // Sets the bound to `count`, with all numbers below it in the set or none.
  void assign(std::size_t count, bool are_in) {
    words_.assign((count + 63) / 64, are_in ? ~std::uint64_t{0} : 0);
    if (are_in && count % 64 != 0) words_.back() = (std::uint64_t{1} << count % 64) - 1;
  }
  void remove(std::size_t n) { words_[n / 64] &= ~(std::uint64_t{1} << n % 64); }
  bool has(std::size_t n) const { return (words_[n / 64] >> n % 64 & 1) != 0; }
  bool is_empty() const {
    return std::all_of(words_.begin(), words_.end(), [](std::uint64_t w) { return w == 0; });
  }
  model::Hash128 hash(model::Hash128 h) const {
    h = model::mix(h, words_.size());
    for (const std::uint64_t w : words_) h = model::mix(h, w);
    return h;
  }

 private:
  model::SmallVector<std::uint64_t, 1> words_;
};

}  // namespace spawncheck::explore
