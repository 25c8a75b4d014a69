// SPDX-License-Identifier: MIT
//
// Mapping, protecting, touching and unmapping a stack costs a fifth of a whole spawn, so a few areas are kept. Hazards,
// and what is done:
//
// - Two spawns on one stack. An area is taken out of its slot by an exchange: what is in a slot is nobody's, what was
//   taken is one spawn's. Neither a lock nor a thread's own variable: a handler that spawns while its thread does takes
//   another one, or maps one.
// - fork(2) meanwhile. Both processes have their own copy of the slots and of what is in them. An area that was taken
// at
//   that instant stays mapped in the new process, where nobody runs on it.
// - Memory kept for good. At most areas_max, as many as ever spawned at once, of which each has a few pages; a
//   request with a long keep-list has a mapping of its own, gone when the spawn returns.
//
// Rejected: a piece of the caller's stack, which has no guard there and may be a small alternate one; MAP_GROWSDOWN,
// which grows down to the mapping below and has no gap where that one is next to it (mmap(2)).
#include "area.h"

#include <sys/mman.h>

#include "system.h"

namespace spawncheck_spawn {

namespace {

constexpr size_t page = 4096, guard_size = 16 * page, steps_size = 4 * page;
constexpr size_t usual_size = guard_size + Area::stack_size + steps_size;
constexpr int areas_max = 16;

// Bases of areas of the usual size, guards in place; null: empty.
char* kept[areas_max];

char* take() {
  for (char*& slot : kept) {
    if (__atomic_load_n(&slot, __ATOMIC_RELAXED) == nullptr) continue;  // a plain read, where there is nothing to take
    if (char* base = __atomic_exchange_n(&slot, nullptr, __ATOMIC_ACQUIRE)) return base;
  }
  return nullptr;
}

bool keep(char* base) {
  for (char*& slot : kept) {
    char* empty = nullptr;
    if (__atomic_load_n(&slot, __ATOMIC_RELAXED) != nullptr) continue;
    if (__atomic_compare_exchange_n(&slot, &empty, base, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) return true;
  }
  return false;
}

}  // namespace

Area::Area(size_t step_bytes, bool is_shared) : is_shared_(is_shared), size_(usual_size) {
  if (step_bytes > steps_size || is_shared)
    size_ = guard_size + stack_size + (step_bytes + page - 1) / page * page;
  else if ((base_ = take()) != nullptr)
    return;
  const long at = call(SYS_mmap, nullptr, size_, PROT_READ | PROT_WRITE,
                       (is_shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at < 0 && at > -4096) {
    error_ = static_cast<int>(-at);
    return;
  }
  base_ = reinterpret_cast<char*>(at);
  call(SYS_mprotect, base_, guard_size, PROT_NONE);
}

Area::~Area() {
  if (base_ == nullptr || (!is_shared_ && size_ == usual_size && keep(base_))) return;
  call(SYS_munmap, base_, size_);
}

char* Area::stack() const { return base_ + guard_size; }
spawn_step* Area::steps() const { return reinterpret_cast<spawn_step*>(base_ + guard_size + stack_size); }

}  // namespace spawncheck_spawn
