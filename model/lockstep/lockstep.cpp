// SPDX-License-Identifier: MIT
#include "model/lockstep/lockstep.h"

#include <algorithm>
#include <span>

#include "model/contract/describe.h"
#include "model/explore/spawn_case.h"
#include "model/lockstep/walk.h"

namespace spawncheck::lockstep {

using model::Index;

namespace {

std::string state_text(const model::State& state, const model::Entry* e) {
  if (e == nullptr || e->description == model::none) return "closed";
  const model::Description& d = state.descriptions[e->description];
  return (d.wildcard ? "open" : describe(d.key)) + (e->cloexec ? ", close-on-exec" : "");
}

// With Follow::operations the numbers of the caller's window are ignored: spawns may change them.
bool tables_agree(Walk& walk, Index task, const sc_snapshot& snapshot, const sc_trace& trace) {
  const model::State& state = walk.state();
  const std::uint64_t window = walk.how() == Follow::operations ? state.memories[state.tasks[task].memory].window : 0;
  const auto is_aside = [&](std::int32_t n) { return n < 64 && (window >> n & 1) != 0; };
  const model::Table rest = window != 0 ? state.table_of(task).without(window) : model::Table{};
  const model::Table& table = window != 0 ? rest : state.table_of(task);
  const std::string who = "task " + std::to_string(snapshot.task) + "'s ";
  std::int64_t seen_count = 0, count = 0;
  for (const sc_entry& seen : std::span(trace.entry + snapshot.first_entry, snapshot.entry_count)) {
    seen_count += seen.last - seen.number + 1;
    for (std::int32_t n = seen.number; n <= seen.last;) {
      if (is_aside(n)) {
        --seen_count;
        ++n;
        continue;
      }
      const model::Entry* e = table.find(n);
      if (e == nullptr || e->description == model::none || e->cloexec != (seen.cloexec != 0) ||
          !explore::is_same_file(state.descriptions[e->description], seen.key))
        return walk.disagree(who + std::to_string(n) + " is " + describe(seen), state_text(state, e));
      n = std::min(e->last, seen.last) + 1;
    }
  }
  for (const model::Entry& e : table.entries())
    if (e.description != model::none) count += e.last - e.number + 1;
  return count == seen_count ||
         walk.disagree(who + "table has " + std::to_string(seen_count) + " open descriptors", std::to_string(count));
}

bool attributes_agree(Walk& walk, Index task, const sc_snapshot& s) {
  const model::State& state = walk.state();
  const model::Dispositions& d = state.dispositions[state.tasks[task].dispositions];
  const std::string who = "task " + std::to_string(s.task) + " ";
  if (s.mask != walk.mask(s.task))
    return walk.disagree(who + "blocks " + describe_signals(s.mask), describe_signals(walk.mask(s.task)));
  if ((s.ignored ^ d.ignored) & ~model::libc_internal)
    return walk.disagree(who + "ignores " + describe_signals(s.ignored), describe_signals(d.ignored));
  if ((s.caught ^ d.handled) & ~model::libc_internal)
    return walk.disagree(who + "catches " + describe_signals(s.caught), describe_signals(d.handled));
  return true;
}

// The lowest task of the batch that shares the object with `task`.
template <typename Named>
std::uint8_t lowest_sharer(const Walk& walk, std::span<const sc_snapshot> batch, std::uint8_t task, Named named) {
  const auto mine = named(walk.state().tasks[walk.task(task)]);
  for (const sc_snapshot& s : batch)
    if (named(walk.state().tasks[walk.task(s.task)]) == mine) return s.task;
  return task;
}

bool sharing_agrees(Walk& walk, std::span<const sc_snapshot> batch, const sc_snapshot& s) {
  const auto told = [&](const char* what, unsigned seen, unsigned expected) {
    // Not compared if the task it shares with had no room in the batch.
    if (std::none_of(batch.begin(), batch.end(), [&](const sc_snapshot& other) { return other.task == seen; }))
      return true;
    const auto with = [&](unsigned other) {
      return other == s.task ? std::string("its own") : "that of task " + std::to_string(other);
    };
    return seen == expected ||
           walk.disagree("task " + std::to_string(s.task) + "'s " + what + " " + with(seen), with(expected));
  };
  return told("table is", s.shares_table,
              lowest_sharer(walk, batch, s.task, [](const model::Task& t) { return t.table; })) &&
         told("dispositions are", s.shares_dispositions,
              lowest_sharer(walk, batch, s.task, [](const model::Task& t) { return t.dispositions; })) &&
         told("memory is", s.shares_memory,
              lowest_sharer(walk, batch, s.task, [](const model::Task& t) { return t.memory; }));
}

// Compares all snapshots recorded after one step, ascending by task.
bool snapshots_agree(Walk& walk, std::span<const sc_snapshot> batch, const sc_trace& trace) {
  if (walk.how() == Follow::operations) {
    walk.comparison().snapshots += !batch.empty() && batch.front().task == 0;
    return batch.empty() || batch.front().task != 0 || tables_agree(walk, 0, batch.front(), trace);
  }
  if (walk.state().tasks[0].ended)
    return true;  // threads that end with their process were still recorded, and share what is being released
  for (const sc_snapshot& s : batch) {
    const Index task = walk.task(s.task);
    if (task == model::none || walk.state().tasks[task].ended)
      return walk.disagree("task " + std::to_string(s.task) + " lives", "it has ended");
  }
  for (const sc_snapshot& s : batch) {
    const Index task = walk.task(s.task);
    ++walk.comparison().snapshots;
    if (!attributes_agree(walk, task, s) || !sharing_agrees(walk, batch, s)) return false;
    if (s.shares_table == s.task && !tables_agree(walk, task, s, trace)) return false;
  }
  return true;
}

}  // namespace

Comparison compare(const model::Kernel& kernel, const Scenario& scenario, const sc_trace& trace,
                   const sc_history& history, Follow how) {
  Walk walk(kernel, scenario, trace, history, how);
  std::uint32_t next = 0;
  const std::uint32_t steps =
      trace.is_cut ? trace.step_count - (trace.step_count != 0) : trace.step_count;  // the last step has no result
  for (std::uint32_t i = 0; i < steps; ++i) {
    if (!walk.follow(i)) break;
    const std::uint32_t first = next;
    while (next < trace.snapshot_count && trace.snapshot[next].after_step <= i) ++next;
    if (next > first && !snapshots_agree(walk, std::span(trace.snapshot + first, next - first), trace)) break;
  }
  return walk.comparison();
}

}  // namespace spawncheck::lockstep
