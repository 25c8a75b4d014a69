// SPDX-License-Identifier: MIT
//
// close_range(2)'s two walks over a table that other threads use meanwhile: the closing one, which drops the lock
// between two descriptors (fs/file.c __range_close), and the copying one, which drops it to allocate and is passed by
// the lockless fd_install (dup_fd). From every small table, for every range and combination of flags, every
// interleaving.
#pragma once

#include "model/explore/refine.h"

namespace spawncheck::refine {

enum class Walk : std::uint8_t {
  close,         // 7.4: with CLOSE_RANGE_EXCEPT it hops over the window that stays
  close_no_hop,  // a planted bug: without the hop
  copy_old,      // before 7.4: everything below the size is copied, then closed from the copy
  copy_new,      // 7.4: what is dropped stays behind
  copy_unlocked  // a planted bug: the size is not taken again after the allocation
};

enum class RaceProperty : std::uint8_t {
  closes_selected,  // what is closed is in the range, and has the flag that is asked for, at that moment
  stays_inside,     // the walk stays inside the table
  copy_ok,          // no file without its open bit in the copy
  kept_copied,      // what was open and is not dropped when the size was last taken is in the copy
  dropped_left,     // what the range drops is not in the finished copy
  untransient       // nothing that is dropped was referenced; asked of copy_new only
};
std::string_view name(RaceProperty);
std::string_view name(Walk);

struct RaceReport {
  std::uint64_t states = 0;
  std::optional<RaceProperty> violation;
  std::string example;  // the table, the call
};

// `bits` slots a word, 1 to 3; the table begins with one word and may grow to two, or to three of one slot.
RaceReport explore_walk(Walk, unsigned bits);

}  // namespace spawncheck::refine
