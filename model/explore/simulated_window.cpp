// SPDX-License-Identifier: MIT
//
// The caller's side of a spawn that stages: it plans with the window's free slots, stages, and undoes
// that, as impl/spawn/window.cpp does, one system call a step.
#include "model/explore/simulated_window.h"

#include <cerrno>

#include "model/explore/simulated_spawn.h"

namespace spawncheck::explore {

using model::Call;
using model::CallKind;
using model::Index;
using model::Kernel;
using model::Result;
using model::State;

namespace {

// Values of SimulatedSpawn::phase_: while staging, and while undoing.
enum : std::uint8_t { ask_witness, ask_slot, read_source, read_source_again, compare };
enum : std::uint8_t { ask_home, ask_number, restore, ask_again, drop, ask_before_closing, close };

// The sources below 64 of the keep-list.
std::uint64_t numbers_read(const KeepList& keep) {
  std::uint64_t numbers = 0;
  for (const auto& [source, target] : keep)
    if (source >= 0 && source < 64) numbers |= 1ull << source;
  return numbers;
}

}  // namespace

Index file_at(const State& state, Index task, std::int32_t number) {
  const model::Entry* e = number < 0 ? nullptr : state.table_of(task).find(number);
  return e == nullptr ? model::none : e->description;
}

bool looks_like(const State& state, Index a, Index b) {
  if (a == model::none || b == model::none) return false;
  const sc_key &one = state.descriptions[a].key, &other = state.descriptions[b].key;
  const bool has_anonymous_inode = one.kind == SC_FILE_EVENTFD || one.kind == SC_FILE_NULL;
  return a == b || (one.kind == other.kind && (has_anonymous_inode || one.id == other.id));
}

bool SimulatedSpawn::plan(State& state) {
  model::Memory& memory = state.memories[state.tasks[parent_].memory];
  constexpr std::uint8_t tries_with_slots = 2;
  const std::uint64_t in_use = read_window(state);
  planned_ = plans_->of(*planned_->request, planned_->keep, planned_->pgroup,
                        tries_ < tries_with_slots ? memory.window_free : 0, in_use, memory.window_home);
  error_ = planned_->error;
  if (error_ == 0 && !check(state)) error_ = EBADF;
  if (error_ != 0) {
    give_back_read(state);
    return false;
  }
  staged_.clear();
  for (const spawn_step& s : planned_->steps) {
    if (s.kind != SPAWN_STEP_STAGE) continue;
    staged_.push_back({});
    Staged& staged = staged_[staged_.size() - 1];
    staged.source = s.a;
    staged.number[of_slot] = s.b;
    staged.number[of_witness] = static_cast<std::int32_t>(s.first);
  }
  for (const Staged& s : staged_) memory.window_free &= ~(1ull << s.number[of_slot] | 1ull << s.number[of_witness]);
  position_ = static_cast<std::uint32_t>(staged_.size());
  staged_count_ = 0;
  phase_ = 0;
  return true;
}

// window_read(): takes the window numbers that the request itself reads, so that no spawn stages there; returns those
// that another spawn uses.
std::uint64_t SimulatedSpawn::read_window(State& state) {
  model::Memory& memory = state.memories[state.tasks[parent_].memory];
  const std::uint64_t named = numbers_read(planned_->keep) & memory.window;
  read_taken_ = named & memory.window_free;
  memory.window_free &= ~read_taken_;
  const std::uint64_t home = memory.window_home < 0 ? 0 : 1ull << memory.window_home;  // < 0: there is no window
  return named & ~read_taken_ & ~home;
}

void SimulatedSpawn::give_back_read(State& state) {
  state.memories[state.tasks[parent_].memory].window_free |= read_taken_;
  read_taken_ = 0;
}

bool SimulatedSpawn::is_own_slot(const State& state, std::int32_t n, Index description) const {
  if (n < 0 || n >= 64 || state.tasks[parent_].memory == model::none) return false;  // the caller has ended
  const model::Memory& memory = state.memories[state.tasks[parent_].memory];
  if ((memory.window >> n & 1) == 0) return false;
  if (description == model::none || description == memory.placeholder) return true;
  for (const Staged& s : staged_)
    for (const int which : {of_slot, of_witness})
      if (s.number[which] == n && (s.put[which] == description || s.put_before[which] == description)) return true;
  return false;
}

bool SimulatedSpawn::leaves_what_it_staged(const State& state) const {
  for (const Staged& s : staged_) {
    const Index slot = file_at(state, parent_, s.number[of_slot]);
    if (slot != model::none && slot == s.put[of_slot] && slot == s.put[of_witness] &&
        slot == file_at(state, parent_, s.number[of_witness]))
      return true;
  }
  return false;
}

// Undoes what has been written for the source; gives the other numbers back, except `lost`.
void SimulatedSpawn::stage_failed(State& state, int error, std::uint64_t lost) {
  model::Memory& memory = state.memories[state.tasks[parent_].memory];
  for (std::size_t i = staged_count_; i < staged_.size(); ++i)
    for (const int which : {of_slot, of_witness}) {
      const std::uint64_t number = 1ull << staged_[i].number[which];
      if ((lost & number) != 0)
        staged_[i].put[which] = model::none;
      else if (staged_[i].put[which] == model::none)
        memory.window_free |= number;
    }
  error_ = error;
  failed_step_ = SPAWN_STEP_STAGE;
  begin_unstage();
}

void SimulatedSpawn::begin_unstage() {
  left_ = static_cast<std::uint32_t>(staged_.size());
  which_ = of_slot;
  next_unstage();
}

// Finds the next number that was written, from the last source to the first.
void SimulatedSpawn::next_unstage() {
  phase_ = ask_home;
  for (; left_ != 0; --left_, which_ = of_slot)
    for (; which_ <= of_witness; ++which_)
      if (staged_[left_ - 1].put[which_] != model::none) {
        stage_ = Stage::unstage;
        return;
      }
  stage_ = Stage::restore;
}

bool SimulatedSpawn::only_asks() const {
  if (stage_ == Stage::stage)
    return staged_count_ == staged_.size() || (phase_ != read_source && phase_ != read_source_again);
  return stage_ == Stage::unstage &&
         (phase_ == ask_home || phase_ == ask_number || phase_ == ask_again || phase_ == ask_before_closing);
}

// window_stage(): checks that both numbers have placeholders, then reads the source into both until they agree. With
// `wishes`, which no kernel has, dup3 replaces only what is expected there, and tells what it put.
bool SimulatedSpawn::stage_one(const Kernel& kernel, State& state) {
  if (staged_count_ == staged_.size()) {
    stage_ = Stage::clone;
    return true;
  }
  Staged& s = staged_[staged_count_];
  const Index placeholder = state.memories[state.tasks[parent_].memory].placeholder;
  const auto has = [&](int which) { return file_at(state, parent_, s.number[which]); };
  const auto bit_of = [&](int which) { return 1ull << s.number[which]; };
  const auto fail = [&](int error, std::uint64_t lost) {
    stage_failed(state, error, lost);
    return true;
  };
  switch (phase_) {
    case ask_witness:
    case ask_slot: {
      const int which = phase_ == ask_witness ? of_witness : of_slot;
      if (has(which) != placeholder) return fail(EBUSY, bit_of(which));
      newer_ = of_witness;
      ++phase_;
      return true;
    }
    case read_source:
    case read_source_again: {
      const bool is_expected = has(newer_) == (s.put[newer_] == model::none ? placeholder : s.put[newer_]);
      if (kernel.has(model::Behaviour::wishes) && !is_expected) return fail(EBUSY, bit_of(newer_));
      Call dup = make_call(CallKind::dup3, s.source, s.number[newer_], SC_FLAG_CLOEXEC);
      dup.name = 1;
      Result result;
      if (!run(kernel, state, dup, result)) return false;
      const bool is_source_open =
          file_at(state, parent_, s.source) != model::none;  // EBADF also if the limit is below the number
      if (result.error != 0) return fail(result.error == EBADF && is_source_open ? EBUSY : result.error, 0);
      if (is_expected) s.put_before[newer_] = s.put[newer_];
      s.put[newer_] = has(newer_);
      if (phase_ == read_source) newer_ = of_slot;
      ++phase_;
      return true;
    }
    default:
      if (kernel.has(model::Behaviour::wishes))
        for (const int which : {of_slot, of_witness})
          if (has(which) != s.put[which]) return fail(EBUSY, bit_of(which));
      s.file = has(newer_);
      if (has(of_slot) == model::none || has(of_witness) == model::none) return fail(EBUSY, 0);
      if (has(of_slot) !=
          has(of_witness)) {  // the source was replaced, or other code has written to a number: it is read again
        newer_ = of_witness;
        phase_ = read_source;
        return true;
      }
      ++staged_count_;
      phase_ = ask_witness;
      return true;
  }
}

// Which of a source's two numbers are still ours, one bit each; before they were compared, all that are open.
unsigned SimulatedSpawn::still_staged(const State& state) const {
  const Staged& s = staged_[left_ - 1];
  const Index slot = file_at(state, parent_, s.number[of_slot]),
              witness = file_at(state, parent_, s.number[of_witness]), source = file_at(state, parent_, s.source);
  constexpr unsigned slot_only = 1u << of_slot, witness_only = 1u << of_witness, both = slot_only | witness_only;
  if (left_ > staged_count_) return (slot != model::none ? slot_only : 0) | (witness != model::none ? witness_only : 0);
  if (looks_like(state, slot, s.file) && slot == witness) return both;
  if (looks_like(state, slot, s.file) && slot == source) return slot_only;
  return looks_like(state, witness, s.file) && witness == source ? witness_only : 0;
}

// Returns true if the number still has what this spawn put there, as restore() in window.cpp decides.
bool SimulatedSpawn::is_ours(const Kernel& kernel, const State& state) {
  const Staged& s = staged_[left_ - 1];
  const Index now = file_at(state, parent_, s.number[which_]);
  if (kernel.has(model::Behaviour::wishes)) return now == s.put[which_];
  constexpr std::uint8_t both = 3;
  const bool is_compared = left_ <= staged_count_;
  if (which_ == of_witness && is_compared && ours_ == both) return looks_like(state, now, s.file);
  ours_ = static_cast<std::uint8_t>(still_staged(state));
  return (ours_ >> which_ & 1) != 0;
}

// window_unstage(): checks that home has a placeholder and that the number is still ours; dup3; checks the
// placeholder. If home has none the number is closed: the model leaves out the search for another placeholder.
bool SimulatedSpawn::unstage_one(const Kernel& kernel, State& state) {
  model::Memory& memory = state.memories[state.tasks[parent_].memory];
  const std::int32_t number = staged_[left_ - 1].number[which_];
  const Index home = file_at(state, parent_, memory.window_home), now = file_at(state, parent_, number);
  const auto next = [&] {
    ++which_;
    next_unstage();
    return true;
  };
  const auto go_on = [&](std::uint8_t phase) {
    phase_ = phase;
    return true;
  };
  Result result;
  switch (phase_) {
    case ask_home:
      return go_on(home == memory.placeholder ? ask_number : ask_before_closing);
    case ask_number:
      return is_ours(kernel, state) ? go_on(restore) : next();
    case restore: {
      if (kernel.has(model::Behaviour::wishes) && (!is_ours(kernel, state) || home != memory.placeholder))
        return go_on(ask_before_closing);
      Call dup = make_call(CallKind::dup3, memory.window_home, number, SC_FLAG_CLOEXEC);
      dup.name = 1;
      if (!run(kernel, state, dup, result)) return false;
      return go_on(result.error == 0 ? ask_again : ask_before_closing);
    }
    case ask_again:
      if (now == memory.placeholder) {
        memory.window_free |= 1ull << number;
        return next();
      }
      return home != model::none && now == home ? go_on(drop) : next();
    case ask_before_closing:
      return is_ours(kernel, state) ? go_on(close) : next();
    default:
      if (phase_ == close && kernel.has(model::Behaviour::wishes) && !is_ours(kernel, state)) return next();
      if (!run(kernel, state, make_call(CallKind::close, number), result)) return false;
      return next();
  }
}

}  // namespace spawncheck::explore
