// SPDX-License-Identifier: MIT
//
// close_range(2)'s two walks over a table that other threads use meanwhile: the closing walk drops the lock between
// two descriptors (fs/file.c __range_close); the copying walk drops it to allocate, and races with the lockless
// fd_install (dup_fd). Explores every interleaving, from every small table, for every range and combination of
// flags.
#pragma once

#include "model/explore/refine.h"

namespace spawncheck::refine {

enum class Walk : std::uint8_t {
  close,         // 7.4: with CLOSE_RANGE_EXCEPT the walk skips the range that stays open
  close_no_hop,  // a planted bug: does not skip
  copy_old,      // before 7.4: copies everything below the size, then closes in the copy
  copy_new,      // 7.4: does not copy what is dropped
  copy_unlocked  // a planted bug: does not compute the size again after the allocation
};

enum class RaceProperty : std::uint8_t {
  closes_selected,  // when a descriptor is closed, it is in the range and has the flag that the call asks for
  stays_inside,     // the walk stays inside the table
  copy_ok,          // in the copy every file has its open bit
  kept_copied,      // what was open and not dropped when the size was last computed is in the copy
  dropped_left,     // the finished copy has nothing that the range drops
  untransient       // the copy referenced nothing that is dropped; checked for copy_new only
};
std::string_view name(RaceProperty);
std::string_view name(Walk);

struct RaceReport {
  std::uint64_t states = 0;
  std::optional<RaceProperty> violation;
  std::string example;  // the table and the call
};

// `bits`: slots in a word, 1 to 3. The table begins with one word and may grow to two, or to three words of one slot.
RaceReport explore_walk(Walk, unsigned bits);

}  // namespace spawncheck::refine
