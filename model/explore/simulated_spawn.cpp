// SPDX-License-Identifier: MIT
#include "model/explore/simulated_spawn.h"

#include <cerrno>
#include <cstring>

#include "impl/peers/implementation.h"
#include "model/explore/simulated_window.h"

namespace spawncheck::explore {

using model::Call;
using model::CallKind;
using model::Index;
using model::Kernel;
using model::Result;
using model::State;
using model::Step;

namespace {

// A value of failed_step_ that is no step of the plan.
constexpr std::int32_t killed_before_exec = -5;

constexpr const char* program_words[] = {
#define SPAWNCHECK_ROW(id, word, summary) word,
    SC_PROGRAMS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};
constexpr const char* written_words[SC_NAMES_MAX] = {"written a", "written b", "written c", "written d"};
constexpr const char* directory_words[SC_NAMES_MAX] = {"a", "b", "c", "d"};

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

bool SimulatedSpawn::has_callers_memory(const State& state) const {
  return child_ != model::none && !state.tasks[child_].ended &&
         state.tasks[child_].memory == state.tasks[parent_].memory;
}

bool SimulatedSpawn::call(const Kernel& kernel, State& state, const Call& call, Stage next, Result& result) {
  const bool begins = !state.tasks[parent_].flight.active;
  if (begins) model::begin(state, parent_, call);
  const Step made = model::step(kernel, state, parent_, 0, result);
  if (made == Step::done) stage_ = next;
  if (made == Step::blocked && begins) state.tasks[parent_].flight = {};
  return made != Step::blocked;
}

// Makes a call of the caller at one instant. Returns false if the call would block; it has not begun then.
bool SimulatedSpawn::run(const Kernel& kernel, State& state, const Call& call, Result& result) const {
  if (model::run_call(kernel, state, parent_, call, result) != Step::blocked) return true;
  state.tasks[parent_].flight = {};
  return false;
}

// Tries again: first with other slots, then without.
void SimulatedSpawn::begin_again() {
  ++tries_;
  child_ = model::none;
  error_ = 0;
  failed_step_ = -1;
  runs_program_ = reported_ = false;
  temporary_ = -1;
  stage_ = Stage::check;
}

bool SimulatedSpawn::step_parent(const Kernel& kernel, State& state) {
  Result result;
  switch (stage_) {
    case Stage::check:
      stage_ = plan(state) ? Stage::block : Stage::returned;
      return true;
    case Stage::block: {
      caller_mask_ = state.tasks[parent_].mask;
      has_blocked_ = true;
      return call(kernel, state, make_call(CallKind::mask, SC_HOW_SET, -1, 0, ~0ull),
                  staged_.empty() ? Stage::clone : Stage::stage, result);
    }
    case Stage::stage:
      return stage_one(kernel, state);
    case Stage::unstage:
      return unstage_one(kernel, state);
    case Stage::clone: {
      const bool made = call(kernel, state, make_call(CallKind::clone, 0, -1, start()), Stage::suspended, result);
      if (stage_ != Stage::suspended) return made;
      if (result.error != 0) {
        error_ = result.error;
        begin_unstage();
        return true;
      }
      child_ = static_cast<Index>(result.value[0]);
      pidfd_ = result.value[1];
      return true;
    }
    // A child that has neither reported an error nor passed exec's point of no return, where its exit signal becomes
    // SIGCHLD, has died or is dying of a signal (impl/spawn/run.cpp died_before_exec).
    case Stage::suspended:
      if (state.tasks[parent_].vfork_child != model::none) return false;
      if (waits_for_exec() && !reported_ && state.process_of(child_).is_clone_child) {
        error_ = ECANCELED;
        failed_step_ = killed_before_exec;
      }
      if (error_ != 0)
        stage_ = Stage::collect;
      else
        begin_unstage();
      return true;
    case Stage::collect: {
      const bool made = call(kernel, state, make_call(CallKind::wait, state.tasks[child_].process, -1, model::wait_all),
                             Stage::close_pidfd, result);
      if (stage_ == Stage::close_pidfd && pidfd_ < 0) begin_unstage();
      return made;
    }
    case Stage::close_pidfd: {
      const bool made = call(kernel, state, make_call(CallKind::close, pidfd_), Stage::unstage, result);
      if (stage_ != Stage::unstage) return made;
      pidfd_ = -1;
      begin_unstage();
      return made;
    }
    case Stage::restore:
      memory_shared_ = has_callers_memory(state) && !state.tasks[child_].has_released_memory;
      if (!call(kernel, state, make_call(CallKind::mask, SC_HOW_SET, -1, 0, caller_mask_), Stage::returned, result))
        return false;
      give_back_read(state);
      if (error_ != 0 &&
          ((failed_step_ == SPAWN_STEP_STAGE && error_ != EBADF) || failed_step_ == SPAWN_STEP_CHECK_STAGED))
        begin_again();
      return true;
    default:
      return false;
  }
}

// Returns nullopt if the model cannot express the step.
std::optional<Call> SimulatedSpawn::call_of(const State& state, const spawn_step& s) const {
  const auto number = [&](std::int32_t n) { return n == SPAWN_TEMPORARY ? temporary_ : n; };
  switch (s.kind) {
    case SPAWN_STEP_RESET_HANDLERS:
      return make_call(CallKind::dispositions, -1, -1);
    case SPAWN_STEP_DEFAULT:
      return make_call(CallKind::dispositions, -1, SC_DISPOSITION_DEFAULT, 0, s.bits);
    case SPAWN_STEP_IGNORE:
      return make_call(CallKind::dispositions, -1, SC_DISPOSITION_IGNORE, 0, s.bits);
    case SPAWN_STEP_SESSION:
      return make_call(CallKind::setsid);
    case SPAWN_STEP_PGROUP:
      return make_call(CallKind::setpgid, s.a);
    case SPAWN_STEP_UMASK:
      return make_call(CallKind::umask, s.a);
    case SPAWN_STEP_CHDIR:
      return make_call(CallKind::chdir, s.path[0] - 'a');
    case SPAWN_STEP_FCHDIR:
      return make_call(CallKind::getfd, s.a);
    case SPAWN_STEP_UNSHARE:
      return make_call(CallKind::unshare_files);
    case SPAWN_STEP_CLOSE_RANGE:
      if ((s.flags & keeps_an_array) != 0) return make_call(CallKind::close_but, -1, -1, 0, s.bits);
      return make_call(CallKind::close_range, static_cast<std::int32_t>(s.first), static_cast<std::int32_t>(s.last),
                       s.flags);
    case SPAWN_STEP_CLOSE_EACH:
      return make_call(CallKind::close_each, static_cast<std::int32_t>(s.first), static_cast<std::int32_t>(s.last));
    case SPAWN_STEP_CLOSE_PIDFD:
      return make_call(CallKind::close, pidfd_);
    case SPAWN_STEP_CHECK_STAGED: {
      std::int32_t asked = staged_[0].number[of_slot];
      for (const Staged& staged : staged_) {
        const Index slot = file_at(state, child_, staged.number[of_slot]);
        if (!looks_like(state, slot, staged.file) || slot != file_at(state, child_, staged.number[of_witness]))
          asked = -1;  // EBADF
      }
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
    case SPAWN_STEP_CLOSE:
      return make_call(CallKind::close, number(s.a));
    case SPAWN_STEP_DUP_TO_TEMPORARY:
      return make_call(CallKind::dupfd, number(s.a), s.b, SC_FLAG_CLOEXEC);
    case SPAWN_STEP_DUP: {
      constexpr unsigned o_cloexec = 02000000;
      Call call = make_call(CallKind::dup3, number(s.a), number(s.b),
                            (s.flags & 1u) != 0 || (s.flags & o_cloexec) != 0 ? SC_FLAG_CLOEXEC : 0);
      call.name = 1;
      return call;
    }
    case SPAWN_STEP_SET_CLOEXEC:
      return make_call(CallKind::setfd, number(s.a), -1, SC_FLAG_CLOEXEC);
    case SPAWN_STEP_CLEAR_CLOEXEC:
      return make_call(CallKind::setfd, number(s.a));
    case SPAWN_STEP_SWEEP_CLOEXEC:
      return make_call(CallKind::sweep_cloexec, number(s.a));
    case SPAWN_STEP_MASK:
      return make_call(CallKind::mask, SC_HOW_SET, -1, 0, s.flags != 0 ? caller_mask_ : s.bits);
    case SPAWN_STEP_EXEC:
      return exec_call(s.path);
    default:
      // Priority, limits, credentials and the like are not in the model: they become a call that changes
      // nothing. No scenario asks for them, nor for OPEN or EXEC_SEARCH; they are checked through the C
      // interface (properties/spawn_features_test).
      if (table_use_of(s) == SPAWN_TABLE_WRITES) return std::nullopt;
      return make_call(CallKind::dispositions, -1, SC_DISPOSITION_DEFAULT, 0, 0);
  }
}

void SimulatedSpawn::child_failed(State& state, int error) {
  if (!has_returned()) {  // otherwise no caller waits for the error
    error_ = error;
    failed_step_ = planned_->steps[position_].kind;
    reported_ = true;
  }
  constexpr std::int32_t status_of_failure = 127;
  model::begin_exit(state, child_, status_of_failure);
}

model::Hash128 SimulatedSpawn::hash(model::Hash128 h) const {
  h = model::mix(h, static_cast<std::uint64_t>(stage_) | std::uint64_t{child_ != model::none} << 8 |
                        std::uint64_t{has_blocked_} << 9 | std::uint64_t{position_} << 24 |
                        std::uint64_t{runs_program_} << 40 | std::uint64_t{reported_} << 41 |
                        std::uint64_t{memory_shared_} << 42);
  h = model::mix(h, static_cast<std::uint32_t>(temporary_) | std::uint64_t{static_cast<std::uint32_t>(pidfd_)} << 32);
  h = model::mix(h, staged_count_ | std::uint64_t{left_} << 16 | std::uint64_t{phase_} << 32 |
                        std::uint64_t{tries_} << 40 | std::uint64_t{which_} << 48 | std::uint64_t{newer_} << 52 |
                        std::uint64_t{ours_} << 56);
  h = model::mix(h, read_taken_);
  for (const Staged& s : staged_) {
    h = model::mix(h, static_cast<std::uint32_t>(s.number[of_slot]) | std::uint64_t{s.file} << 32);
    h = model::mix(h, s.put[of_slot] | std::uint64_t{s.put[of_witness]} << 32);
    h = model::mix(h, s.put_before[of_slot] | std::uint64_t{s.put_before[of_witness]} << 32);
  }
  return model::mix(h,
                    static_cast<std::uint32_t>(error_) | std::uint64_t{static_cast<std::uint32_t>(failed_step_)} << 32);
}

bool SimulatedSpawn::step_child(const Kernel& kernel, State& state) {
  if (child_ == model::none || runs_program_ || state.tasks[child_].ended) return false;
  if (position_ >= planned_->steps.size()) {  // a plan that does not end in exec is a bug of the planner
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
