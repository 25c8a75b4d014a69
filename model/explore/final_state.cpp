// SPDX-License-Identifier: MIT
#include "model/explore/final_state.h"

#include <algorithm>

#include "model/contract/describe.h"
#include "model/contract/rules.h"

namespace spawncheck::explore {

using model::Entry;
using model::Index;
using model::State;

model::Hash128 SettledChild::hash(model::Hash128 h) const {
  h = model::mix(model::mix(h, static_cast<std::uint32_t>(pid) | std::uint64_t{task} << 32), entries.size());
  for (const auto& c : entries) h = model::mix(h, static_cast<std::uint32_t>(c.first) | std::uint64_t{c.second} << 32);
  return h;
}

namespace {

using Candidates = std::vector<std::pair<std::int32_t, Index>>;

// The end of the candidates with the same number as the one at `first`.
std::size_t end_of_number(const Candidates& candidates, std::size_t first) {
  std::size_t end = first;
  while (end < candidates.size() && candidates[end].first == candidates[first].first) ++end;
  return end;
}

}  // namespace

std::uint64_t ways_to_settle(const Window& window) {
  constexpr std::uint64_t enough = 1u << 20;  // no caller tries more ways; the product must not overflow
  const Candidates& candidates = window.candidates();
  std::uint64_t ways = 1;
  for (std::size_t i = 0; i < candidates.size() && ways < enough;) {
    const std::size_t end = end_of_number(candidates, i);
    ways *= end - i;
    i = end;
  }
  return ways;
}

SettledChild settle_child(State& state, Index parent, const Window& window, std::uint64_t way) {
  const SpawnCase& spawn = window.spawn();
  SettledChild child;
  child.pid = spawn.record->value[0];
  child.observed = spawn.child;
  const Candidates& candidates = window.candidates();
  for (std::size_t i = 0; i < candidates.size();) {
    const std::size_t end = end_of_number(candidates, i);
    child.entries.push_back(candidates[i + way % (end - i)]);
    way /= end - i;
    i = end;
  }

  model::Process process = state.process_of(parent);
  process.parent = state.tasks[parent].process;
  process.program = spawn.request->program;
  process.program_name = spawn.request->name;
  model::Task task;
  task.process = static_cast<Index>(state.processes.size());
  task.table = state.add_table();
  task.dispositions = state.tasks[parent].dispositions;
  task.memory = model::none;  // its program's own
  for (const auto& [number, description] : child.entries) state.put(task.table, number, description, false);
  if (spawn.child == nullptr) {
    // The child was not observed: it may hold what it was to keep until it is known to have ended.
    for (const Kept& k : spawn.keep) {
      const Entry* e = state.table_of(parent).find(k.source);
      if (e != nullptr && e->description != model::none) state.descriptions[e->description].held_for_good = true;
    }
    if (spawn.reads_table())
      for (const Entry& e : state.table_of(parent).entries())
        if (e.description != model::none) state.descriptions[e.description].held_for_good = true;
  }
  state.processes.push_back(process);
  child.task = static_cast<Index>(state.tasks.size());
  state.tasks.push_back(task);
  return child;
}

namespace {

const sc_entry* observed_at(const sc_process& process, std::int32_t number) {
  const sc_entry* end = process.entry + process.entry_count;
  const sc_entry* at =
      std::lower_bound(process.entry, end, number, [](const sc_entry& e, std::int32_t n) { return e.last < n; });
  return at != end && at->number <= number ? at : nullptr;
}

bool differs(Window::Reason* reason, std::string observed, std::string allowed, Rule r = Rule::table_at_end) {
  if (reason != nullptr) *reason = {row(r).clause, std::move(observed), std::move(allowed), rule(r)};
  return false;
}

bool is_in(std::uint64_t window, std::int32_t n) { return n < 64 && (window >> n & 1) != 0; }

// A number of the caller's window has its placeholder or nothing, as spawns leave it, or what another thread has
// put there.
bool window_matches(const State& state, const model::Table& table, std::uint64_t window, Index placeholder,
                    const sc_process& parent, Window::Reason* reason) {
  for (std::int32_t n = 0; n < 64; ++n) {
    if (!is_in(window, n)) continue;
    const sc_entry* seen = observed_at(parent, n);
    const Entry* e = table.find(n);
    const bool is_foreign = e != nullptr && e->description != model::none && e->description != placeholder;
    const model::Description& d = state.descriptions[is_foreign ? e->description : placeholder];
    if (seen == nullptr ? !is_foreign
                        : is_same_file(d, seen->key) && (!is_foreign || e->cloexec == (seen->cloexec != 0)))
      continue;
    return differs(reason,
                   "at the end number " + std::to_string(n) + " of the parent's window is " +
                       (seen != nullptr ? describe(*seen) : "closed"),
                   describe(d.key), Rule::window_at_end);
  }
  return true;
}

// A spawn's pidfd has its child's pid as its identity; a pidfd of a reaped process reports -1.
bool names_another(const model::Description& d, const sc_entry& seen) {
  return !d.wildcard && d.key.kind == SC_FILE_PIDFD && seen.key.kind == SC_FILE_PIDFD && seen.pidfd_of > 0 &&
         static_cast<std::uint64_t>(seen.pidfd_of) != d.key.id;
}

// Returns true if the observed table has exactly the model's numbers, each with the right file.
bool table_matches(const State& state, const model::Table& all, std::uint64_t window, const sc_process& parent,
                   bool asks_pidfd, Window::Reason* reason) {
  std::int64_t expected = 0, observed = 0;
  const model::Table without_window = window != 0 ? all.without(window) : model::Table{};
  const model::Table& table = window != 0 ? without_window : all;
  for (std::uint32_t i = 0; i < parent.entry_count; ++i) {
    const sc_entry& seen = parent.entry[i];
    observed += seen.last - seen.number + 1;
    for (std::int32_t n = seen.number; window != 0 && n <= std::min(seen.last, 63); ++n) observed -= is_in(window, n);
    for (std::int32_t n = seen.number; n <= seen.last;) {
      if (is_in(window, n)) {
        ++n;
        continue;
      }
      const Entry* e = table.find(n);
      if (e == nullptr || e->description == model::none)
        return differs(reason, "at the end the parent's " + std::to_string(n) + " is " + describe(seen),
                       "it is closed");
      const model::Description& d = state.descriptions[e->description];
      const bool flag_differs = !d.wildcard && e->cloexec != (seen.cloexec != 0);
      if (asks_pidfd && names_another(d, seen))
        return differs(
            reason,
            "at the end the caller's pidfd " + std::to_string(n) + " names process " + std::to_string(seen.pidfd_of),
            "the spawn's child, " + std::to_string(d.key.id), Rule::pidfd_names_child);
      if (!is_same_file(d, seen.key) || flag_differs)
        return differs(reason, "at the end the parent's " + std::to_string(n) + " is " + describe(seen),
                       describe(d.key) + (e->cloexec ? ", close-on-exec" : ""));
      n = std::min(e->last, seen.last) + 1;
    }
  }
  for (const Entry& e : table.entries()) {
    if (e.description == model::none) continue;
    expected += e.last - e.number + 1;
    if (expected <= observed) continue;
    for (std::int32_t n = e.number; n <= e.last; ++n)
      if (observed_at(parent, n) == nullptr)
        return differs(reason, "at the end the parent's " + std::to_string(n) + " is closed",
                       describe(state.descriptions[e.description].key));
  }
  return expected == observed || differs(reason, "at the end a descriptor of the parent is gone", "it is open");
}

bool identity_matches(const model::Table& final, const SettledChild& child, Clauses enforced, Window::Reason* reason) {
  if (child.observed == nullptr || !enforced.has(Clause::fd_kept)) return true;
  for (std::uint32_t i = 0; i < child.observed->entry_count; ++i) {
    const sc_entry& e = child.observed->entry[i];
    if (!e.compared || e.number != e.last) continue;
    const auto known = std::find_if(child.entries.begin(), child.entries.end(),
                                    [&](const auto& entry) { return entry.first == e.number; });
    if (known == child.entries.end()) continue;
    const Entry* same = e.same_as_parent >= 0 ? final.find(e.same_as_parent) : nullptr;
    if (e.same_as_parent >= 0 ? same != nullptr && same->description == known->second : !final.refers_to(known->second))
      continue;
    return differs(
        reason,
        "the child's " + std::to_string(e.number) + " is " + describe(e) + ", but another open file description" +
            (e.same_as_parent >= 0 ? " (that of the parent's " + std::to_string(e.same_as_parent) + ")" : ""),
        "the description the parent's source referred to", Rule::kept_is_source);
  }
  return true;
}

}  // namespace

bool final_state_matches(const State& state, Index main, const sc_history& history,
                         const std::vector<SettledChild>& children, Clauses enforced, Window::Reason* reason) {
  const sc_process& parent = history.parent;
  if (!parent.observed || (history.end != SC_RUN_COMPLETE && history.end != SC_RUN_BLOCKED)) return true;
  const model::Table& table = state.table_of(main);
  if (enforced.has(Clause::fd_untouched)) {
    const model::Memory& memory = state.memories[state.tasks[main].memory];
    if (!parent.truncated &&
        !table_matches(state, table, memory.window, parent, enforced.has(Clause::proc_child), reason))
      return false;
    if (!parent.truncated && memory.window != 0 &&
        !window_matches(state, table, memory.window, memory.placeholder, parent, reason))
      return false;
    for (const SettledChild& child : children)
      if (!identity_matches(table, child, enforced, reason)) return false;
  }
  const model::Dispositions& d = state.dispositions[state.tasks[main].dispositions];
  if (enforced.has(Clause::sig_parent_restored) &&
      (((parent.ignored ^ d.ignored) | (parent.caught ^ d.handled)) & ~model::libc_internal) != 0) {
    return differs(reason,
                   "at the end the parent ignores " + describe_signals(parent.ignored) + " and catches " +
                       describe_signals(parent.caught),
                   "ignores " + describe_signals(d.ignored) + ", catches " + describe_signals(d.handled),
                   Rule::process_as_before);
  }
  return true;
}

}  // namespace spawncheck::explore
