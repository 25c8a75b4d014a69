// SPDX-License-Identifier: MIT
//
// What the contract asks of a state: of the instants of a spawn's call, of its child's table, of its return; and what the model
// asks of itself.
#include "model/explore/world.h"

#include "impl/peers/implementation.h"
#include "model/explore/describe.h"
#include "model/kernel/invariants.h"

#include <algorithm>
#include <cerrno>

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
  const auto at = std::find_if(s.crossing.begin(), s.crossing.end(), [&](const Crossing& c) { return c.number == number; });
  return at == s.crossing.end() ? nullptr : &*at;
}

bool is_target(const SimulatedSpawn& s, std::int32_t number) {
  return std::any_of(s.keep().begin(), s.keep().end(), [&](const auto& k) { return k.second == number; });
}

Violated exact(std::string observed, std::string allowed) { return {Clause::fd_exact, std::move(observed), std::move(allowed), "contract fd.exact"}; }

std::uint64_t files_of(const Table& table) {
  std::uint64_t files = 0;
  for (const Entry& e : table.entries()) files |= file_bit(e.description);
  return files;
}

}  // namespace

// One instant of the call: what its caller's table has.
void World::look(std::size_t spawn) {
  const SimulatedSpawn& machine = driver_.spawns()[spawn];
  if (machine.has_returned()) return;
  SeenSpawn& s = seen_[spawn];
  const Table& table = driver_.state().table_of(machine.parent());
  const auto& keep = machine.keep();
  const model::State& state = driver_.state();
  // What spawns stage in the window is not the caller's: for the caller its numbers are placeholders.
  const auto is_staged = [&](std::int32_t n) {
    const Entry* e = table.find(n);
    if (e == nullptr || e->description == model::none) return false;
    return std::any_of(driver_.spawns().begin(), driver_.spawns().end(), [&](const SimulatedSpawn& o) { return o.is_own_slot(state, n, e->description); });
  };
  for (std::size_t k = 0; k < keep.size(); ++k) {
    const std::uint64_t file = is_staged(keep[k].first) ? file_bit(state.memories[state.tasks[machine.parent()].memory].placeholder) : file_at(table, keep[k].first);
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
      const auto at = std::lower_bound(s.crossing.begin(), s.crossing.end(), n, [](const Crossing& c, std::int32_t number) { return c.number < number; });
      if (at == s.crossing.end() || at->number != n) s.crossing.insert(at, {n, file_bit(e.description), is_first ? file_bit(e.description) : 0});
    }
  }
}

// Of the table that its program gets.
std::optional<Violated> World::check_child(std::size_t spawn) const {
  const State& state = driver_.state();
  const SimulatedSpawn& machine = driver_.spawns()[spawn];
  const SeenSpawn& s = seen_[spawn];
  const Table& table = state.table_of(machine.child());
  const auto& keep = machine.keep();
  for (const Entry& e : table.entries()) {
    if (e.description == model::none) continue;
    const std::string file = describe(state.descriptions[e.description].key);
    for (std::int32_t n = e.number; n <= e.last; ++n) {
      const auto k = std::find_if(keep.begin(), keep.end(), [&](const auto& entry) { return entry.second == n; });
      if (k != keep.end()) {
        if ((s.source[static_cast<std::size_t>(k - keep.begin())] & file_bit(e.description)) == 0)
          return Violated{Clause::fd_kept, "the child's " + std::to_string(n) + " is " + file, "what the parent's " + std::to_string(k->first) + " was during the call", "contract fd.kept"};
      } else if (machine.request().policy == SPAWNCHECK_FDS_ONLY) {
        return exact("the child has " + std::to_string(n) + ", " + file, "only what is kept");
      } else if (const Crossing* c = crossing_at(s, n); c == nullptr || (c->ever & file_bit(e.description)) == 0) {
        return exact("the child has " + std::to_string(n) + ", " + file, "no such descriptor was without close-on-exec during the call");
      }
    }
  }
  for (const auto& [source, number] : keep)
    if (file_at(table, number) == 0)
      return Violated{Clause::fd_kept, "the child's " + std::to_string(number) + " is closed", "what the parent's " + std::to_string(source) + " was during the call", "contract fd.kept"};
  for (const Crossing& c : s.crossing)
    if (c.always != 0 && !is_target(machine, c.number) && file_at(table, c.number) == 0)
      return exact("the child lacks " + std::to_string(c.number), "it was open without close-on-exec during the whole call");
  const model::Task& task = state.tasks[machine.child()];
  const sc_request& request = machine.request();
  const std::uint64_t mask = ((request.set & SPAWNCHECK_SET_MASK) != 0 ? request.mask : machine.caller_mask()) & ~model::unblockable;
  if (auto violated = check_dispositions(machine)) return violated;
  if ((task.mask & ~model::unblockable) != mask) return Violated{Clause::sig_mask, "the child blocks " + describe_signals(task.mask), describe_signals(mask), "contract sig.mask"};
  return std::nullopt;
}

