// SPDX-License-Identifier: MIT
//
// What acts on whole tables: close_range(2), unshare(2), and the closing loops a spawn's child makes.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "model/kernel/families.h"

namespace spawncheck::model {

namespace {

enum : std::uint8_t { range_begins, range_closes, range_copies };  // phases of close_range(2)

// A part of a run that close_range(2) acts on; empty if first > last.
struct Part {
  std::int64_t first = 0, last = -1;
};

// The parts of an entry that the call acts on: inside the range, or with EXCEPT below and above it.
std::array<Part, 2> selected(const Entry& e, const Call& call) {
  const std::int64_t first = static_cast<std::uint32_t>(call.a), last = static_cast<std::uint32_t>(call.b);
  if ((call.flags & close_range_cloexec_only) != 0 && !e.cloexec) return {};
  const auto part = [&](std::int64_t from, std::int64_t to) {
    return Part{std::max<std::int64_t>(e.number, from), std::min<std::int64_t>(e.last, to)};
  };
  if ((call.flags & close_range_except) == 0) return {part(first, last), Part{}};
  return {part(0, first - 1), part(last + 1, INT64_MAX)};
}

// The first selected part at `cursor` or above that has installed descriptors; empty if there is none.
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

void mark_cloexec(State& state, Index table, const Call& call) {
  const Table::Entries entries = state.tables[table].entries();
  for (const Entry& e : entries)
    for (const Part& part : selected(e, call))
      if (part.first <= part.last)
        state.put(table, static_cast<std::int32_t>(part.first), static_cast<std::int32_t>(part.last), e.description,
                  true);
}

}  // namespace

void remove_selected(State& state, Index table, const Call& call) {
  const Table::Entries entries = state.tables[table].entries();
  for (const Entry& e : entries)
    for (const Part& part : selected(e, call))
      if (part.first <= part.last)
        state.remove(table, static_cast<std::int32_t>(part.first), static_cast<std::int32_t>(part.last));
}

std::int64_t last_unselected(const Table& table, const Call& call) {
  for (auto e = table.entries().rbegin(); e != table.entries().rend(); ++e) {
    std::int64_t last = e->last;
    const std::array<Part, 2> parts = selected(*e, call);
    for (auto part = parts.rbegin(); part != parts.rend(); ++part)
      if (part->first <= last && last <= part->last) last = part->first - 1;
    if (last >= e->number) return last;
  }
  return -1;
}

// fs/file.c filp_close: fput. Only a last reference is released later, when the call returns (task_work); if others
// still refer to the description, dropping this reference releases nothing.
void close_deferred(const Kernel& kernel, State& state, Index task, Index table, std::int32_t first,
                    std::int32_t last) {
  const Index description = state.tables[table].find(first)->description;
  state.hold(description);
  state.remove(table, first, last);
  if (kernel.has(Behaviour::closes_synchronously) || state.descriptions[description].count > 1)
    state.release(description);
  else
    state.tasks[task].flight.deferred.push_back(description);
}

namespace {

bool takes(const Kernel& kernel, const Call& call) {
  const std::uint32_t known =
      close_range_unshare | close_range_cloexec |
      (kernel.has(Behaviour::close_range_except) ? close_range_except | close_range_cloexec_only : 0u);
  constexpr std::uint32_t both = close_range_cloexec | close_range_cloexec_only;
  return static_cast<std::uint32_t>(call.a) <= static_cast<std::uint32_t>(call.b) && (call.flags & ~known) == 0 &&
         (call.flags & both) != both;
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

namespace {

// The walk drops the lock after an empty slot when another task should run (__range_close: need_resched), and files are
// installed without the lock: a file installed in a slot that the walk has passed stays, even if a later one in a
// higher slot is closed. Returns an empty slot after which others may act, -1: none. Only a few slots beyond the last
// number in use matter, since new numbers are low.
std::int64_t next_pause(const Kernel& kernel, const State& state, Index task) {
  constexpr std::int64_t beyond = 4;
  const InFlightCall& flight = state.tasks[task].flight;
  const Table& table = state.table_of(task);
  if (flight.phase != range_closes || flight.table != none || table.users() <= 1 ||
      (flight.call.flags & ~close_range_unshare) != 0)
    return -1;
  const Part part = next_selected(table, flight.call, flight.cursor);
  const std::int64_t last =
      std::min<std::int64_t>(static_cast<std::uint32_t>(flight.call.b), table.last_reserved_below(INT64_MAX) + beyond);
  const std::int64_t end = part.first <= part.last ? part.first : last + 1;
  for (std::int64_t n = std::max<std::int64_t>(flight.cursor, static_cast<std::uint32_t>(flight.call.a)); n < end; ++n)
    if (kernel.cuts.empty() || table.find(static_cast<std::int32_t>(n)) != nullptr ||
        std::binary_search(kernel.cuts.begin(), kernel.cuts.end(), n))
      return n;
  return -1;
}

unsigned closing_outcomes(const Kernel& kernel, const State& state, Index task) {
  const InFlightCall& flight = state.tasks[task].flight;
  if (flight.phase != range_closes || flight.table != none) return 1;
  const Part part = next_selected(state.table_of(task), flight.call, flight.cursor);
  if (part.first <= part.last && part.first >= flight.last) return 2;
  return part.first <= part.last && end_of_part(kernel, part.first, part.last) < part.last ? 2 : 1;
}

}  // namespace

// A run of numbers for one description may go at once, or in parts: others can tell only if they look
// into its middle, and steps that no task can tell apart cost the explorer depth.
//
// How far the walk goes is fixed when it begins: to the end of what the table had room for (last_fd). A number beyond
// the words in use at that time may have been added to a table that has grown since; the walk ends before it.
//
// The last outcome, if the walk can pause, is to pause.
unsigned close_range_outcomes(const Kernel& kernel, const State& state, Index task) {
  return closing_outcomes(kernel, state, task) + (next_pause(kernel, state, task) >= 0 ? 1 : 0);
}

// fs/file.c __close_range. With UNSHARE the call makes a private copy, closes one by one in the copy, and installs it
// afterwards; a table with one user is closed in place.
Step step_close_range(const Kernel& kernel, State& state, Index task, unsigned outcome, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const Index own = state.tasks[task].table;
  const bool marks = (flight.call.flags & close_range_cloexec) != 0;
  const bool begins = flight.phase == range_begins;
  if (begins) {
    if (!takes(kernel, flight.call)) return fail(result, EINVAL);
    flight.phase =
        (flight.call.flags & close_range_unshare) != 0 && state.tables[own].users() > 1 ? range_copies : range_closes;
    flight.last = in_words(state.tables[own].last_reserved_below(INT64_MAX));
  }
  const bool copies = flight.phase == range_copies;
  if (copies) {
    if (!step_copy(kernel, state, task)) return Step::advanced;
    flight.phase = range_closes;
    flight.cursor = 0;
  }
  const Index acted_on = flight.table != none ? flight.table : own;
  if (flight.phase == range_closes && outcome > 0 && outcome == closing_outcomes(kernel, state, task)) {
    flight.cursor = next_pause(kernel, state, task) + 1;
    return Step::advanced;
  }
  if (marks) {
    mark_cloexec(state, acted_on, flight.call);
  } else if (begins || copies) {
    return Step::advanced;
  } else if (const Part part = next_selected(state.tables[acted_on], flight.call, flight.cursor);
             part.first <= part.last) {
    if (outcome == 1 && flight.table == none && part.first >= flight.last) return Step::done;
    const std::int64_t last = outcome == 0 ? part.last : end_of_part(kernel, part.first, part.last);
    close_deferred(kernel, state, task, acted_on, static_cast<std::int32_t>(part.first),
                   static_cast<std::int32_t>(last));
    flight.cursor = last + 1;
    return Step::advanced;
  }
  if (flight.table != none) state.install_table(task, flight.table);
  return Step::done;
}

bool closes_in_own_copy(const State& state, Index task) {
  const InFlightCall& flight = state.tasks[task].flight;
  if (!flight.active || flight.table == none || flight.phase != range_closes ||
      static_cast<CallKind>(flight.call.kind) != CallKind::close_range)
    return false;
  const Part part = next_selected(state.tables[flight.table], flight.call, flight.cursor);
  return part.first <= part.last;
}

// What an array of exceptions would do: install a private table with those numbers and nothing else, at one instant.
Step step_close_but(const Kernel& kernel, State& state, Index task, unsigned, Result& result) {
  if (!kernel.has(Behaviour::wishes)) return fail(result, EINVAL);
  const std::uint64_t stays = state.tasks[task].flight.call.bits;
  const Table::Entries entries = state.table_of(task).entries();
  const Index copy = state.add_table();
  for (const Entry& e : entries)
    for (std::int32_t n = e.number; n <= e.last && n < 64; ++n)
      if (e.description != none && (stays >> n & 1) != 0) state.put(copy, n, e.description, e.cloexec);
  state.install_table(task, copy);
  return Step::done;
}

Step step_close_each(const Kernel&, State& state, Index task, unsigned, Result&) {
  InFlightCall& flight = state.tasks[task].flight;
  if (flight.phase == 0) {
    flight.cursor = static_cast<std::uint32_t>(flight.call.a);
    flight.last = static_cast<std::uint32_t>(flight.call.b);
    flight.phase = 1;
  }
  const std::int64_t number = next_installed(state.table_of(task), flight.cursor, flight.last);
  if (number < 0) return Step::done;
  state.remove(state.tasks[task].table, static_cast<std::int32_t>(number), static_cast<std::int32_t>(number));
  flight.cursor = number + 1;
  return Step::advanced;
}

Step step_sweep_cloexec(const Kernel&, State& state, Index task, unsigned, Result&) {
  InFlightCall& flight = state.tasks[task].flight;
  for (const Entry& e : state.table_of(task).entries()) {
    if (e.last < flight.cursor || !e.cloexec || e.description == none) continue;
    auto number = static_cast<std::int32_t>(std::max<std::int64_t>(e.number, flight.cursor));
    if (number == flight.call.a) ++number;
    if (number > e.last) continue;
    flight.cursor = number + 1;
    state.remove(state.tasks[task].table, number, number);
    return Step::advanced;
  }
  return Step::done;
}

Step step_unshare_files(const Kernel& kernel, State& state, Index task, unsigned, Result&) {
  if (state.table_of(task).users() <= 1) return Step::done;
  if (!step_copy(kernel, state, task)) return Step::advanced;
  state.install_table(task, state.tasks[task].flight.table);
  return Step::done;
}

}  // namespace spawncheck::model
