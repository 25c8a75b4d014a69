// SPDX-License-Identifier: MIT
//
// Equal hashes for states that differ in names only: files, tables and the like are named in the order in which they are met, and
// children by their spawns.
#include "model/explore/world.h"

namespace spawncheck::explore {

using model::Entry;
using model::Index;
using model::Result;
using model::Table;

namespace {

// Names in the order in which they are met.
class Names {
 public:
  std::uint64_t of(Index i) {
    if (i == model::none) return 0xffff;
    for (std::size_t n = 0; n < met_.size(); ++n)
      if (met_[n] == i) return n;
    met_.push_back(i);
    return met_.size() - 1;
  }

  std::size_t met() const { return met_.size(); }

 private:
  model::Few<Index, 16> met_;
};

std::uint64_t hash_table(std::uint64_t h, const Table& table, Names& files) {
  for (const Entry& e : table.entries()) {
    h = model::mix(h, static_cast<std::uint32_t>(e.number) | std::uint64_t{static_cast<std::uint32_t>(e.last)} << 32);
    h = model::mix(h, files.of(e.description) << 1 | std::uint64_t{e.cloexec});
  }
  return model::mix(h, table.entries().size());
}

struct Canonical {
  const model::State& state;
  Names tables, files, dispositions, memories;

  std::uint64_t flight(std::uint64_t h, const model::Flight& f) {
    if (!f.active) return h;
    h = model::mix(h, f.call.kind | std::uint64_t{f.phase} << 8 | std::uint64_t{f.woken} << 16 | std::uint64_t{f.holds_lock} << 17 | files.of(f.held) << 24);
    h = model::mix(h, static_cast<std::uint32_t>(f.reserved[0]) | std::uint64_t{static_cast<std::uint32_t>(f.reserved[1])} << 32);
    h = model::mix(h, static_cast<std::uint64_t>(f.cursor) | static_cast<std::uint64_t>(f.room) << 32);
    h = model::mix(h, static_cast<std::uint32_t>(f.limit) | std::uint64_t{static_cast<std::uint32_t>(f.error)} << 32);
    h = model::mix(h, f.row);
    for (const Index d : f.deferred) h = model::mix(h, files.of(d));
    return f.table == model::none ? h : hash_table(h, state.tables[f.table], files);
  }

  // What tasks share is looked into where it is met first.
  std::uint64_t task(std::uint64_t h, const model::Task& task) {
    if (task.ended) return model::mix(h, 0xdead);
    const std::size_t tables_met = tables.met(), dispositions_met = dispositions.met(), memories_met = memories.met();
    h = model::mix(h, tables.of(task.table) | dispositions.of(task.dispositions) << 16 | memories.of(task.memory) << 32 | std::uint64_t{task.altstack} << 48 |
                          std::uint64_t{task.vfork_child != model::none} << 49);
    if (tables.met() != tables_met) h = hash_table(h, state.tables[task.table], files);
    if (dispositions.met() != dispositions_met) h = model::mix(model::mix(h, state.dispositions[task.dispositions].ignored), state.dispositions[task.dispositions].handled);
    if (memories.met() != memories_met) h = model::mix(h, state.memories[task.memory].window_free);
    if (memories.met() != memories_met)
      for (const std::int32_t cell : state.memories[task.memory].cell) h = cell == 0 ? h + 1 : model::mix(h, static_cast<std::uint32_t>(cell));
    h = model::mix(model::mix(h, task.mask), task.pending.set);
    return flight(h, task.flight);
  }

  std::uint64_t process(std::uint64_t h, const model::Process& p) const {
    h = model::mix(h, static_cast<std::uint64_t>(p.life) | std::uint64_t{static_cast<std::uint32_t>(p.limit)} << 8);
    h = model::mix(h, p.shared_pending.set);
    h = model::mix(h, static_cast<std::uint32_t>(p.program) | std::uint64_t{static_cast<std::uint32_t>(p.group)} << 32);
    return model::mix(h, static_cast<std::uint32_t>(p.cwd) | std::uint64_t{static_cast<std::uint32_t>(p.umask)} << 32 | std::uint64_t{p.session_leader} << 63);
  }

  std::uint64_t named(std::uint64_t set) {
    std::uint64_t out = 0;
    for (Index i = 0; i < 64 && set >> i != 0; ++i)
      if (set >> i & 1) out |= 1ull << (files.of(i) & 63);
    return out;
  }
};

}  // namespace

std::uint64_t World::hash(bool is_end) const {
  Canonical canonical{state_, {}, {}, {}, {}};
  std::uint64_t h = 1;
  for (unsigned t = 0; t <= threads_; ++t) h = canonical.task(h, state_.tasks[t]);
  h = canonical.process(h, state_.processes[0]);
  for (const Spawned& s : spawns_) {
    h = model::mix(s.machine.hash(h), std::uint64_t{s.thread} | std::uint64_t{s.operation} << 16);
    if (const Index child = s.machine.child(); child != model::none) h = canonical.process(canonical.task(h, state_.tasks[child]), state_.process_of(child));
  }
  for (unsigned t = 0; t < threads_; ++t) h = model::mix(h, position_[t]);
  for (const Result& r : results_)
    h = model::mix(model::mix(h, static_cast<std::uint32_t>(r.value[0]) | std::uint64_t{static_cast<std::uint32_t>(r.value[1])} << 32), static_cast<std::uint32_t>(r.error));
  // A file's state beyond its name: who may hold it.
  for (Index i = 0; i < state_.descriptions.size(); ++i)
    if (state_.descriptions[i].locked || state_.descriptions[i].key.kind == SC_FILE_LISTENER) h = model::mix(h, canonical.files.of(i) << 8 | state_.descriptions[i].key.kind | state_.descriptions[i].key.id << 40);
  if (is_end) return h;
  for (const Spawned& s : spawns_) {
    h = model::mix(h, std::uint64_t{s.child_checked} | std::uint64_t{s.source_was_closed} << 1);
    for (const std::uint64_t set : s.source) h = model::mix(h, canonical.named(set));
    for (const Crossing& c : s.crossing) h = model::mix(model::mix(h, canonical.named(c.ever) + static_cast<std::uint64_t>(c.number)), canonical.named(c.always));
  }
  return h;
}

}  // namespace spawncheck::explore
