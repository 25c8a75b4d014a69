// SPDX-License-Identifier: MIT
#include "model/explore/simulated_spawn.h"

#include "impl/peers/implementation.h"

#include <cerrno>
#include <cstring>

namespace spawncheck::explore {

using model::Call;
using model::CallKind;
using model::Index;
using model::Kernel;
using model::Result;
using model::State;
using model::Step;

namespace {

constexpr const char* program_words[] = {
#define SPAWNCHECK_ROW(id, word, summary) word,
    SC_PROGRAMS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};
constexpr const char* written_words[SC_NAMES_MAX] = {"written a", "written b", "written c", "written d"};
constexpr const char* directory_words[SC_NAMES_MAX] = {"a", "b", "c", "d"};

Index file_at(const State& state, Index task, std::int32_t number) {
  const model::Entry* e = number < 0 ? nullptr : state.table_of(task).find(number);
  return e == nullptr ? model::none : e->description;
}

// Of SimulatedSpawn::phase_: while it stages, and while it undoes that.
constexpr std::uint8_t phase_of_dup = 2;

// Of failed_step(): no step of the plan.
constexpr std::int32_t killed_before_exec = -5;
enum : std::uint8_t { ask_home, ask_slot, restore, ask_again, drop, ask_before_closing, close };

Call exec_call(const char* path) {
  Call call = make_call(CallKind::exec, SC_PROGRAM_MISSING);
  for (int p = 0; p < SC_PROGRAM_COUNT; ++p)
    if (std::strcmp(program_words[p], path) == 0) call.a = p;
  for (std::uint8_t n = 0; n < SC_NAMES_MAX; ++n)
    if (std::strcmp(written_words[n], path) == 0) {
      call.a = SC_PROGRAM_WRITTEN;
      call.name = n;
    }
  return call;
}

}  // namespace

const char* simulated_program(std::uint8_t program, std::uint8_t name) {
  return program == SC_PROGRAM_WRITTEN ? written_words[name % SC_NAMES_MAX] : program_words[program % SC_PROGRAM_COUNT];
}

const char* simulated_directory(std::uint8_t name) { return directory_words[name % SC_NAMES_MAX]; }

// What spawn_run() checks with system calls before there is a child: each source is open, each target is
// below the limit.
bool SimulatedSpawn::check(const State& state) const {
  const model::Table& table = state.table_of(parent_);
  for (const auto& [source, target] : planned_->keep) {
    const model::Entry* e = source < 0 ? nullptr : table.find(source);
    const bool is_open = e != nullptr && e->description != model::none;
    if (!is_open || target < 0 || target >= state.process_of(parent_).limit) return false;
  }
  return true;
}

bool SimulatedSpawn::was_killed() const { return failed_step_ == killed_before_exec; }

bool SimulatedSpawn::call(const Kernel& kernel, State& state, const Call& call, Stage next, Result& result) {
  const bool begins = !state.tasks[parent_].flight.active;
  if (begins) model::begin(state, parent_, call);
  const Step made = model::step(kernel, state, parent_, 0, result);
  if (made == Step::done) stage_ = next;
  if (made == Step::blocked && begins) state.tasks[parent_].flight = {};
  return made != Step::blocked;
}

// A call of the caller's at one instant. False: it would have to wait, and has not begun.
bool SimulatedSpawn::run(const Kernel& kernel, State& state, const Call& call, Result& result) const {
  if (model::run_call(kernel, state, parent_, call, result) != Step::blocked) return true;
  state.tasks[parent_].flight = {};
  return false;
}

// Other slots, then none.
void SimulatedSpawn::begin_again() {
  ++tries_;
  child_ = model::none;
  error_ = 0;
  failed_step_ = -1;
  runs_program_ = reported_ = false;
  temporary_ = -1;
  stage_ = Stage::check;
}

bool SimulatedSpawn::plan(State& state) {
  model::Memory& memory = state.memories[state.tasks[parent_].memory];
  constexpr std::uint8_t tries_with_slots = 2;
  planned_ = plans_->of(*planned_->request, planned_->keep, tries_ < tries_with_slots ? memory.window_free : 0);
  error_ = planned_->error;
  if (error_ == 0 && !check(state)) error_ = EBADF;
  if (error_ != 0) return false;
  staged_.clear();
  for (const spawn_step& s : planned_->steps)
    if (s.kind == SPAWN_STEP_STAGE) staged_.push_back({s.a, s.b, model::none});
  for (const Staged& s : staged_) memory.window_free &= ~(1ull << s.slot);
  position_ = static_cast<std::uint32_t>(staged_.size());
  staged_count_ = unstaged_ = 0;
  phase_ = 0;
  return true;
}

bool SimulatedSpawn::is_own_slot(const State& state, std::int32_t n, Index description) const {
  const model::Memory& memory = state.memories[state.tasks[parent_].memory];
  if (n < 0 || n >= 64 || (memory.window >> n & 1) == 0) return false;
  if (description == model::none || description == memory.placeholder) return true;
  for (const Staged& s : staged_)
    if (s.slot == n && (s.file == description || (s.file == model::none && file_at(state, parent_, s.source) == description))) return true;
  return false;
}

// The slots from this one on go back; what is staged is undone.
void SimulatedSpawn::stage_failed(State& state, int error, bool is_lost) {
  model::Memory& memory = state.memories[state.tasks[parent_].memory];
  for (std::size_t i = staged_count_; i < staged_.size(); ++i)
    if (i != staged_count_ || !is_lost) memory.window_free |= 1ull << staged_[i].slot;
  error_ = error;
  failed_step_ = SPAWN_STEP_STAGE;
  next_unstage();
}

void SimulatedSpawn::next_unstage() {
  phase_ = 0;
  stage_ = unstaged_ < staged_count_ ? Stage::unstage : Stage::restore;
}

bool SimulatedSpawn::only_asks() const {
  if (stage_ == Stage::stage) return staged_count_ == staged_.size() || phase_ != phase_of_dup;
  return stage_ == Stage::unstage && (phase_ == ask_home || phase_ == ask_slot || phase_ == ask_again || phase_ == ask_before_closing);
}

// window_stage(): is the slot a placeholder; what is the source; dup3; is it that. Where the kernel had what no kernel has, the
// dup3 would replace only what is expected there.
bool SimulatedSpawn::stage_one(const Kernel& kernel, State& state) {
  if (staged_count_ == staged_.size()) {
    stage_ = Stage::clone;
    return true;
  }
  Staged& s = staged_[staged_count_];
  switch (phase_) {
    case 0:
      if (file_at(state, parent_, s.slot) != state.memories[state.tasks[parent_].memory].placeholder) stage_failed(state, EBUSY, true);
      else phase_ = 1;
      return true;
    case 1:
      source_before_ = file_at(state, parent_, s.source);
      phase_ = 2;
      return true;
    case phase_of_dup: {
      if (kernel.has_wishes && file_at(state, parent_, s.slot) != state.memories[state.tasks[parent_].memory].placeholder) {
        stage_failed(state, EBUSY, true);
        return true;
      }
      Call dup = make_call(CallKind::dup3, s.source, s.slot, SC_FLAG_CLOEXEC);
      dup.name = 1;
      Result result;
      if (!run(kernel, state, dup, result)) return false;
      if (result.error != 0) stage_failed(state, result.error, false);
      else phase_ = 3;
      return true;
    }
    default:
      s.file = file_at(state, parent_, s.slot);
      if (s.file == model::none || (s.file != source_before_ && s.file != file_at(state, parent_, s.source))) {
        stage_failed(state, EBUSY, true);
      } else {
        ++staged_count_;
        phase_ = 0;
      }
      return true;
  }
}

// window_unstage(): has home a placeholder; is the slot still what was staged; dup3; is it a placeholder. Without home's the slot
// is closed: the search for another placeholder is left out.
bool SimulatedSpawn::unstage_one(const Kernel& kernel, State& state) {
  model::Memory& memory = state.memories[state.tasks[parent_].memory];
  const Staged& s = staged_[unstaged_];
  const auto slot_has = [&](Index file) { return file_at(state, parent_, s.slot) == file; };
  const auto home = file_at(state, parent_, memory.window_home);
  const auto next = [&] {
    ++unstaged_;
    next_unstage();
    return true;
  };
  const auto go_on = [&](std::uint8_t phase) {
    phase_ = phase;
    return true;
  };
  Result result;
  switch (phase_) {
    case ask_home: return go_on(home == memory.placeholder ? ask_slot : ask_before_closing);
    case ask_slot: return slot_has(s.file) ? go_on(restore) : next();
    case restore: {
      if (kernel.has_wishes && (!slot_has(s.file) || home != memory.placeholder)) return go_on(ask_before_closing);
      Call dup = make_call(CallKind::dup3, memory.window_home, s.slot, SC_FLAG_CLOEXEC);
      dup.name = 1;
      if (!run(kernel, state, dup, result)) return false;
      return go_on(result.error == 0 ? ask_again : ask_before_closing);
    }
    case ask_again:
      if (slot_has(memory.placeholder)) {
        memory.window_free |= 1ull << s.slot;
        return next();
      }
      return home != model::none && slot_has(home) ? go_on(drop) : next();
    case ask_before_closing: return slot_has(s.file) ? go_on(close) : next();
    default:
      if (phase_ == close && kernel.has_wishes && !slot_has(s.file)) return next();
      if (!run(kernel, state, make_call(CallKind::close, s.slot), result)) return false;
      return next();
  }
}

bool SimulatedSpawn::step_parent(const Kernel& kernel, State& state) {
  Result result;
  switch (stage_) {
    case Stage::check: stage_ = plan(state) ? Stage::block : Stage::returned; return true;
    case Stage::block: {
      caller_mask_ = state.tasks[parent_].mask;
      has_blocked_ = true;
      return call(kernel, state, make_call(CallKind::mask, SC_HOW_SET, -1, 0, ~0ull), staged_.empty() ? Stage::clone : Stage::stage, result);
    }
    case Stage::stage: return stage_one(kernel, state);
    case Stage::unstage: return unstage_one(kernel, state);
    case Stage::clone: {
      const bool made = call(kernel, state, make_call(CallKind::clone, 0, -1, start()), Stage::suspended, result);
      if (stage_ != Stage::suspended) return made;
      if (result.error != 0) {
        error_ = result.error;
        next_unstage();
        return true;
      }
      child_ = static_cast<Index>(result.value[0]);
      pidfd_ = result.value[1];
      return true;
    }
    // A child that has neither exec'd nor said why is dead, or dying of a signal (impl/spawn/run.cpp died_before_exec).
    case Stage::suspended:
      if (state.tasks[parent_].vfork_child != model::none) return false;
      if (waits_for_exec() && !reported_ && state.process_of(child_).program < 0) {
        error_ = ECANCELED;
        failed_step_ = killed_before_exec;
      }
      if (error_ != 0) stage_ = Stage::collect;
      else next_unstage();
      return true;
    case Stage::collect: {
      const bool made = call(kernel, state, make_call(CallKind::wait, state.tasks[child_].process, -1, model::wait_all), Stage::close_pidfd, result);
      if (stage_ == Stage::close_pidfd && pidfd_ < 0) next_unstage();
      return made;
    }
    case Stage::close_pidfd: {
      const bool made = call(kernel, state, make_call(CallKind::close, pidfd_), Stage::unstage, result);
      if (stage_ != Stage::unstage) return made;
      pidfd_ = -1;
      next_unstage();
      return made;
    }
    case Stage::restore:
      memory_shared_ = child_ != model::none && state.tasks[child_].memory == state.tasks[parent_].memory;
      if (!call(kernel, state, make_call(CallKind::mask, SC_HOW_SET, -1, 0, caller_mask_), Stage::returned, result)) return false;
      if (error_ != 0 && (failed_step_ == SPAWN_STEP_STAGE || failed_step_ == SPAWN_STEP_CHECK_STAGED)) begin_again();
      return true;
    default: return false;
  }
}

// Nothing: the model has no word for the step.
std::optional<Call> SimulatedSpawn::call_of(const State& state, const spawn_step& s) const {
  const auto number = [&](std::int32_t n) { return n == SPAWN_TEMPORARY ? temporary_ : n; };
  switch (s.kind) {
    case SPAWN_STEP_RESET_HANDLERS: return make_call(CallKind::dispositions, -1, -1);
    case SPAWN_STEP_DEFAULT: return make_call(CallKind::dispositions, -1, SC_DISPOSITION_DEFAULT, 0, s.bits);
    case SPAWN_STEP_IGNORE: return make_call(CallKind::dispositions, -1, SC_DISPOSITION_IGNORE, 0, s.bits);
    case SPAWN_STEP_SESSION: return make_call(CallKind::setsid);
    case SPAWN_STEP_PGROUP: return make_call(CallKind::setpgid, s.a);
    case SPAWN_STEP_UMASK: return make_call(CallKind::umask, s.a);
    case SPAWN_STEP_CHDIR: return make_call(CallKind::chdir, s.path[0] - 'a');
    case SPAWN_STEP_FCHDIR: return make_call(CallKind::getfd, s.a);
    case SPAWN_STEP_UNSHARE: return make_call(CallKind::unshare_files);
    case SPAWN_STEP_CLOSE_RANGE:
      if ((s.flags & on_the_model_only) != 0) return make_call(CallKind::close_but, -1, -1, 0, s.bits);
      return make_call(CallKind::close_range, static_cast<std::int32_t>(s.first), static_cast<std::int32_t>(s.last), s.flags);
    case SPAWN_STEP_CLOSE_EACH:
      return make_call(CallKind::close_each, static_cast<std::int32_t>(s.first), static_cast<std::int32_t>(s.last));
    case SPAWN_STEP_CLOSE_PIDFD: return make_call(CallKind::close, pidfd_);
    case SPAWN_STEP_CHECK_STAGED: {
      std::int32_t asked = staged_[0].slot;
      for (const Staged& staged : staged_)
        if (file_at(state, child_, staged.slot) != staged.file) asked = -1;  // EBADF
      return make_call(CallKind::getfd, asked);
    }
    case SPAWN_STEP_CALLER: {
      Call call = make_call(CallKind::create, -1, -1, SC_FLAG_CLOEXEC);
      call.key[0].kind = SC_FILE_PIDFD;
      return call;
    }
    case SPAWN_STEP_FETCH:
      if (s.a == pidfd_) return make_call(CallKind::getfd, -1);  // EBADF
      return make_call(CallKind::fetch, s.a, -1, SC_FLAG_CLOEXEC);
    case SPAWN_STEP_CLOSE: return make_call(CallKind::close, number(s.a));
    case SPAWN_STEP_DUP_TO_TEMPORARY:
      return make_call(CallKind::dupfd, number(s.a), s.b, SC_FLAG_CLOEXEC);
    case SPAWN_STEP_DUP: {
      constexpr unsigned o_cloexec = 02000000;
      Call call = make_call(CallKind::dup3, number(s.a), number(s.b), (s.flags & 1u) != 0 || (s.flags & o_cloexec) != 0 ? SC_FLAG_CLOEXEC : 0);
      call.name = 1;
      return call;
    }
    case SPAWN_STEP_SET_CLOEXEC: return make_call(CallKind::setfd, number(s.a), -1, SC_FLAG_CLOEXEC);
    case SPAWN_STEP_CLEAR_CLOEXEC: return make_call(CallKind::setfd, number(s.a));
    case SPAWN_STEP_SWEEP_CLOEXEC: return make_call(CallKind::sweep_cloexec, number(s.a));
    // Neither descriptors nor signals nor memory: nothing that the model has. No scenario asks for them, nor for OPEN or
    // EXEC_SEARCH; they are checked through the C interface (properties/spawn_features_test).
    case SPAWN_STEP_TERMINAL: case SPAWN_STEP_FOREGROUND: case SPAWN_STEP_NICE: case SPAWN_STEP_SCHEDULING: case SPAWN_STEP_AFFINITY:
    case SPAWN_STEP_LIMIT: case SPAWN_STEP_GROUPS: case SPAWN_STEP_GID: case SPAWN_STEP_UID: case SPAWN_STEP_DEATH_SIGNAL: case SPAWN_STEP_NO_NEW_PRIVS:
      return make_call(CallKind::dispositions, -1, SC_DISPOSITION_DEFAULT, 0, 0);  // of no signal
    case SPAWN_STEP_MASK: return make_call(CallKind::mask, SC_HOW_SET, -1, 0, s.flags != 0 ? caller_mask_ : s.bits);
    case SPAWN_STEP_EXEC: return exec_call(s.path);
    default: return std::nullopt;
  }
}

void SimulatedSpawn::child_failed(State& state, int error) {
  if (!has_returned()) {  // nobody listens any more
    error_ = error;
    failed_step_ = planned_->steps[position_].kind;
    reported_ = true;
  }
  constexpr std::int32_t status_of_failure = 127;
  model::begin_exit(state, child_, status_of_failure);
}

model::Hash128 SimulatedSpawn::hash(model::Hash128 h) const {
  h = model::mix(h, static_cast<std::uint64_t>(stage_) | std::uint64_t{child_ != model::none} << 8 | std::uint64_t{has_blocked_} << 9 | std::uint64_t{position_} << 24 | std::uint64_t{runs_program_} << 40 |
                        std::uint64_t{reported_} << 41 | std::uint64_t{memory_shared_} << 42);
  h = model::mix(h, static_cast<std::uint32_t>(temporary_) | std::uint64_t{static_cast<std::uint32_t>(pidfd_)} << 32);
  h = model::mix(h, staged_count_ | std::uint64_t{unstaged_} << 16 | std::uint64_t{phase_} << 32 | std::uint64_t{tries_} << 40 | std::uint64_t{source_before_} << 48);
  for (const Staged& s : staged_) h = model::mix(h, static_cast<std::uint32_t>(s.slot) | std::uint64_t{s.file} << 32);
  return model::mix(h, static_cast<std::uint32_t>(error_) | std::uint64_t{static_cast<std::uint32_t>(failed_step_)} << 32);
}

bool SimulatedSpawn::step_child(const Kernel& kernel, State& state) {
  if (child_ == model::none || runs_program_ || state.tasks[child_].ended) return false;
  if (position_ >= planned_->steps.size()) {  // a plan that does not end in exec is a mistake of the planner
    --position_;
    child_failed(state, ENOEXEC);
    return true;
  }
  const spawn_step& s = planned_->steps[position_];
  const bool begins = !state.tasks[child_].flight.active;
  if (begins) {
    const std::optional<Call> call = call_of(state, s);
    if (!call) {
      child_failed(state, ENOSYS);
      return true;
    }
    model::begin(state, child_, *call);
  }
  Result result;
  const Step made = model::step(kernel, state, child_, 0, result);
  if (made == Step::blocked && begins) state.tasks[child_].flight = {};
  if (made == Step::blocked) return false;
  if (made == Step::advanced) return true;
  child_did(state, s, result);
  return true;
}

// The step's call has returned.
void SimulatedSpawn::child_did(State& state, const spawn_step& s, Result result) {
  if (s.kind == SPAWN_STEP_DUP_TO_TEMPORARY && result.error == EINVAL) result.error = EMFILE;
  const bool closed_is_fine = s.kind == SPAWN_STEP_CLOSE || s.kind == SPAWN_STEP_CLOSE_PIDFD;
  if (result.error != 0 && !closed_is_fine) return child_failed(state, result.error);
  const bool is_foretold = s.kind == SPAWN_STEP_CALLER || s.kind == SPAWN_STEP_FETCH;
  if (is_foretold && result.value[0] != (s.kind == SPAWN_STEP_CALLER ? s.a : s.b)) return child_failed(state, EBADFD);
  if (s.kind == SPAWN_STEP_DUP_TO_TEMPORARY) temporary_ = result.value[0];
  runs_program_ = s.kind == SPAWN_STEP_EXEC;
  ++position_;
}

}  // namespace spawncheck::explore
