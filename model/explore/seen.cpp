// SPDX-License-Identifier: MIT
#include "model/explore/seen.h"

#include <bit>

namespace spawncheck::explore {

Seen::Seen(std::uint64_t capacity) : capacity_(std::bit_ceil(capacity)), slots_(std::make_unique<Slot[]>(capacity_)) {}

bool Seen::insert(std::uint64_t hash, std::uint64_t came) {
  hash = key(hash);
  for (std::uint64_t at = hash & (capacity_ - 1);; at = (at + 1) & (capacity_ - 1)) {
    Slot& slot = slots_[at];
    std::uint64_t there = slot.hash.load(std::memory_order_acquire);
    const bool is_new = there == 0 && slot.hash.compare_exchange_strong(there, hash, std::memory_order_acq_rel);
    if (!is_new && there != hash) continue;
    std::uint64_t known = slot.came.load(std::memory_order_relaxed);
    while (came < known && !slot.came.compare_exchange_weak(known, came, std::memory_order_relaxed)) {}
    if (is_new) size_.fetch_add(1, std::memory_order_relaxed);
    return is_new;
  }
}

Seen::Slot* Seen::slot(std::uint64_t hash) const {
  hash = key(hash);
  std::uint64_t at = hash & (capacity_ - 1);
  while (slots_[at].hash.load(std::memory_order_relaxed) != hash) at = (at + 1) & (capacity_ - 1);
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
    const std::uint64_t hash = old[i].hash.load(std::memory_order_relaxed);
    if (hash == 0) continue;
    std::uint64_t at = hash & (capacity - 1);
    while (slots_[at].hash.load(std::memory_order_relaxed) != 0) at = (at + 1) & (capacity - 1);
    slots_[at].hash.store(hash, std::memory_order_relaxed);
    slots_[at].came.store(old[i].came.load(std::memory_order_relaxed), std::memory_order_relaxed);
    slots_[at].number = old[i].number;
  }
}

}  // namespace spawncheck::explore