// Where no thread changes them meanwhile.
std::optional<Violated> World::check_dispositions(const SimulatedSpawn& s) const {
  if (has_dispositions_) return std::nullopt;
  constexpr std::uint64_t known = ~(model::unblockable | model::libc_internal);
  const sc_request& request = s.request();
  std::uint64_t ignored = driver_.setting().scenario.world.ignored;
  if ((request.set & SPAWNCHECK_SET_DEFAULT) != 0) ignored &= ~request.dflt;
  if ((request.set & SPAWNCHECK_SET_IGNORE) != 0) ignored |= request.ignore;
  const model::Dispositions& d = driver_.state().dispositions[driver_.state().tasks[s.child()].dispositions];
  if (((d.ignored ^ ignored) & known) == 0 && d.handled == 0) return std::nullopt;
  return Violated{Clause::sig_disposition, "the child ignores " + describe_signals(d.ignored) + " and catches " + describe_signals(d.handled), "it ignores " + describe_signals(ignored), "contract sig.disposition"};
}

std::optional<Violated> World::returned(std::size_t spawn) const {
  const State& state = driver_.state();
  const SimulatedSpawn& s = driver_.spawns()[spawn];
  const std::string where = "spawn of thread " + std::to_string(s.parent());
  const std::int32_t error = s.error(), program = model::error_of_program(s.request().program);
  if (s.memory_shared_at_return())
    return Violated{Clause::mm_released, where + " returned while its child ran on the caller's memory", "not before exec or exit", "contract mm.released; vfork(2)"};
  if (s.has_blocked() && ((state.tasks[s.parent()].mask ^ s.caller_mask()) & ~model::unblockable) != 0)
    return Violated{Clause::sig_parent_restored, where + " left the mask " + describe_signals(state.tasks[s.parent()].mask), describe_signals(s.caller_mask()), "contract sig.parent_restored"};
  if (error == 0) return check_pidfd(s);
  if (s.child() != model::none && state.process_of(s.child()).life != model::Life::reaped)
    return Violated{Clause::proc_unzombied, where + " failed and left a child", "none", "contract proc.unzombied"};
  bool allowed = error == program || (error == EBADF && seen_[spawn].source_was_closed) || (error == ECANCELED && s.was_killed());
  for (const auto& [source, target] : s.keep()) allowed |= error == EBADF && (source < 0 || target < 0 || target >= state.process_of(s.parent()).limit);
  if (allowed || error == EINVAL || error == EMFILE) return std::nullopt;  // a refused request, no number left
  return Violated{Clause::err_exact, where + " failed with " + describe_error(error), "success", "contract err.exact"};
}

// It names the child, unless another thread has put something else at its number meanwhile.
std::optional<Violated> World::check_pidfd(const SimulatedSpawn& s) const {
  if ((s.request().set & SPAWNCHECK_WANT_PIDFD) == 0) return std::nullopt;
  const std::string where = "spawn of thread " + std::to_string(s.parent());
  if (s.pidfd() < 0) return Violated{Clause::proc_child, where + " gave no pidfd", "one that was asked for", "contract proc.child"};
  const Entry* e = driver_.state().table_of(s.parent()).find(s.pidfd());
  if (e == nullptr || e->description == model::none || driver_.state().descriptions[e->description].key.kind != SC_FILE_PIDFD) return std::nullopt;
  if (driver_.state().descriptions[e->description].key.id == driver_.state().tasks[s.child()].process) return std::nullopt;
  return Violated{Clause::proc_child, where + " gave a pidfd of another process", "of the child", "contract proc.child"};
}

// In every state: a child on its caller's memory has no handler of the caller to run, and the model agrees with itself.
std::optional<Violated> World::check_state() const {
  const State& state = driver_.state();
  for (const SimulatedSpawn& s : driver_.spawns()) {
    const Index child = s.child();
    if (child == model::none || state.tasks[child].memory == model::none) continue;
    const model::Task& task = state.tasks[child];
    if (state.memories[task.memory].owner == task.process) continue;
    const int signal = model::next_signal(state, child);
    if (signal != 0 && model::effect_of(state, child, signal) == model::Delivery::handled)
      return Violated{Clause::sig_no_handler_in_child, "the parent's handler of " + describe_signals(model::bit(signal)) + " is about to run in the child", "never", "contract sig.no_handler_in_child"};
    if (!driver_.caller_has_ended() && s.waits_for_exec() && s.stage() != SimulatedSpawn::Stage::suspended)
      return Violated{Clause::mm_released, "the caller runs while its child has its memory", "it is suspended", "vfork(2); kernel/fork.c wait_for_vfork_done"};
  }
  if (auto broken = model::broken_invariant(state)) return Violated{Clause::mm_unwritten, *broken, "never", "model/kernel/invariants.h", true};
  return std::nullopt;
}

// A copy of the child's, or of a call of it under way, refers to what its program is not to get.
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

bool World::references_dropped() const {
  for (std::size_t s = 0; s < seen_.size(); ++s)
    if (references_dropped(s)) return true;
  return false;
}

bool World::is_unreleased() const {
  return std::any_of(seen_.begin(), seen_.end(), [](const SeenSpawn& s) { return s.returned_unreleased; });
}

}  // namespace spawncheck::explore
