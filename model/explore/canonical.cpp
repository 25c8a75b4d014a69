// SPDX-License-Identifier: MIT
#include "model/explore/canonical.h"

namespace spawncheck::explore {

using model::Entry;
using model::Index;
using model::mix;

namespace {

std::uint64_t pair(std::int32_t a, std::int32_t b) {
  return static_cast<std::uint32_t>(a) | std::uint64_t{static_cast<std::uint32_t>(b)} << 32;
}

// The caller has mixed in whether any signal is pending.
model::Hash128 add_pending(model::Hash128 h, const model::Pending& p) {
  if (p.set == 0) return h;
  h = mix(h, p.set);
  if (p.set >> 31 != 0)
    for (const std::uint8_t count : p.queued) h = mix(h, count);
  return h;
}

}  // namespace

std::uint64_t Canonical::Names::of(Index i) {
  if (i == model::none) return 0xffff;
  for (std::size_t n = 0; n < met_.size(); ++n)
    if (met_[n] == i) return n;
  met_.push_back(i);
  return met_.size() - 1;
}

// The identity of the file counts: locks, ports and programs belong to its key. `more`: further facts, from bit 16
// on.
model::Hash128 Canonical::add_file(Hash h, Index description, std::uint64_t more) {
  const std::size_t met = files_.met();
  h = mix(h, files_.of(description) | more << 16);
  if (files_.met() == met) return h;
  const model::Description& d = state_.descriptions[description];
  const bool is_pidfd = d.key.kind == SC_FILE_PIDFD;  // of a process, whose index depends on the order of the spawns
  const std::uint64_t id =
      is_pidfd ? static_cast<std::uint64_t>(driver_.pid_of(static_cast<Index>(d.key.id))) : d.key.id;
  return mix(h, d.key.kind | std::uint64_t{d.locked} << 8 | id << 16);
}

model::Hash128 Canonical::add_table(Hash h, const model::Table& table) {
  for (const Entry& e : table.entries()) h = add_file(mix(h, pair(e.number, e.last)), e.description, e.cloexec);
  return mix(h, table.entries().size());
}

// The call's arguments follow from the thread's position, except for a call that a signal has begun.
model::Hash128 Canonical::add_flight(Hash h, const model::InFlightCall& f) {
  if (!f.active) return h;
  h = add_file(
      h, f.held,
      f.call.kind | std::uint64_t{f.phase} << 8 | std::uint64_t{f.woken} << 16 | std::uint64_t{f.holds_lock} << 17);
  if (static_cast<model::CallKind>(f.call.kind) == model::CallKind::exit)
    h = mix(h, static_cast<std::uint32_t>(f.call.a));
  h = mix(mix(mix(h, pair(f.reserved[0], f.reserved[1])), pair(f.limit, f.error)), f.row);
  h = mix(h, static_cast<std::uint64_t>(f.cursor) | static_cast<std::uint64_t>(f.room) << 32);
  for (const Index d : f.deferred) h = add_file(h, d, 0);
  return f.table == model::none ? h : add_table(h, state_.tables[f.table]);
}

model::Hash128 Canonical::add_memory(Hash h, const model::Memory& memory) const {
  h = mix(h, memory.window_free);
  for (std::size_t i = 0; i < memory.cell.size(); ++i)
    if (memory.cell[i] != 0) h = mix(h, static_cast<std::uint32_t>(memory.cell[i]) | std::uint64_t{i} << 32);
  return h;
}

// The content of a shared object is mixed in at its first use.
model::Hash128 Canonical::add(Hash h, const model::Task& task) {
  if (task.ended) return mix(h, 0xdead);
  const std::size_t tables_met = tables_.met(), dispositions_met = dispositions_.met(), memories_met = memories_.met();
  h = mix(h, tables_.of(task.table) | dispositions_.of(task.dispositions) << 16 | memories_.of(task.memory) << 32 |
                 std::uint64_t{task.altstack} << 48 | std::uint64_t{task.vfork_child != model::none} << 49 |
                 std::uint64_t{task.flight.active} << 50 | std::uint64_t{task.in_user_mode} << 51 |
                 std::uint64_t{task.frames.count} << 52 | std::uint64_t{task.has_released_memory} << 62 |
                 std::uint64_t{task.pending.set != 0} << 63);
  for (std::size_t i = 0; i < task.frames.count; ++i) h = mix(h, task.frames.signal[i]);
  if (tables_.met() != tables_met) h = add_table(h, state_.tables[task.table]);
  if (dispositions_.met() != dispositions_met)
    h = mix(mix(h, state_.dispositions[task.dispositions].ignored), state_.dispositions[task.dispositions].handled);
  if (memories_.met() != memories_met) h = add_memory(h, state_.memories[task.memory]);
  return add_flight(add_pending(mix(h, task.mask), task.pending), task.flight);
}

model::Hash128 Canonical::add(Hash h, const model::Process& p) const {
  h = mix(h, static_cast<std::uint64_t>(p.life) | std::uint64_t{p.session_leader} << 8 |
                 std::uint64_t{p.is_clone_child} << 9 | std::uint64_t{p.stopped_by} << 16 |
                 std::uint64_t{p.program_name} << 24 | std::uint64_t{static_cast<std::uint32_t>(p.limit)} << 32 |
                 std::uint64_t{p.shared_pending.set != 0} << 63);
  h = mix(add_pending(h, p.shared_pending), pair(p.program, p.status));
  const std::int32_t group = p.group == 0 ? 0 : driver_.pid_of(static_cast<Index>(p.group - 1));
  return mix(mix(h, pair(p.cwd, p.umask)), static_cast<std::uint32_t>(group));
}

model::Hash128 Canonical::add(Hash h, const SimulatedSpawn& s) {
  h = mix(s.hash(h), std::uint64_t{s.parent()} | std::uint64_t{s.operation()} << 16);
  return s.child() == model::none ? h : add(add(h, state_.tasks[s.child()]), state_.process_of(s.child()));
}

model::Hash128 Canonical::add_files(Hash h, std::uint64_t set) {
  std::uint64_t named = 0;
  for (Index i = 0; i < 64 && set >> i != 0; ++i)
    if (set >> i & 1) named |= 1ull << (files_.of(i) & 63);
  return mix(h, named);
}

model::Hash128 Driver::hash(Canonical& canonical) const {
  model::Hash128 h{1, 1};
  for (unsigned t = 0; t <= threads_; ++t) h = canonical.add(h, state_.tasks[t]);
  h = canonical.add(h, state_.processes[0]);
  for (const SimulatedSpawn& s : spawns_) h = canonical.add(h, s);
  for (unsigned t = 0; t < threads_; ++t) h = mix(h, position_[t]);
  h = mix(h, to_restart_);
  for (unsigned t = 0; t < threads_; ++t)
    for (std::size_t o = 0; o < position_[t]; ++o)
      h = mix(mix(h, pair(result(t, o).value[0], result(t, o).value[1])),
              static_cast<std::uint32_t>(result(t, o).error));
  return h;
}

model::Hash128 Driver::hash() const {
  Canonical canonical(*this);
  return hash(canonical);
}

}  // namespace spawncheck::explore
