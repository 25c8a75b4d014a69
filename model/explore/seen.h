// SPDX-License-Identifier: MIT
//
// The seen states by hash, each with the step that led to it: a table that several threads fill without locks while
// a level is expanded, and that one thread enlarges between two batches.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "model/kernel/state.h"

namespace spawncheck::explore {

// The step by which a state was reached: the parent state's number (states are numbered level by level), the actor and
// the outcome. Of several steps to one state the smallest is kept, which is the one that a single thread would have
// found first.
struct ParentEdge {
  static constexpr std::uint64_t root = 0;
  static std::uint64_t pack(std::uint64_t from, unsigned actor, unsigned outcome) {
    return (from + 1) << 16 | std::uint64_t{actor} << 8 | outcome;
  }
  static std::uint64_t from(std::uint64_t edge) { return (edge >> 16) - 1; }
  static unsigned actor(std::uint64_t edge) { return edge >> 8 & 0xff; }
  static unsigned outcome(std::uint64_t edge) { return edge & 0xff; }
};

class Seen {
 public:
  using Hash = model::Hash128;
  static constexpr std::uint64_t slot_bytes = 32;
  explicit Seen(std::uint64_t capacity);

  // Thread-safe while there is room. Returns true if the state is new.
  bool insert(Hash, std::uint64_t edge);
  std::uint64_t edge(Hash hash) const { return slot(hash)->edge.load(std::memory_order_relaxed); }
  // The caller must set a state's number when its level is complete, and not read the number before.
  void set_number(Hash hash, std::uint64_t number) { slot(hash)->number = number; }
  std::uint64_t number(Hash hash) const { return slot(hash)->number; }
  std::uint64_t size() const { return size_.load(std::memory_order_relaxed); }

  // For one thread only. make_room() makes room for `more` states, with at most two thirds of the slots taken.
  // bytes_for() tells the bytes needed for that, old and new table together while states move.
  std::uint64_t bytes_for(std::uint64_t more) const;
  void make_room(std::uint64_t more);

 private:
  // Two words make one key, each set once. The thread that sets the second word has inserted the state.
  struct Slot {
    std::atomic<std::uint64_t> low{0}, high{0};  // 0: unset
    std::atomic<std::uint64_t> edge{~0ull};
    std::uint64_t number = ~0ull;
  };
  static_assert(sizeof(Slot) == slot_bytes);
  static Hash key(Hash hash) { return {hash.high == 0 ? 1 : hash.high, hash.low == 0 ? 1 : hash.low}; }
  std::uint64_t capacity_for(std::uint64_t more) const;
  Slot* slot(Hash) const;

  std::uint64_t capacity_;
  std::unique_ptr<Slot[]> slots_;
  std::atomic<std::uint64_t> size_{0};
};

}  // namespace spawncheck::explore
