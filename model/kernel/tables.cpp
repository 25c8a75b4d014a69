// SPDX-License-Identifier: MIT
//
// What acts on whole tables: close_range(2), unshare(2), and the closing loops a spawn's child makes.
#include "model/kernel/families.h"

#include <algorithm>
#include <cerrno>

namespace spawncheck::model {

namespace {

constexpr std::uint32_t flag_unshare = 2, flag_cloexec = 4;

// The first installed number in cursor..last, -1: none. Reserved, empty slots are passed over
// (fs/file.c __range_close looks for files).
std::int64_t next_installed(const Table& table, std::int64_t cursor, std::int64_t last) {
  for (const Entry& e : table.entries()) {
    if (e.last < cursor || e.description == none) continue;
    if (e.number > last) break;
    return std::max<std::int64_t>(e.number, cursor);
  }
  return -1;
}

void mark_cloexec(Table& table, std::int64_t first, std::int64_t last) {
  const std::vector<Entry> entries = table.entries();
  for (const Entry& e : entries) {
    const auto from = std::max<std::int64_t>(e.number, first), to = std::min<std::int64_t>(e.last, last);
    if (from <= to) table.put(static_cast<std::int32_t>(from), static_cast<std::int32_t>(to), e.description, true);
  }
}

// fs/file.c dup_fd: what is reserved and empty in the old table is free in the copy. Only numbers below
// `bound` are referenced.
Index copy_table(State& state, Index old, std::int64_t bound) {
  Table copy;
  for (const Entry& e : state.tables[old].entries()) {
    if (e.description == none || e.number >= bound) continue;
    copy.put(e.number, static_cast<std::int32_t>(std::min<std::int64_t>(e.last, bound - 1)), e.description, e.cloexec);
  }
  state.tables.push_back(std::move(copy));
  return static_cast<Index>(state.tables.size() - 1);
}

// fs/file.c sane_fdtable_size: only a range that reaches the last reserved slot lets the copy end below
// the range; its size is a whole number of words of 64.
std::int64_t copy_bound(const Table& table, std::int64_t first, std::int64_t last) {
  std::int64_t top = table.last_reserved_below(INT64_MAX);
  if (first <= top && top <= last) top = table.last_reserved_below(first);
  return top < 0 ? 64 : (top + 1 + 63) / 64 * 64;
}

}  // namespace

namespace {

// Where the first part of a run that starts at `number` ends: before the next cut.
std::int64_t end_of_part(const Kernel& kernel, std::int64_t number, std::int64_t last) {
  if (kernel.cuts.empty()) return number;
  const auto cut = std::upper_bound(kernel.cuts.begin(), kernel.cuts.end(), number);
  return cut == kernel.cuts.end() ? last : std::min<std::int64_t>(*cut - 1, last);
}

}  // namespace

// A run of numbers for one description may go at once, or in parts: others can tell only when they look
// into its middle, and what is many steps for nobody costs the explorer its depth.
unsigned close_range_outcomes(const Kernel& kernel, const State& state, Index task) {
  const Flight& flight = state.tasks[task].flight;
  if (flight.phase == 0 || flight.table != none) return 1;
  const Table& table = state.table_of(task);
  const std::int64_t number = next_installed(table, flight.cursor, flight.last);
  if (number < 0) return 1;
  const std::int64_t last = std::min<std::int64_t>(table.find(static_cast<std::int32_t>(number))->last, flight.last);
  return end_of_part(kernel, number, last) < last ? 2 : 1;
}

// fs/file.c __close_range. With UNSHARE the private copy is made at one instant, closed in one by one, and
// installed after the closes; on a table with one user it closes in place.
Step step_close_range(const Kernel& kernel, State& state, Index task, unsigned outcome, Result& result) {
  Flight& flight = state.tasks[task].flight;
  const Index own = state.tasks[task].table;
  if (flight.phase == 0) {
    const auto first = static_cast<std::uint32_t>(flight.call.a), last = static_cast<std::uint32_t>(flight.call.b);
    if ((flight.call.flags & ~(flag_unshare | flag_cloexec)) != 0 || first > last) return fail(result, EINVAL);
    flight.cursor = first;
    flight.last = last;
    flight.phase = 1;
    if ((flight.call.flags & flag_unshare) != 0 && state.table_users(own) > 1) {
      const bool whole = (flight.call.flags & flag_cloexec) != 0;
      const std::int64_t bound = copy_bound(state.tables[own], whole ? INT64_MAX : first, last);
      const Index copy = copy_table(state, own, bound);  // adds a table, not a task: flight stays valid
      flight.table = copy;
    }
    if ((flight.call.flags & flag_cloexec) == 0) return Step::advanced;
    mark_cloexec(state.tables[flight.table != none ? flight.table : own], first, last);
  } else {
    Table& table = state.tables[flight.table != none ? flight.table : own];
    const std::int64_t number = next_installed(table, flight.cursor, flight.last);
    if (number >= 0) {
      const std::int64_t run = std::min<std::int64_t>(table.find(static_cast<std::int32_t>(number))->last, flight.last);
      const std::int64_t last = outcome == 0 ? run : end_of_part(kernel, number, run);
      table.remove(static_cast<std::int32_t>(number), static_cast<std::int32_t>(last));
      flight.cursor = last + 1;
      return Step::advanced;
    }
  }
  if (flight.table != none) state.tasks[task].table = flight.table;
  return Step::done;
}

Step step_close_each(const Kernel&, State& state, Index task, unsigned, Result&) {
  Flight& flight = state.tasks[task].flight;
  if (flight.phase == 0) {
    flight.cursor = static_cast<std::uint32_t>(flight.call.a);
    flight.last = static_cast<std::uint32_t>(flight.call.b);
    flight.phase = 1;
  }
  Table& table = state.table_of(task);
  const std::int64_t number = next_installed(table, flight.cursor, flight.last);
  if (number < 0) return Step::done;
  table.remove(static_cast<std::int32_t>(number), static_cast<std::int32_t>(number));
  flight.cursor = number + 1;
  return Step::advanced;
}

Step step_sweep_cloexec(const Kernel&, State& state, Index task, unsigned, Result&) {
  Flight& flight = state.tasks[task].flight;
  Table& table = state.table_of(task);
  for (const Entry& e : table.entries()) {
    if (e.last < flight.cursor || !e.cloexec || e.description == none) continue;
    auto number = static_cast<std::int32_t>(std::max<std::int64_t>(e.number, flight.cursor));
    if (number == flight.call.a) ++number;
    if (number > e.last) continue;
    flight.cursor = number + 1;
    table.remove(number, number);
    return Step::advanced;
  }
  return Step::done;
}

Step step_unshare_files(const Kernel&, State& state, Index task, unsigned, Result&) {
  const Index own = state.tasks[task].table;
  if (state.table_users(own) > 1) state.tasks[task].table = copy_table(state, own, INT64_MAX);
  return Step::done;
}

}  // namespace spawncheck::model
