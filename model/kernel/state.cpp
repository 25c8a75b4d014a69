// SPDX-License-Identifier: MIT
#include "model/kernel/state.h"

#include <algorithm>

namespace spawncheck::model {

namespace {

auto lower(const Table::Entries& entries, std::int32_t number) {
  return std::partition_point(entries.begin(), entries.end(), [&](const Entry& e) { return e.last < number; });
}

bool same(const sc_key& a, const sc_key& b) { return a.kind == b.kind && a.id == b.id; }

}  // namespace

bool Description::operator==(const Description& o) const {
  return same(key, o.key) && count == o.count && wildcard == o.wildcard && locked == o.locked &&
         held_in_window == o.held_in_window && held_for_good == o.held_for_good;
}

bool Call::operator==(const Call& o) const {
  return kind == o.kind && name == o.name && direction == o.direction && flags == o.flags && a == o.a && b == o.b &&
         bits == o.bits && same(key[0], o.key[0]) && same(key[1], o.key[1]);
}

const Entry* Table::find(std::int32_t number) const {
  auto at = lower(entries_, number);
  return at != entries_.end() && at->number <= number ? &*at : nullptr;
}

std::int32_t Table::lowest_free(std::int32_t from) const {
  for (auto at = lower(entries_, from); at != entries_.end() && at->number <= from; ++at) from = at->last + 1;
  return from;
}

std::int32_t Table::last_reserved_below(std::int64_t bound) const {
  std::int32_t found = -1;
  for (const Entry& e : entries_) {
    if (e.number >= bound) break;
    found = e.last < bound ? e.last : static_cast<std::int32_t>(bound - 1);
  }
  return found;
}

std::int32_t Table::count_free_below(std::int32_t bound) const {
  std::int32_t free = bound;
  for (const Entry& e : entries_)
    if (e.number < bound) free -= std::min(e.last, bound - 1) - e.number + 1;
  return free;
}

void Table::merge_around(std::size_t at) {
  auto joins = [](const Entry& a, const Entry& b) {
    return a.last + 1 == b.number && a.description == b.description && a.cloexec == b.cloexec && a.description != none;
  };
  if (at + 1 < entries_.size() && joins(entries_[at], entries_[at + 1])) {
    entries_[at].last = entries_[at + 1].last;
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  if (at > 0 && joins(entries_[at - 1], entries_[at])) {
    entries_[at - 1].last = entries_[at].last;
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

bool Table::refers_to(Index description) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.description == description; });
}

Table Table::without(std::uint64_t numbers) const {
  Table rest = *this;
  for (std::int32_t n = 0; n < 64; ++n)
    if (numbers >> n & 1) rest.remove(n, n);
  return rest;
}

// The numbers must be free.
void Table::put(std::int32_t number, std::int32_t last, Index description, bool cloexec) {
  auto at = lower(entries_, number);
  auto inserted = entries_.insert(at, Entry{number, last, description, cloexec});
  merge_around(static_cast<std::size_t>(inserted - entries_.begin()));
}

void Table::remove(std::int32_t first, std::int32_t last) {
  auto at = entries_.begin() + (lower(entries_, first) - entries_.cbegin());
  while (at != entries_.end() && at->number <= last) {
    if (at->number < first && at->last > last) {
      const Entry tail{last + 1, at->last, at->description, at->cloexec};
      at->last = first - 1;
      entries_.insert(at + 1, tail);
      return;
    }
    if (at->number < first) {
      at->last = first - 1;
      ++at;
    } else if (at->last > last) {
      at->number = last + 1;
      return;
    } else {
      at = entries_.erase(at);
    }
  }
}

void State::put(Index table, std::int32_t number, std::int32_t last, Index description, bool cloexec) {
  if (description != none) descriptions[description].count += static_cast<std::uint32_t>(last - number + 1);
  remove(table, number, last);
  tables[table].put(number, last, description, cloexec);
}

void State::remove(Index table, std::int32_t first, std::int32_t last) {
  Table& t = tables[table];
  for (const Entry& e : t.entries_) {
    if (e.last < first || e.description == none) continue;
    if (e.number > last) break;
    descriptions[e.description].count -=
        static_cast<std::uint32_t>(std::min(e.last, last) - std::max(e.number, first) + 1);
  }
  t.remove(first, last);
}

Index State::add_table() {
  tables.emplace_back().users_ = 1;
  return static_cast<Index>(tables.size() - 1);
}

void State::leave_table(Index table) {
  if (--tables[table].users_ == 0) remove(table, 0, INT32_MAX);
}

void State::install_table(Index task, Index table) {
  leave_table(tasks[task].table);
  tasks[task].table = table;
}

Index State::add(const Description& description) {
  descriptions.push_back(description);
  return static_cast<Index>(descriptions.size() - 1);
}

bool State::operator==(const State& o) const {
  return descriptions == o.descriptions && tables == o.tables && dispositions == o.dispositions &&
         memories == o.memories && processes == o.processes && tasks == o.tasks;
}

namespace {

template <typename Hash>
Hash mix_in(Hash h, const Pending& p) {
  h = mix(h, p.set);
  if (p.set >> 31 != 0)
    for (const std::uint8_t count : p.queued) h = mix(h, count);
  return h;
}

constexpr std::uint64_t pair(std::int32_t a, std::int32_t b) {
  return static_cast<std::uint32_t>(a) | std::uint64_t{static_cast<std::uint32_t>(b)} << 32;
}

template <typename Hash>
Hash mix_in(Hash h, const sc_key& key) {
  return mix(mix(h, key.kind), key.id);
}

template <typename Hash>
Hash mix_in(Hash h, const Call& c) {
  h = mix(mix(h, std::uint64_t{c.kind} | std::uint64_t{c.name} << 8 | std::uint64_t{c.direction} << 16 |
                     std::uint64_t{c.flags} << 32),
          pair(c.a, c.b));
  return mix_in(mix_in(mix(h, c.bits), c.key[0]), c.key[1]);
}

template <typename Hash>
Hash mix_in(Hash h, const InFlightCall& f) {
  if (!f.active) return mix(h, 0);
  h = mix_in(h, f.call);
  h = mix(h, std::uint64_t{f.phase} | std::uint64_t{f.woken} << 8 | std::uint64_t{f.holds_lock} << 9 |
                 std::uint64_t{f.held} << 16 | std::uint64_t{f.table} << 32);
  h = mix(mix(mix(h, pair(f.reserved[0], f.reserved[1])), pair(f.limit, f.error)), f.row);
  for (const std::int64_t number : {f.cursor, f.last, f.room}) h = mix(h, static_cast<std::uint64_t>(number));
  h = mix(h, f.deferred.size());
  for (const Index d : f.deferred) h = mix(h, d);
  return h;
}

template <typename Hash>
Hash mix_in(Hash h, const Process& p) {
  h = mix(h, std::uint64_t{p.parent} | static_cast<std::uint64_t>(p.life) << 16 |
                 std::uint64_t{p.session_leader} << 24 | std::uint64_t{p.is_clone_child} << 25 |
                 std::uint64_t{p.program_name} << 32 | std::uint64_t{p.stopped_by} << 40);
  h = mix(h, static_cast<std::uint32_t>(p.session));
  h = mix(mix(h, pair(p.status, p.limit)), pair(p.group, p.cwd));
  return mix_in(mix(h, pair(p.umask, p.program)), p.shared_pending);
}

template <typename Hash>
Hash mix_in(Hash h, const Task& t) {
  h = mix(h, t.process | std::uint64_t{t.table} << 16 | std::uint64_t{t.dispositions} << 32 |
                 std::uint64_t{t.memory} << 48);
  h = mix(mix_in(h, t.pending), t.mask);
  h = mix(h, t.frames.count);
  for (std::size_t i = 0; i < t.frames.count; ++i) h = mix(h, t.frames.signal[i]);
  h = mix(h, std::uint64_t{t.vfork_child} | std::uint64_t{t.ended} << 16 | std::uint64_t{t.altstack} << 17 |
                 std::uint64_t{t.in_user_mode} << 18 | std::uint64_t{t.has_released_memory} << 19);
  return mix_in(h, t.flight);
}

template <typename Hash>
Hash mix_in(Hash h, const Memory& m) {
  for (const std::int32_t c : m.cell) h = mix(h, static_cast<std::uint32_t>(c));
  h = mix(mix(h, m.window), m.window_free);
  return mix(h, m.placeholder | std::uint64_t{m.owner} << 16 | std::uint64_t{m.written_by} << 32 |
                    std::uint64_t{static_cast<std::uint8_t>(m.window_home)} << 48);
}

// The number of each kind of object is mixed in, so that no two lists run into each other.
template <typename Hash>
Hash hash_of(const State& s) {
  Hash h{};
  h = mix(h, s.descriptions.size() | std::uint64_t{s.tables.size()} << 16 | std::uint64_t{s.processes.size()} << 32 |
                 std::uint64_t{s.tasks.size()} << 48);
  for (const Description& d : s.descriptions) {
    h = mix(h, std::uint64_t{d.count} | std::uint64_t{d.wildcard} << 32 | std::uint64_t{d.locked} << 33 |
                   std::uint64_t{d.held_for_good} << 34 | std::uint64_t{d.held_in_window} << 40);
    h = mix_in(h, d.key);
  }
  for (const Table& t : s.tables) {
    h = mix(h, t.entries().size() | std::uint64_t{t.users()} << 32);
    for (const Entry& e : t.entries())
      h = mix(mix(h, pair(e.number, e.last)), std::uint64_t{e.description} << 1 | std::uint64_t{e.cloexec});
  }
  h = mix(h, s.dispositions.size() | std::uint64_t{s.memories.size()} << 32);
  for (const Dispositions& d : s.dispositions) h = mix(mix(h, d.ignored), d.handled);
  for (const Memory& m : s.memories) h = mix_in(h, m);
  for (const Process& p : s.processes) h = mix_in(h, p);
  for (const Task& t : s.tasks) h = mix_in(h, t);
  return h;
}

}  // namespace

std::uint64_t hash(const State& s) { return hash_of<std::uint64_t>(s); }
Hash128 hash128(const State& s) { return hash_of<Hash128>(s); }

namespace {

void add_world_line(State& state, const sc_world_line& line, std::uint32_t index, const std::uint64_t* inode) {
  const Table& table = state.tables[0];
  auto add = [&](sc_file_kind kind, std::uint64_t id) {
    Description d;
    d.key.kind = static_cast<std::uint8_t>(kind);
    d.key.id = id;
    return state.add(d);
  };
  const bool cloexec = line.cloexec != 0;
  switch (line.kind) {
    case SC_WORLD_MEMFD:
      state.put(0, line.number, add(SC_FILE_MEMFD, sc_identity_of_world(index)), cloexec);
      break;
    case SC_WORLD_NULL:
      state.put(0, line.number, add(SC_FILE_NULL, 0), cloexec);
      break;
    case SC_WORLD_EVENTFD:
      state.put(0, line.number, add(SC_FILE_EVENTFD, sc_identity_of_world(index)), cloexec);
      break;
    case SC_WORLD_MQUEUE:
      state.put(0, line.number, add(SC_FILE_MQUEUE, line.name), cloexec);
      break;
    case SC_WORLD_FILE:
      state.put(0, line.number, add(SC_FILE_REGULAR, line.name), cloexec);
      break;
    case SC_WORLD_PIPE:
      state.put(0, line.number, add(SC_FILE_PIPE_READ, inode ? inode[0] : 0), cloexec);
      state.put(0, line.second, add(SC_FILE_PIPE_WRITE, inode ? inode[1] : 0), cloexec);
      break;
    case SC_WORLD_SOCKETPAIR:
      state.put(0, line.number, add(SC_FILE_SOCKET, inode ? inode[0] : 0), cloexec);
      state.put(0, line.second, add(SC_FILE_SOCKET, inode ? inode[1] : 0), cloexec);
      break;
    case SC_WORLD_ALIAS:
      if (const Entry* e = table.find(line.second)) state.put(0, line.number, e->description, cloexec);
      break;
    case SC_WORLD_FILL:
      state.put(0, line.number, line.second, add(SC_FILE_NULL, 0), cloexec);
      break;
    case SC_WORLD_MEMFDS:
      for (std::int32_t n = line.number; n <= line.second; ++n)
        state.put(0, n, add(SC_FILE_MEMFD, sc_identity_of_number(n)), cloexec);
      break;
    case SC_WORLD_WINDOW: {
      Memory& memory = state.memories[0];
      memory.placeholder = add(SC_FILE_MEMFD, sc_identity_of_world(index));
      state.put(0, line.number, line.second, memory.placeholder, true);
      memory.window_home = line.number;
      for (std::int32_t n = line.number; n <= line.second; ++n) memory.window |= 1ull << n;
      memory.window_free = memory.window & (memory.window - 1);
      break;
    }
    default:
      break;
  }
}

}  // namespace

State initial_state(const sc_world& world, std::uint32_t threads, const std::uint64_t (*inode)[2]) {
  State state;
  state.tables.resize(1);
  for (std::uint32_t user = 0; user <= threads; ++user) state.use_table(0);
  state.dispositions.push_back({world.ignored, world.handled});
  state.memories.resize(1);
  Process process;
  if (world.limit > 0) process.limit = world.limit;
  state.processes.push_back(process);
  state.tasks.resize(threads + 1);
  for (Task& task : state.tasks) task.mask = world.mask & ~(1ull << 8 | 1ull << 18);
  state.tasks.back().mask = ~(1ull << 8 | 1ull << 18);
  for (std::uint32_t i = 0; i < world.line_count; ++i)
    add_world_line(state, world.line[i], i, inode ? inode[i] : nullptr);
  return state;
}

}  // namespace spawncheck::model
