// SPDX-License-Identifier: MIT
#include "model/explore/seen.h"

#include <bit>

namespace spawncheck::explore {

Seen::Seen(std::uint64_t capacity) : capacity_(std::bit_ceil(capacity)), slots_(std::make_unique<Slot[]>(capacity_)) {}

namespace {

// Sets the word to `value` if it is 0. Returns true if it is `value` now; set_here: this call set it.
bool is_set_to(std::atomic<std::uint64_t>& word, std::uint64_t value, bool& set_here) {
  std::uint64_t there = word.load(std::memory_order_acquire);
  set_here = there == 0 && word.compare_exchange_strong(there, value, std::memory_order_acq_rel);
  return set_here || there == value;
}

}  // namespace

bool Seen::insert(Hash hash, std::uint64_t edge) {
  hash = key(hash);
  for (std::uint64_t at = hash.low & (capacity_ - 1);; at = (at + 1) & (capacity_ - 1)) {
    Slot& slot = slots_[at];
    bool is_first = false, is_new = false;
    if (!is_set_to(slot.low, hash.low, is_first) || !is_set_to(slot.high, hash.high, is_new)) continue;
    std::uint64_t known = slot.edge.load(std::memory_order_relaxed);
    while (edge < known && !slot.edge.compare_exchange_weak(known, edge, std::memory_order_relaxed)) {
    }
    if (is_new) size_.fetch_add(1, std::memory_order_relaxed);
    return is_new;
  }
}

Seen::Slot* Seen::slot(Hash hash) const {
  hash = key(hash);
  std::uint64_t at = hash.low & (capacity_ - 1);
  while (slots_[at].low.load(std::memory_order_relaxed) != hash.low ||
         slots_[at].high.load(std::memory_order_relaxed) != hash.high)
    at = (at + 1) & (capacity_ - 1);
  return &slots_[at];
}

std::uint64_t Seen::capacity_for(std::uint64_t more) const {
  const std::uint64_t needed = (size() + more) * 3 / 2;
  return needed <= capacity_ ? capacity_ : std::bit_ceil(needed);
}

std::uint64_t Seen::bytes_for(std::uint64_t more) const {
  const std::uint64_t capacity = capacity_for(more);
  return (capacity == capacity_ ? capacity : capacity + capacity_) * slot_bytes;
}

void Seen::make_room(std::uint64_t more) {
  const std::uint64_t capacity = capacity_for(more);
  if (capacity == capacity_) return;
  auto old = std::move(slots_);
  const std::uint64_t old_capacity = capacity_;
  capacity_ = capacity;
  slots_ = std::make_unique<Slot[]>(capacity);
  for (std::uint64_t i = 0; i < old_capacity; ++i) {
    const std::uint64_t low = old[i].low.load(std::memory_order_relaxed);
    if (low == 0) continue;
    std::uint64_t at = low & (capacity - 1);
    while (slots_[at].low.load(std::memory_order_relaxed) != 0) at = (at + 1) & (capacity - 1);
    slots_[at].low.store(low, std::memory_order_relaxed);
    slots_[at].high.store(old[i].high.load(std::memory_order_relaxed), std::memory_order_relaxed);
    slots_[at].edge.store(old[i].edge.load(std::memory_order_relaxed), std::memory_order_relaxed);
    slots_[at].number = old[i].number;
  }
}

}  // namespace spawncheck::explore
