// SPDX-License-Identifier: MIT
#include "model/explore/simulated_spawn.h"

#include <cerrno>
#include <cstring>

#include "impl/peers/implementation.h"

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
// Of failed_step(): no step of the plan.
constexpr std::int32_t killed_before_exec = -5;
enum : std::uint8_t { ask_witness, ask_slot, read_source, read_source_again, compare };
enum : std::uint8_t { ask_home, ask_number, restore, ask_again, drop, ask_before_closing, close };

// As far as fstat(2) tells: files of anonymous inodes are all alike.
bool looks_like(const State& state, Index a, Index b) {
  if (a == model::none || b == model::none) return false;
  const sc_key &one = state.descriptions[a].key, &other = state.descriptions[b].key;
  const bool has_anonymous_inode = one.kind == SC_FILE_EVENTFD || one.kind == SC_FILE_NULL;
  return a == b || (one.kind == other.kind && (has_anonymous_inode || one.id == other.id));
}

// The numbers below 64 that the entries read.
std::uint64_t numbers_read(const KeepList& keep) {
  std::uint64_t numbers = 0;
  for (const auto& [source, target] : keep)
    if (source >= 0 && source < 64) numbers |= 1ull << source;
  return numbers;
}

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

// window_read(): numbers of the window that the request reads itself are taken, so that nobody stages anything there;
// those that another spawn has are returned.
std::uint64_t SimulatedSpawn::read_window(State& state) {
  model::Memory& memory = state.memories[state.tasks[parent_].memory];
  const std::uint64_t named = numbers_read(planned_->keep) & memory.window;
  read_taken_ = named & memory.window_free;
  memory.window_free &= ~read_taken_;
  const std::uint64_t home = memory.window_home < 0 ? 0 : 1ull << memory.window_home;  // there may be no window
  return named & ~read_taken_ & ~home;
}

void SimulatedSpawn::give_back_read(State& state) {
  state.memories[state.tasks[parent_].memory].window_free |= read_taken_;
  read_taken_ = 0;
}

bool SimulatedSpawn::is_own_slot(const State& state, std::int32_t n, Index description) const {
  if (n < 0 || n >= 64 || state.tasks[parent_].memory == model::none) return false;  // its caller has ended
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

// What has been written of the source is undone; the rest goes back, but for `lost`.
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

// The next number that has been written, from the last source to the first.
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

// window_stage(): are both numbers placeholders; the source is read into both until they agree. Where the kernel had
// what no kernel has, a dup3 would replace only what is expected there, and say what it put.
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
      if (kernel.has_wishes && !is_expected) return fail(EBUSY, bit_of(newer_));
      Call dup = make_call(CallKind::dup3, s.source, s.number[newer_], SC_FLAG_CLOEXEC);
      dup.name = 1;
      Result result;
      if (!run(kernel, state, dup, result)) return false;
      const bool is_source_open =
          file_at(state, parent_, s.source) != model::none;  // EBADF also where the limit is below the number
      if (result.error != 0) return fail(result.error == EBADF && is_source_open ? EBUSY : result.error, 0);
      if (is_expected) s.put_before[newer_] = s.put[newer_];
      s.put[newer_] = has(newer_);
      if (phase_ == read_source) newer_ = of_slot;
      ++phase_;
      return true;
    }
    default:
      if (kernel.has_wishes)
        for (const int which : {of_slot, of_witness})
          if (has(which) != s.put[which]) return fail(EBUSY, bit_of(which));
      s.file = has(newer_);
      if (has(of_slot) == model::none || has(of_witness) == model::none) return fail(EBUSY, 0);
      if (has(of_slot) !=
          has(of_witness)) {  // the source has been replaced, or other code has written there: it is read again
        newer_ = of_witness;
        phase_ = read_source;
        return true;
      }
      ++staged_count_;
      phase_ = ask_witness;
      return true;
  }
}

// Which of a source's two numbers are still ours, a bit each; before they have been compared, whatever is open.
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

// The question of restore() in window.cpp.
bool SimulatedSpawn::is_ours(const Kernel& kernel, const State& state) {
  const Staged& s = staged_[left_ - 1];
  const Index now = file_at(state, parent_, s.number[which_]);
  if (kernel.has_wishes) return now == s.put[which_];
  constexpr std::uint8_t both = 3;
  const bool is_compared = left_ <= staged_count_;
  if (which_ == of_witness && is_compared && ours_ == both) return looks_like(state, now, s.file);
  ours_ = static_cast<std::uint8_t>(still_staged(state));
  return (ours_ >> which_ & 1) != 0;
}

// window_unstage(): has home a placeholder; is the number still ours; dup3; is it a placeholder. Without home's the
// number is closed: the search for another placeholder is left out.
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
      if (kernel.has_wishes && (!is_ours(kernel, state) || home != memory.placeholder))
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
      if (phase_ == close && kernel.has_wishes && !is_ours(kernel, state)) return next();
      if (!run(kernel, state, make_call(CallKind::close, number), result)) return false;
      return next();
  }
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
    // A child that has neither exec'd nor said why is dead, or dying of a signal (impl/spawn/run.cpp died_before_exec).
    case Stage::suspended:
      if (state.tasks[parent_].vfork_child != model::none) return false;
      if (waits_for_exec() && !reported_ && state.process_of(child_).program < 0) {
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
      memory_shared_ = child_ != model::none && state.tasks[child_].memory == state.tasks[parent_].memory;
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

// Nothing: the model has no word for the step.
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
    // Neither descriptors nor signals nor memory: nothing that the model has. No scenario asks for them, nor for OPEN
    // or EXEC_SEARCH; they are checked through the C interface (properties/spawn_features_test).
    case SPAWN_STEP_TERMINAL:
    case SPAWN_STEP_FOREGROUND:
    case SPAWN_STEP_NICE:
    case SPAWN_STEP_SCHEDULING:
    case SPAWN_STEP_AFFINITY:
    case SPAWN_STEP_LIMIT:
    case SPAWN_STEP_GROUPS:
    case SPAWN_STEP_GID:
    case SPAWN_STEP_UID:
    case SPAWN_STEP_DEATH_SIGNAL:
    case SPAWN_STEP_NO_NEW_PRIVS:
      return make_call(CallKind::dispositions, -1, SC_DISPOSITION_DEFAULT, 0, 0);  // of no signal
    case SPAWN_STEP_MASK:
      return make_call(CallKind::mask, SC_HOW_SET, -1, 0, s.flags != 0 ? caller_mask_ : s.bits);
    case SPAWN_STEP_EXEC:
      return exec_call(s.path);
    default:
      return std::nullopt;
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
