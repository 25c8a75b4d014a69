// SPDX-License-Identifier: MIT
//
// A table's copy, as fs/file.c dup_fd makes it, for clone(2), unshare(2), exec and close_range(2) UNSHARE.
//
// The old table's lock is held except while slots are allocated: up to 64 slots are in the new files_struct itself; for
// more the lock is dropped, and the size is computed again. Steps of others that take the lock wait for the copy;
// fd_install takes no lock, so a reserved, empty slot may be filled before the copy passes it, or after. In the copy an
// empty slot is free.
#include <algorithm>

#include "model/kernel/families.h"

namespace spawncheck::model {

namespace {

constexpr std::int64_t word = 64;  // slots; also the number in a files_struct itself (NR_OPEN_DEFAULT)

// A table grows by doubling and never shrinks (fs/file.c expand_fdtable): the model does not keep a table's capacity,
// so it assumes the smallest possible one.
std::int64_t capacity_of(const Table& table) { return in_words(table.last_reserved_below(INT64_MAX)); }

// Returns true for a close_range(2) that closes in its copy: what it drops matters for the size, and is not
// copied at all on kernels with copy-leaves-dropped.
bool closes(const Call& call) {
  return static_cast<CallKind>(call.kind) == CallKind::close_range && (call.flags & close_range_cloexec) == 0;
}

// sane_fdtable_size.
std::int64_t size_of_copy(const Kernel& kernel, const State& state, Index task) {
  const Table& table = state.table_of(task);
  const Call& call = state.tasks[task].flight.call;
  std::int64_t top = table.last_reserved_below(INT64_MAX);
  if (!closes(call)) return in_words(top);
  const std::int64_t first = static_cast<std::uint32_t>(call.a), last = static_cast<std::uint32_t>(call.b);
  switch (kernel.sizing()) {
    case Sizing::capacity:
      if (last < capacity_of(table) - 1) return in_words(top);
      return std::min(in_words(top), std::max<std::int64_t>(word, (first + word - 1) / word * word));
    case Sizing::last_open:
      if (first <= top && top <= last) top = table.last_reserved_below(first);
      return in_words(top);
    case Sizing::last_kept:
      return in_words(last_unselected(table, call));
  }
  return in_words(top);
}

// The first reserved, empty slot in from..end-1; end: none.
std::int64_t next_empty(const Table& table, std::int64_t from, std::int64_t end) {
  for (const Entry& e : table.entries())
    if (e.description == none && e.last >= from && e.number < end) return std::max<std::int64_t>(e.number, from);
  return end;
}

void copy_slots(State& state, Index from, Index to, std::int64_t first, std::int64_t end) {
  const Table::Entries entries = state.tables[from].entries();
  for (const Entry& e : entries) {
    const std::int64_t number = std::max<std::int64_t>(e.number, first), last = std::min<std::int64_t>(e.last, end - 1);
    if (e.description != none && number <= last)
      state.put(to, static_cast<std::int32_t>(number), static_cast<std::int32_t>(last), e.description, e.cloexec);
  }
}

}  // namespace

std::int64_t in_words(std::int64_t last) { return last < 0 ? word : (last + 1 + word - 1) / word * word; }

bool step_copy(const Kernel& kernel, State& state, Index task) {
  InFlightCall& flight = state.tasks[task].flight;
  const Index old = state.tasks[task].table;
  if (flight.table == none) {
    const std::int64_t size = size_of_copy(kernel, state, task);
    if (size > std::max(word, flight.room)) {  // the lock is dropped to allocate
      if (!kernel.forgets_room) flight.room = size;
      return false;
    }
    flight.last = size;
    flight.cursor = 0;
    flight.table = state.add_table();
  }
  // Continue where the copy paused: before an empty slot that another task may have filled meanwhile.
  const std::int64_t paused_at = flight.holds_lock ? flight.cursor + 1 : 0;
  const std::int64_t next = next_empty(state.tables[old], paused_at, flight.last);
  copy_slots(state, old, flight.table, flight.cursor, next);
  if (kernel.has(Behaviour::copy_leaves_dropped) && closes(flight.call))
    remove_selected(state, flight.table, flight.call);
  flight.cursor = next;
  flight.holds_lock = next < flight.last;
  return !flight.holds_lock;
}

}  // namespace spawncheck::model
