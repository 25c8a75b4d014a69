// SPDX-License-Identifier: MIT
//
// Mapping, protecting, touching and unmapping a stack costs a fifth of a whole spawn, so a few areas are kept. Hazards,
// and what is done:
//
// - Two spawns on one stack. A spawn takes an area out of its slot by an atomic exchange: an area in a slot has no
//   owner, an area that was taken has one. There is no lock and no thread-local variable: a signal handler that spawns
//   while its thread spawns takes another area, or maps one.
// - fork(2) meanwhile. Each process has its own copy of the slots and
//   of the areas in them. An area that was taken
//   at that instant stays mapped in the new process, unused.
// - Memory kept for good. At most areas_max areas of a few pages each, no more than ran at once; a
//   request with a long keep-list gets a mapping of its own, which is unmapped when the spawn returns.
//
// Rejected: a piece of the caller's stack, which has no guard and may be a small alternate stack; MAP_GROWSDOWN,
// which may grow down until it touches the mapping below it, without a gap (mmap(2)).
#include "area.h"

#include <sys/mman.h>

#include "system.h"

namespace spawncheck_spawn {

namespace {

constexpr size_t page = 4096, guard_size = 16 * page, steps_size = 4 * page;
constexpr size_t usual_size = guard_size + Area::stack_size + steps_size;
constexpr int areas_max = 16;

// Bases of areas of the usual size, with their guards; null: an empty slot.
char* kept[areas_max];

char* take() {
  for (char*& slot : kept) {
    if (__atomic_load_n(&slot, __ATOMIC_RELAXED) == nullptr) continue;  // empty: a plain read suffices
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
