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

SimulatedSpawn::SimulatedSpawn(const sc_request& request, std::vector<std::pair<std::int32_t, std::int32_t>> keep, Index parent)
    : request_(&request), keep_(std::move(keep)), parent_(parent) {}

// What spawn_run() checks with system calls before there is a child: each source is open, each target is
// below the limit.
bool SimulatedSpawn::check(State& state) {
  const model::Table& table = state.table_of(parent_);
  for (const auto& [source, target] : keep_) {
    const model::Entry* e = source < 0 ? nullptr : table.find(source);
    const bool is_open = e != nullptr && e->description != model::none;
    if (!is_open || target < 0 || target >= state.process_of(parent_).limit) {
      error_ = EBADF;
      return false;
    }
  }
  return true;
}

bool SimulatedSpawn::call(const Kernel& kernel, State& state, const Call& call, Stage next, Result& result) {
  if (!state.tasks[parent_].flight.active) model::begin(state, parent_, call);
  const Step made = model::step(kernel, state, parent_, 0, result);
  if (made == Step::done) stage_ = next;
  return made != Step::blocked;
}

bool SimulatedSpawn::step_parent(const Kernel& kernel, State& state, const Planner& planner) {
  Result result;
  switch (stage_) {
    case Stage::check: {
      spawn_plan plan{};
      PlanRequest request{request_, keep_, simulated_program(request_->program, request_->name),
                          (request_->set & SPAWNCHECK_SET_CWD) != 0 ? simulated_directory(request_->cwd) : nullptr};
      error_ = planner(request, plan);
      if (error_ != 0 || !check(state)) {
        stage_ = Stage::returned;
        return true;
      }
      steps_.assign(plan.step, plan.step + plan.step_count);
      start_ = plan.start;
      stage_ = Stage::block;
      return true;
    }
    case Stage::block:
      caller_mask_ = state.tasks[parent_].mask;
      return call(kernel, state, make_call(CallKind::mask, SC_HOW_SET, -1, 0, ~0ull), Stage::clone, result);
    case Stage::clone: {
      const bool made = call(kernel, state, make_call(CallKind::clone, 0, -1, start_), Stage::suspended, result);
      if (stage_ != Stage::suspended) return made;
      if (result.error != 0) {
        error_ = result.error;
        stage_ = Stage::restore;
        return true;
      }
      child_ = static_cast<Index>(result.value[0]);
      pidfd_ = result.value[1];
      return true;
    }
    case Stage::suspended:
      if (state.tasks[parent_].vfork_child != model::none) return false;
      if ((start_ & SPAWN_START_VFORK) != 0 && !reported_ && state.process_of(child_).program < 0 && !state.tasks[child_].ended) return false;
      stage_ = reported_ ? Stage::collect : Stage::restore;
      return true;
    case Stage::collect: {
      const Stage next = pidfd_ >= 0 ? Stage::close_pidfd : Stage::restore;
      return call(kernel, state, make_call(CallKind::wait, state.tasks[child_].process), next, result);
    }
    case Stage::close_pidfd: {
      const bool made = call(kernel, state, make_call(CallKind::close, pidfd_), Stage::restore, result);
      if (stage_ == Stage::restore) pidfd_ = -1;
      return made;
    }
    case Stage::restore:
      memory_shared_ = child_ != model::none && !state.tasks[child_].ended && state.tasks[child_].memory == state.tasks[parent_].memory;
      return call(kernel, state, make_call(CallKind::mask, SC_HOW_SET, -1, 0, caller_mask_), Stage::returned, result);
    default: return false;
  }
}

Call SimulatedSpawn::call_of(const spawn_step& s) const {
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
      return make_call(CallKind::dup, number(s.a), s.b, SC_FLAG_CLOEXEC);
    case SPAWN_STEP_DUP: {
      constexpr unsigned o_cloexec = 02000000;
      Call call = make_call(CallKind::dup3, number(s.a), number(s.b), (s.flags & 1u) != 0 || (s.flags & o_cloexec) != 0 ? SC_FLAG_CLOEXEC : 0);
      call.name = 1;
      return call;
    }
    case SPAWN_STEP_SET_CLOEXEC: return make_call(CallKind::setfd, number(s.a), -1, SC_FLAG_CLOEXEC);
    case SPAWN_STEP_CLEAR_CLOEXEC: return make_call(CallKind::setfd, number(s.a));
    case SPAWN_STEP_SWEEP_CLOEXEC: return make_call(CallKind::sweep_cloexec, number(s.a));
    case SPAWN_STEP_MASK: return make_call(CallKind::mask, SC_HOW_SET, -1, 0, s.flags != 0 ? caller_mask_ : s.bits);
    case SPAWN_STEP_EXEC: return exec_call(s.path);
    default: return make_call(CallKind::exec, SC_PROGRAM_HOLD);
  }
}

void SimulatedSpawn::child_failed(State& state, int error) {
  error_ = error;
  failed_step_ = steps_[position_].kind;
  reported_ = true;
  Result result;
  model::run_call(Kernel{}, state, child_, make_call(CallKind::exit, 127), result);
  child_done_ = true;
}

std::uint64_t SimulatedSpawn::hash(std::uint64_t h) const {
  h = model::mix(h, static_cast<std::uint64_t>(stage_) | std::uint64_t{child_} << 8 | std::uint64_t{position_} << 24 | std::uint64_t{child_done_} << 40 |
                        std::uint64_t{reported_} << 41 | std::uint64_t{memory_shared_} << 42);
  h = model::mix(h, static_cast<std::uint32_t>(temporary_) | std::uint64_t{static_cast<std::uint32_t>(pidfd_)} << 32);
  return model::mix(h, static_cast<std::uint32_t>(error_) | std::uint64_t{static_cast<std::uint32_t>(failed_step_)} << 32);
}

bool SimulatedSpawn::step_child(const Kernel& kernel, State& state) {
  if (child_ == model::none || child_done_ || state.tasks[child_].ended) return false;
  if (position_ >= steps_.size()) {  // a plan that does not end in exec is a mistake of the planner
    --position_;
    child_failed(state, ENOEXEC);
    return true;
  }
  const spawn_step& s = steps_[position_];
  if (!state.tasks[child_].flight.active) model::begin(state, child_, call_of(s));
  Result result;
  const Step made = model::step(kernel, state, child_, 0, result);
  if (made == Step::blocked) return false;
  if (made == Step::advanced) return true;
  if (s.kind == SPAWN_STEP_DUP_TO_TEMPORARY && result.error == EINVAL) result.error = EMFILE;
  const bool closed_is_fine = s.kind == SPAWN_STEP_CLOSE || s.kind == SPAWN_STEP_CLOSE_PIDFD;
  if (result.error != 0 && !closed_is_fine) {
    child_failed(state, result.error);
    return true;
  }
  const bool is_foretold = s.kind == SPAWN_STEP_CALLER || s.kind == SPAWN_STEP_FETCH;
  if (is_foretold && result.value[0] != (s.kind == SPAWN_STEP_CALLER ? s.a : s.b)) {
    child_failed(state, EBADFD);
    return true;
  }
  if (s.kind == SPAWN_STEP_DUP_TO_TEMPORARY) temporary_ = result.value[0];
  child_done_ = s.kind == SPAWN_STEP_EXEC || s.kind == SPAWN_STEP_EXEC_FD;
  ++position_;
  return true;
}

}  // namespace spawncheck::explore
