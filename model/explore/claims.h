// SPDX-License-Identifier: MIT
//
// Ways to start a process that the kernel discussion of May 2026 argued about, as plans that the explorer can run: each
// is a claim, proved within the bounds of a scenario or refuted by a shortest counterexample.
#pragma once

#include <string_view>

#include "model/explore/simulate.h"

namespace spawncheck::explore {

// Columns: enumerator, word, the behaviours that the way needs, what it does.
#define SPAWNCHECK_WAYS(X)                                                                                           \
  X(FORK, "fork", "",                                                                                                \
    "fork, then exec, the caller waiting for it: the table is copied whole; close-on-exec does the rest")            \
  X(VFORK, "vfork", "", "CLONE_VM|CLONE_VFORK, then exec: likewise, on the parent's memory")                         \
  X(SHARED_UNSHARE, "shared-unshare", "close-range",                                                                 \
    "CLONE_FILES, then close_range(0, ~0, UNSHARE); nothing can be kept")                                            \
  X(SHARED_GAPS, "shared-gaps", "close-range",                                                                       \
    "CLONE_FILES, then close_range of each gap between what is kept, UNSHARE on the first")                          \
  X(SHARED_GAPS_LATE, "shared-gaps-late", "close-range", "likewise, but UNSHARE only on the last")                   \
  X(SHARED_CLEAR_FIRST, "shared-clear-first", "close-range",                                                         \
    "CLONE_FILES, close-on-exec cleared on what is kept, then close_range UNSHARE of the gaps")                      \
  X(SHARED_EXEC, "shared-exec", "", "CLONE_FILES, then exec, which unshares by itself")                              \
  X(NO_VFORK, "no-vfork", "close-range", "CLONE_VM|CLONE_FILES without CLONE_VFORK, close_range of the gaps, exec")  \
  X(NOT_BLOCKED, "handlers-kept", "close-range",                                                                     \
    "CLONE_VM|CLONE_VFORK with handlers and without blocking signals in the child")                                  \
  X(FETCHED, "fetched", "close-range pidfd-getfd pidfd-thread",                                                      \
    "CLONE_FILES, then close_range(0, ~0, UNSHARE), then pidfd_getfd of each kept one from the caller")              \
  X(ARRAY, "array", "close-range wishes",                                                                            \
    "CLONE_FILES, then one call that keeps an array of numbers and drops the rest")                                  \
  X(EMPTY, "empty-builder", "wishes",                                                                                \
    "a child that starts with nothing, and is given each kept descriptor one by one")                                \
  X(EXCEPT_CLOEXEC, "except-cloexec", "close-range close-range-except",                                              \
    "CLONE_FILES, then close_range(k, k, UNSHARE|EXCEPT|CLOEXEC_ONLY): every close-on-exec descriptor goes but one") \
  X(EXCEPT, "except", "close-range close-range-except",                                                              \
    "CLONE_FILES, then close_range(k, k, UNSHARE|EXCEPT): everything goes but one")

enum class Way : std::uint8_t {
#define SPAWNCHECK_ROW(id, word, needs, what) id,
  SPAWNCHECK_WAYS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
      count
};

std::string_view word(Way);
std::string_view needs(Way);  // words of model/kernel/behaviours.h, separated by spaces

// The way's planner; empty if unknown. Kept entries move in list order; the scenario's keep-list must allow that.
Planner planner_of(std::string_view word);

}  // namespace spawncheck::explore
