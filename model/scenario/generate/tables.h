// SPDX-License-Identifier: MIT
//
// The weights of the generator. If something is generated too rarely, change a number here; `spawncheck check
// --coverage` shows the effect.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/scenario/operation.h"

namespace spawncheck::generating {

// Columns: enumerator, probability as times and total, what happens then.
#define SPAWNCHECK_CHANCES(X)                                                             \
  X(all_standard, 1, 2, "0, 1 and 2 are all open; else any subset of them")               \
  X(standard_cloexec, 1, 6, "one of 0 to 2 is close-on-exec")                             \
  X(edge_number, 1, 6, "a descriptor of the world is at an edge of the tables")           \
  X(world_cloexec, 1, 2, "a descriptor of the world is close-on-exec")                    \
  X(world_alias, 1, 8, "it shares its description with an earlier one")                   \
  X(world_pair, 1, 8, "it is an end of a pipe or a socketpair")                           \
  X(wide_cloexec, 2, 3, "hundreds of descriptors are close-on-exec, not open to all")     \
  X(unknown_number, 1, 20, "a descriptor is named that the world did not open")           \
  X(keep_identity, 1, 4, "a kept source is its own target")                               \
  X(keep_target_twice, 1, 30, "a target that is taken is taken again")                    \
  X(permutation, 1, 3, "the keep-list moves sources onto one another's numbers")          \
  X(permuted, 2, 3, "a descriptor of the world is part of the permutation")               \
  X(permutation_open, 1, 3, "one target of the permutation is a free number")             \
  X(creator_cloexec, 1, 2, "a descriptor is opened close-on-exec")                        \
  X(marked_later, 1, 4, "its flag is set by a second call")                               \
  X(closed_again, 2, 3, "it is closed again")                                             \
  X(session_and_group, 1, 20, "a new session is asked for beside a group")                \
  X(long_arguments, 1, 2, "the arguments take many pages")                                \
  X(group_signals, 1, 2, "signals go to the group, children included")                    \
  X(own_masks, 1, 3, "threads that spawn at the same time have masks of their own")       \
  X(missing_program, 1, 6, "a program that does not exist, in a family of others")        \
  X(chld_set, 1, 6, "SIGCHLD is handled or ignored")                                      \
  X(own_fails, 1, 5, "what a thread opens to keep it cannot be opened: the source is -1") \
  X(window_named, 1, 3, "a request names a number of the window")                         \
  X(window, 3, 4, "where 64 or more is open, the caller has set a window aside")

enum class Chance : std::uint8_t {
#define SPAWNCHECK_ROW(id, times, of, what) id,
  SPAWNCHECK_CHANCES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

struct ChanceRow {
  std::uint32_t times, of;
};
inline constexpr ChanceRow chances[] = {
#define SPAWNCHECK_ROW(id, times, of, what) {times, of},
    SPAWNCHECK_CHANCES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

// Additions to a scenario of any family. Columns: enumerator (and member function of the generator), weight, what it
// adds.
#define SPAWNCHECK_VARIATIONS(X)                                                                   \
  X(masks_differ, 6, "each thread has a mask of its own")                                          \
  X(stacks_differ, 3, "some threads have an alternate stack")                                      \
  X(more_dispositions, 4, "any signals are handled, others ignored")                               \
  X(more_signals, 3, "signals that end nobody are sent meanwhile, to process, group or thread")    \
  X(pending_signals, 4, "signals are blocked and pending when a spawn is called, SIGCHLD too")     \
  X(child_ends_before, 3, "a child has ended before the spawn, waited for or not")                 \
  X(closed_meanwhile, 4, "another thread closes a kept source")                                    \
  X(wide_table, 2, "hundreds of descriptors are open")                                             \
  X(numbered_files, 2, "a run of numbers is open, each a file of its own")                         \
  X(tight_limit, 3, "few numbers are free, or just enough")                                        \
  X(changing_limit, 3, "the limit changes between the operations of a thread")                     \
  X(high_limit, 1, "the limit is high, and a target just below it, at it or beyond")               \
  X(above_limit, 2, "a number at or above the limit is open")                                      \
  X(closed_source, 4, "a kept source is closed: low, high, or what a new descriptor will get")     \
  X(edge_target, 3, "a target is at an edge of the tables")                                        \
  X(edge_source, 4, "a source is at an edge of the tables")                                        \
  X(replaced_source, 5, "another thread replaces a kept source")                                   \
  X(bad_program, 3, "the program cannot run")                                                      \
  X(with_pidfd, 3, "a pidfd is asked for")                                                         \
  X(busy_program, 2, "the program is open for writing, and closed or not before the spawn")        \
  X(own_source, 3, "a kept source is opened by the thread itself, right before the spawn")         \
  X(longer_list, 3, "the keep-list has tens of entries")                                           \
  X(other_group, 3, "a group is asked for: a new one, a child's, a foreign one, one that is gone") \
  X(refused_call, 3, "a system call is refused: the kernel or a sandbox lacks it, or memory is short")

// Weights of 0, 1, 2, ... variations for a scenario.
inline constexpr std::uint32_t variation_counts[] = {6, 6, 3, 1};

// Numbers at which tables, bitmaps and words end: 64 numbers to a word, the smallest tables of dup_fd (fs/file.c), an
// fd_set's 1024.
inline constexpr std::int32_t edge_numbers[] = {62, 63, 64, 65, 127, 128, 191, 200, 255, 256, 511, 512, 1022, 1023};

template <typename T>
struct Weighted {
  T value;
  std::uint32_t weight;
};

inline constexpr Weighted<std::uint8_t> world_kinds[] = {
    {SC_WORLD_MEMFD, 3}, {SC_WORLD_EVENTFD, 1}, {SC_WORLD_NULL, 1}, {SC_WORLD_MQUEUE, 1}, {SC_WORLD_FILE, 1}};

// The operations by which another thread opens files.
inline constexpr Weighted<std::uint8_t> creators[] = {{SC_OP_MEMFD, 2}, {SC_OP_NULL_DEVICE, 1}, {SC_OP_EVENTFD, 1},
                                                      {SC_OP_PIPE, 1},  {SC_OP_SOCKETPAIR, 1},  {SC_OP_MQUEUE, 1},
                                                      {SC_OP_FILE, 1},  {SC_OP_DUP, 1},         {SC_OP_DUPFD, 1}};

enum class Disturbance : std::uint8_t { close, replace, duplicate, mark, look, close_range };
inline constexpr Weighted<Disturbance> disturbances[] = {{Disturbance::close, 1},     {Disturbance::replace, 2},
                                                         {Disturbance::duplicate, 1}, {Disturbance::mark, 1},
                                                         {Disturbance::look, 1},      {Disturbance::close_range, 1}};

enum class Target : std::uint8_t { standard, open, around_64, low };
inline constexpr Weighted<Target> targets[] = {
    {Target::standard, 1}, {Target::open, 1}, {Target::around_64, 1}, {Target::low, 3}};

enum class Signals : std::uint8_t { none, all, any, some };
inline constexpr Weighted<Signals> signal_sets[] = {
    {Signals::none, 1}, {Signals::all, 1}, {Signals::any, 1}, {Signals::some, 3}};

enum class ErrorOf : std::uint8_t { program, closed_source, target_twice };
inline constexpr Weighted<ErrorOf> error_kinds[] = {
    {ErrorOf::program, 3}, {ErrorOf::closed_source, 1}, {ErrorOf::target_twice, 1}};

enum class Closed : std::uint8_t { low, lowest_free, high, edge };
inline constexpr Weighted<Closed> closed_sources[] = {
    {Closed::low, 1}, {Closed::lowest_free, 3}, {Closed::high, 2}, {Closed::edge, 1}};

enum class Group : std::uint8_t { fresh, of_child, foreign, of_gone, of_member };
inline constexpr Weighted<Group> group_kinds[] = {
    {Group::fresh, 2}, {Group::of_child, 4}, {Group::foreign, 1}, {Group::of_gone, 1}, {Group::of_member, 1}};

// The length of a long keep-list.
inline constexpr Weighted<std::int32_t> list_lengths[] = {{17, 3},  {31, 2},  {32, 2},  {33, 2},  {63, 1},  {64, 2},
                                                          {65, 2},  {100, 1}, {127, 1}, {128, 1}, {200, 1}, {255, 2},
                                                          {256, 4}, {257, 2}, {300, 2}, {4097, 1}};

}  // namespace spawncheck::generating
