// SPDX-License-Identifier: MIT
//
// What acts on whole tables: close_range(2), unshare(2), and the closing loops a spawn's child makes.
#include "model/kernel/families.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace spawncheck::model {

namespace {

// A part of a run that close_range(2) acts on; first > last: none.
struct Part {
  std::int64_t first = 0, last = -1;
};

// The parts of an entry that the call acts on: inside the range, or with EXCEPT below and above it.
std::array<Part, 2> selected(const Entry& e, const Call& call) {
  const std::int64_t first = static_cast<std::uint32_t>(call.a), last = static_cast<std::uint32_t>(call.b);
  if ((call.flags & close_range_cloexec_only) != 0 && !e.cloexec) return {};
  const auto part = [&](std::int64_t from, std::int64_t to) { return Part{std::max<std::int64_t>(e.number, from), std::min<std::int64_t>(e.last, to)}; };
  if ((call.flags & close_range_except) == 0) return {part(first, last), Part{}};
  return {part(0, first - 1), part(last + 1, INT64_MAX)};
}

// The first of them, of installed descriptors, from `cursor` on.
Part next_selected(const Table& table, const Call& call, std::int64_t cursor) {
  for (const Entry& e : table.entries()) {
    if (e.last < cursor || e.description == none) continue;
    for (Part part : selected(e, call)) {
      part.first = std::max(part.first, cursor);
      if (part.first <= part.last) return part;
    }
  }
  return {};
}

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

void mark_cloexec(Table& table, const Call& call) {
  const std::vector<Entry> entries = table.entries();
  for (const Entry& e : entries)
    for (const Part& part : selected(e, call))
      if (part.first <= part.last) table.put(static_cast<std::int32_t>(part.first), static_cast<std::int32_t>(part.last), e.description, true);
}

void remove_selected(Table& table, const Call& call) {
  const std::vector<Entry> entries = table.entries();
  for (const Entry& e : entries)
    for (const Part& part : selected(e, call))
      if (part.first <= part.last) table.remove(static_cast<std::int32_t>(part.first), static_cast<std::int32_t>(part.last));
}

// fs/file.c dup_fd: what is reserved and empty in the old table is free in the copy. Only numbers below
// `bound` are referenced.
Table copy_below(const Table& old, std::int64_t bound) {
  Table copy;
  for (const Entry& e : old.entries()) {
    if (e.description == none || e.number >= bound) continue;
    copy.put(e.number, static_cast<std::int32_t>(std::min<std::int64_t>(e.last, bound - 1)), e.description, e.cloexec);
  }
  return copy;
}

Index add_table(State& state, Table table) {
  state.tables.push_back(std::move(table));
  return static_cast<Index>(state.tables.size() - 1);
}

std::int64_t in_words(std::int64_t last) { return last < 0 ? 64 : (last + 1 + 63) / 64 * 64; }

// A table grows by doubling and never shrinks (fs/file.c expand_fdtable): what it has room for is not in the model, so it is
// taken for as small as it can be.
std::int64_t capacity_of(const Table& table) { return in_words(table.last_reserved_below(INT64_MAX)); }

// sane_fdtable_size, for a copy that is to be closed (not marked) in the range.
std::int64_t copy_bound(const Kernel& kernel, const Table& table, const Call& call) {
  const std::int64_t first = static_cast<std::uint32_t>(call.a), last = static_cast<std::uint32_t>(call.b);
  std::int64_t top = table.last_reserved_below(INT64_MAX);
  switch (kernel.sizing) {
    case Sizing::capacity:
      if (last < capacity_of(table) - 1) return in_words(top);
      return std::min(in_words(top), std::max<std::int64_t>(64, (first + 63) / 64 * 64));
    case Sizing::last_open:
      if (first <= top && top <= last) top = table.last_reserved_below(first);
      return in_words(top);
    case Sizing::last_kept: {
      Table kept = table;
      remove_selected(kept, call);
      return in_words(kept.last_reserved_below(INT64_MAX));
    }
  }
  return in_words(top);
}

Table private_copy(const Kernel& kernel, const Table& old, const Call& call) {
  if ((call.flags & close_range_cloexec) != 0) return copy_below(old, INT64_MAX);
  Table copy = copy_below(old, copy_bound(kernel, old, call));
  if (kernel.copy_leaves_dropped) remove_selected(copy, call);
  return copy;
}

bool takes(const Kernel& kernel, const Call& call) {
  const std::uint32_t known = close_range_unshare | close_range_cloexec | (kernel.has_except ? close_range_except | close_range_cloexec_only : 0u);
  constexpr std::uint32_t both = close_range_cloexec | close_range_cloexec_only;
  return static_cast<std::uint32_t>(call.a) <= static_cast<std::uint32_t>(call.b) && (call.flags & ~known) == 0 && (call.flags & both) != both;
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
  const Part part = next_selected(state.table_of(task), flight.call, flight.cursor);
  return part.first <= part.last && end_of_part(kernel, part.first, part.last) < part.last ? 2 : 1;
}

// fs/file.c __close_range. With UNSHARE the private copy is made at one instant, closed in one by one, and
// installed after the closes; on a table with one user it closes in place.
Step step_close_range(const Kernel& kernel, State& state, Index task, unsigned outcome, Result& result) {
  Flight& flight = state.tasks[task].flight;
  const Index own = state.tasks[task].table;
  const bool marks = (flight.call.flags & close_range_cloexec) != 0;
  if (flight.phase == 0) {
    if (!takes(kernel, flight.call)) return fail(result, EINVAL);
    flight.phase = 1;
    if ((flight.call.flags & close_range_unshare) != 0 && state.table_users(own) > 1)
      flight.table = add_table(state, private_copy(kernel, state.tables[own], flight.call));  // adds a table, not a task: flight stays valid
    if (!marks) return Step::advanced;
    mark_cloexec(state.tables[flight.table != none ? flight.table : own], flight.call);
  } else {
    Table& table = state.tables[flight.table != none ? flight.table : own];
    const Part part = next_selected(table, flight.call, flight.cursor);
    if (part.first <= part.last) {
      const std::int64_t last = outcome == 0 ? part.last : end_of_part(kernel, part.first, part.last);
      table.remove(static_cast<std::int32_t>(part.first), static_cast<std::int32_t>(last));
      flight.cursor = last + 1;
      return Step::advanced;
    }
  }
  if (flight.table != none) state.tasks[task].table = flight.table;
  return Step::done;
}

bool closes_in_own_copy(const State& state, Index task) {
  const Flight& flight = state.tasks[task].flight;
  if (!flight.active || flight.table == none || flight.phase == 0 || static_cast<CallKind>(flight.call.kind) != CallKind::close_range) return false;
  const Part part = next_selected(state.tables[flight.table], flight.call, flight.cursor);
  return part.first <= part.last;
}

// What an array of exceptions would do: a private table that has them and nothing else, at one instant.
Step step_close_but(const Kernel& kernel, State& state, Index task, unsigned, Result& result) {
  if (!kernel.has_wishes) return fail(result, EINVAL);
  const std::uint64_t stays = state.tasks[task].flight.call.bits;
  Table copy;
  for (const Entry& e : state.table_of(task).entries())
    for (std::int32_t n = e.number; n <= e.last && n < 64; ++n)
      if (e.description != none && (stays >> n & 1) != 0) copy.put(n, e.description, e.cloexec);
  state.tasks[task].table = add_table(state, std::move(copy));
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
  if (state.table_users(own) > 1) state.tasks[task].table = add_table(state, copy_below(state.tables[own], INT64_MAX));
  return Step::done;
}

}  // namespace spawncheck::model
