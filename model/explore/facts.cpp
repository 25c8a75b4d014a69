// SPDX-License-Identifier: MIT
//
// What an exploration knows of its spawns: at each instant of the call, when the child's program begins, and at
// the return. Also the checks of the model itself.
#include <algorithm>
#include <cerrno>

#include "impl/peers/implementation.h"
#include "model/contract/describe.h"
#include "model/explore/world.h"
#include "model/kernel/invariants.h"

namespace spawncheck::explore {

using model::Entry;
using model::Index;
using model::State;
using model::Table;

namespace {

std::uint64_t file_bit(Index description) { return description >= 64 ? 0 : 1ull << description; }  // model::none too

std::uint64_t file_at(const Table& table, std::int32_t number) {
  const Entry* e = number < 0 ? nullptr : table.find(number);
  return e == nullptr ? 0 : file_bit(e->description);
}

const Crossing* crossing_at(const SeenSpawn& s, std::int32_t number) {
  const auto at =
      std::find_if(s.crossing.begin(), s.crossing.end(), [&](const Crossing& c) { return c.number == number; });
  return at == s.crossing.end() ? nullptr : &*at;
}

bool is_target(const SimulatedSpawn& s, std::int32_t number) {
  return std::any_of(s.keep().begin(), s.keep().end(), [&](const auto& k) { return k.second == number; });
}

std::uint64_t files_of(const Table& table) {
  std::uint64_t files = 0;
  for (const Entry& e : table.entries()) files |= file_bit(e.description);
  return files;
}

}  // namespace

// Takes in one instant of the call: the caller's table, limit and ignored signals.
void World::look(std::size_t spawn) {
  const SimulatedSpawn& machine = driver_.spawns()[spawn];
  if (machine.has_returned()) return;
  SeenSpawn& s = seen_[spawn];
  const State& state = driver_.state();
  const Table& table = state.table_of(machine.parent());
  const auto& keep = machine.keep();
  const std::uint64_t ignored = state.dispositions[state.tasks[machine.parent()].dispositions].ignored;
  s.ever_ignored |= ignored;
  s.limit_lowest = std::min<std::uint64_t>(s.limit_lowest, state.process_of(machine.parent()).limit);
  s.always_ignored &= ignored;
  // What spawns stage in the window does not count as the caller's: for the caller those numbers have placeholders.
  const Index memory = state.tasks[machine.parent()].memory;
  const bool has_window = memory != model::none && state.memories[memory].window != 0;
  const auto is_staged = [&](std::int32_t n) {
    if (!has_window) return false;
    const Entry* e = table.find(n);
    if (e == nullptr || e->description == model::none) return false;
    return std::any_of(driver_.spawns().begin(), driver_.spawns().end(),
                       [&](const SimulatedSpawn& o) { return o.is_own_slot(state, n, e->description); });
  };
  for (std::size_t k = 0; k < keep.size(); ++k) {
    const std::uint64_t file =
        is_staged(keep[k].first) ? file_bit(state.memories[memory].placeholder) : file_at(table, keep[k].first);
    s.source[k] |= file;
    s.source_was_closed |= file == 0;
  }
  if (machine.request().policy == SPAWNCHECK_FDS_ONLY) return;
  const bool is_first = machine.stage() == SimulatedSpawn::Stage::check;
  for (Crossing& c : s.crossing) {
    const Entry* e = table.find(c.number);
    const std::uint64_t file = e == nullptr || e->cloexec ? 0 : file_bit(e->description);
    c.ever |= file;
    c.always &= file;
  }
  for (const Entry& e : table.entries()) {
    if (e.cloexec || e.description == model::none) continue;
    for (std::int32_t n = e.number; n <= e.last; ++n) {
      const auto at = std::lower_bound(s.crossing.begin(), s.crossing.end(), n,
                                       [](const Crossing& c, std::int32_t number) { return c.number < number; });
      if (at == s.crossing.end() || at->number != n)
        s.crossing.insert(at, {n, file_bit(e.description), is_first ? file_bit(e.description) : 0});
    }
  }
}

SpawnFacts World::facts(std::size_t spawn) const {
  const SimulatedSpawn& machine = driver_.spawns()[spawn];
  SpawnFacts f;
  f.request = &machine.request();
  f.thread = machine.parent();
  f.operation = machine.operation();
  f.mask_before = seen_[spawn].mask_before;
  return f;
}

SpawnFacts World::facts_of_child(std::size_t spawn) const {
  const State& state = driver_.state();
  const SimulatedSpawn& machine = driver_.spawns()[spawn];
  const SeenSpawn& s = seen_[spawn];
  const Table& table = state.table_of(machine.child());
  const auto& keep = machine.keep();
  SpawnFacts f = facts(spawn);
  const model::Dispositions& d = state.dispositions[state.tasks[machine.child()].dispositions];
  f.child = {state.tasks[machine.child()].mask, d.ignored, d.handled};
  f.ever_ignored = s.ever_ignored;
  f.always_ignored = s.always_ignored;
  for (std::size_t k = 0; k < keep.size(); ++k) {
    const Entry* e = table.find(keep[k].second);
    const bool is_open = e != nullptr && e->description != model::none;
    if (!is_open || (s.source[k] & file_bit(e->description)) == 0)
      f.not_kept.push_back(
          {keep[k].first, keep[k].second, is_open ? describe(state.descriptions[e->description].key) : "closed"});
  }
  for (const Entry& e : table.entries()) {
    if (e.description == model::none) continue;
    for (std::int32_t n = e.number; n <= e.last; ++n) {
      if (is_target(machine, n)) continue;
      const Crossing* c = machine.request().policy == SPAWNCHECK_FDS_ONLY ? nullptr : crossing_at(s, n);
      if (c == nullptr || (c->ever & file_bit(e.description)) == 0)
        f.unexplained.push_back({n, describe(state.descriptions[e.description].key)});
    }
  }
  for (const Crossing& c : s.crossing)
    if (c.always != 0 && !is_target(machine, c.number) && file_at(table, c.number) == 0) f.missing.push_back(c.number);
  return f;
}

SpawnFacts World::facts_of_return(std::size_t spawn) const {
  const State& state = driver_.state();
  const SimulatedSpawn& machine = driver_.spawns()[spawn];
  const std::int32_t error = machine.error();
  SpawnFacts f = facts(spawn);
  f.has_returned = true;
  f.error = error;
  f.shares_memory = machine.memory_shared_at_return();
  f.mask_after = state.tasks[machine.parent()].mask;
  f.has_left_child =
      error != 0 && machine.child() != model::none && state.process_of(machine.child()).life != model::Life::reaped;
  f.pidfd = pidfd_of(machine);
  // EINVAL: the request is refused; EMFILE: no number is left; ETXTBSY: the program is open for writing (the model's
  // exec fails so only then); the program's own errno; EBADF: a source was closed; ECANCELED: the child was killed.
  f.may_fail_so = error == ETXTBSY || error == EINVAL || error == EMFILE ||
                  error == model::error_of_program(machine.request().program) ||
                  (error == EBADF && seen_[spawn].source_was_closed) || (error == ECANCELED && machine.was_killed());
  for (const std::uint64_t source : seen_[spawn].source) f.has_closed_source |= source == 0;
  f.may_succeed = !f.has_closed_source && model::error_of_program(machine.request().program) == 0;
  const sc_request& r = machine.request();
  const bool joins_group = (r.set & SPAWNCHECK_SET_PGROUP) != 0 && (r.pgroup.variable != 0 || r.pgroup.value != 0);
  f.may_fail_so |= error == EPERM && joins_group;  // the group may not exist
  for (const auto& [source, target] : machine.keep())
    f.may_fail_so |=
        error == EBADF && (source < 0 || target < 0 || static_cast<std::uint64_t>(target) >= seen_[spawn].limit_lowest);
  return f;
}

// Returns `unknown` if another thread has put another file at the pidfd's number.
PidfdFact World::pidfd_of(const SimulatedSpawn& s) const {
  const State& state = driver_.state();
  if (s.pidfd() < 0) return PidfdFact::missing;
  const Entry* e = state.table_of(s.parent()).find(s.pidfd());
  if (e == nullptr || e->description == model::none || state.descriptions[e->description].key.kind != SC_FILE_PIDFD)
    return PidfdFact::unknown;
  return s.child() != model::none && state.descriptions[e->description].key.id == state.tasks[s.child()].process
             ? PidfdFact::of_child
             : PidfdFact::of_another;
}

// In every state: a child on its caller's memory has no handler of the caller to run, and the model agrees with itself.
Violation World::check_state() const {
  const State& state = driver_.state();
  for (const SimulatedSpawn& s : driver_.spawns()) {
    const Index child = s.child();
    if (child == model::none) continue;
    const model::Task& task = state.tasks[child];
    if (task.memory == model::none || task.has_released_memory) continue;
    if (state.memories[task.memory].owner == task.process) continue;
    const int signal = model::next_signal(state, child);
    if (signal != 0 && model::effect_of(state, child, signal) == model::Delivery::handled)
      return clauses::sig_no_handler_in_child(signal);
    if (!driver_.caller_has_ended() && s.waits_for_exec() && s.stage() != SimulatedSpawn::Stage::suspended)
      return violated(Clause::mm_released, "the caller runs while its child has its memory", "it is suspended",
                      "vfork(2); kernel/fork.c wait_for_vfork_done");
  }
  if (auto broken = model::broken_invariant(state)) {
    Verdict of_model = violated(Clause::mm_unwritten, *broken, "never", "model/kernel/invariants.h");
    of_model.status = Status::broken;
    return of_model;
  }
  return std::nullopt;
}

// Returns true if the child's own table, or its call in flight, refers to a file that its program must not get.
bool World::references_dropped(std::size_t spawn) const {
  const State& state = driver_.state();
  const SimulatedSpawn& machine = driver_.spawns()[spawn];
  const Index child = machine.child();
  if (child == model::none || state.tasks[child].ended || driver_.caller_has_ended()) return false;
  const model::Task& task = state.tasks[child];
  std::uint64_t held = 0;
  if (task.table != state.tasks[machine.parent()].table) held |= files_of(state.tables[task.table]);
  if (task.flight.active && task.flight.table != model::none) held |= files_of(state.tables[task.flight.table]);
  if (task.flight.active)
    for (const Index d : task.flight.deferred) held |= file_bit(d);
  for (const std::uint64_t source : seen_[spawn].source) held &= ~source;
  for (const Crossing& c : seen_[spawn].crossing) held &= ~c.ever;
  for (Index d = 0; held != 0 && d < state.descriptions.size(); ++d)
    if (state.descriptions[d].key.kind == SC_FILE_PIDFD) held &= ~file_bit(d);
  return held != 0;
}

bool World::breaks_untransient() const {
  for (std::size_t s = 0; s < seen_.size(); ++s)
    if (references_dropped(s)) return true;
  return false;
}

bool World::breaks_released() const {
  return std::any_of(seen_.begin(), seen_.end(), [](const SeenSpawn& s) { return s.returned_unreleased; });
}

bool World::breaks_own_memory_at_return() const {
  return std::any_of(seen_.begin(), seen_.end(), [](const SeenSpawn& s) { return s.returned_on_callers_memory; });
}

std::uint64_t World::pipes_of_child(std::size_t spawn) const {
  const State& state = driver_.state();
  std::uint64_t pipes = 0;
  for (const Entry& e : state.table_of(driver_.spawns()[spawn].child()).entries())
    if (e.cloexec && e.description != model::none && state.descriptions[e.description].key.kind == SC_FILE_PIPE_WRITE)
      pipes |= file_bit(e.description);
  return pipes;
}

// Returns true if the write end of a pipe is released, and a read end is still open.
bool World::is_at_end_of_file(Index description) const {
  const State& state = driver_.state();
  if (state.referenced(description)) return false;
  for (Index d = 0; d < state.descriptions.size(); ++d)
    if (state.descriptions[d].key.kind == SC_FILE_PIPE_READ &&
        state.descriptions[d].key.id == state.descriptions[description].key.id && state.referenced(d))
      return true;
  return false;
}

bool World::breaks_program_at_eof() const {
  const State& state = driver_.state();
  for (std::size_t s = 0; s < seen_.size(); ++s) {
    const Index child = driver_.spawns()[s].child();
    if (child == model::none || state.tasks[child].ended || state.process_of(child).program >= 0) continue;
    const model::InFlightCall& flight = state.tasks[child].flight;
    if (flight.active && static_cast<model::CallKind>(flight.call.kind) == model::CallKind::exit) continue;
    for (Index d = 0; d < 64 && seen_[s].pipes >> d != 0; ++d)
      if ((seen_[s].pipes >> d & 1) != 0 && is_at_end_of_file(d)) return true;
  }
  return false;
}

}  // namespace spawncheck::explore
