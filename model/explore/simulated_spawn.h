// SPDX-License-Identifier: MIT
//
// One spawn inside a simulation: what the reference's parent side and its child do, as a machine that
// makes one step of the kernel at a time.
#pragma once

#include <optional>

#include "model/explore/plans.h"

namespace spawncheck::explore {

// In spawn_step.flags of close-range: all but an array of numbers goes. The model takes them from `bits`; the kernel of
// ci/kernels.d/array, whose flag CLOSE_RANGE_ARRAY this is, from `data` and their count from `a`.
inline constexpr std::uint16_t keeps_an_array = 0x8000;

// Where an address would be in a real plan: names that the simulation understands.
const char* simulated_program(std::uint8_t program, std::uint8_t name);
const char* simulated_directory(std::uint8_t name);

class SimulatedSpawn {
 public:
  enum class Stage : std::uint8_t {
    check,
    block,
    stage,
    clone,
    suspended,
    collect,
    close_pidfd,
    unstage,
    restore,
    returned
  };

  // The plans outlive it.
  SimulatedSpawn(Plans& plans, const sc_request& request, const KeepList& keep, std::int32_t pgroup,
                 model::Index parent, std::uint8_t operation)
      : plans_(&plans), planned_(plans.of(request, keep, pgroup, 0)), parent_(parent), operation_(operation) {}

  Stage stage() const { return stage_; }
  bool has_returned() const { return stage_ == Stage::returned; }
  model::Index parent() const { return parent_; }        // its thread
  std::uint8_t operation() const { return operation_; }  // of that thread
  model::Index child() const { return child_; }          // its task; none before clone
  std::int32_t error() const { return error_; }
  bool was_killed() const;  // its child, before exec
  std::int32_t pidfd() const { return pidfd_; }
  bool memory_shared_at_return() const { return memory_shared_; }  // its child could still run on it
  // The child's memory is the caller's, also where the child has released it and will not run on it again.
  bool has_callers_memory(const model::State&) const;
  std::uint32_t start() const { return planned_->start; }
  bool waits_for_exec() const { return (start() & SPAWN_START_VFORK) != 0; }
  const sc_request& request() const { return *planned_->request; }
  const KeepList& keep() const { return planned_->keep; }
  // The child's next step, null: none, or it is within one.
  const spawn_step* next_step() const {
    return position_ < planned_->steps.size() ? &planned_->steps[position_] : nullptr;
  }
  // Of everything but which task is its child.
  model::Hash128 hash(model::Hash128 h) const;

  // The next step of the caller's only asks what a slot is (fstat(2)), or makes no call at all.
  bool only_asks() const;
  // Number n of the caller's window is not anybody else's: free, a placeholder, or what this spawn has staged in it.
  bool is_own_slot(const model::State&, std::int32_t n, model::Index description) const;
  // A slot and its witness, which nobody else has touched, still have what this spawn has staged.
  bool leaves_what_it_staged(const model::State&) const;

  // One step of the parent's side; false: nothing it could do now, and nothing has changed.
  bool step_parent(const model::Kernel&, model::State&);
  // One step of the child's plan; false: likewise. A step that fails begins the child's exit.
  bool step_child(const model::Kernel&, model::State&);
  bool runs_program() const { return runs_program_; }  // the child has exec'd

 private:
  // Of the window (impl/spawn/window.cpp, here simulated_window.cpp): a source's slot and its witness. `file` is what
  // the spawn takes for staged; `put` is what its own dup3 put at each number, the last time and the time before, which
  // it cannot ask the kernel for: only the checks and a kernel with wishes go by that.
  enum : std::uint8_t { of_slot, of_witness };
  struct Staged {
    std::int32_t source = -1, number[2] = {-1, -1};
    model::Index file = model::none, put[2] = {model::none, model::none}, put_before[2] = {model::none, model::none};
  };

  bool check(const model::State&) const;
  bool plan(model::State&);
  bool stage_one(const model::Kernel&, model::State&);
  bool unstage_one(const model::Kernel&, model::State&);
  void stage_failed(model::State&, int error, std::uint64_t lost);
  void begin_unstage();
  void next_unstage();
  unsigned still_staged(const model::State&) const;
  bool is_ours(const model::Kernel&, const model::State&);
  std::uint64_t read_window(model::State&);
  void give_back_read(model::State&);
  void begin_again();
  bool call(const model::Kernel&, model::State&, const model::Call&, Stage next, model::Result&);
  bool run(const model::Kernel&, model::State&, const model::Call&, model::Result&) const;
  std::optional<model::Call> call_of(const model::State&, const spawn_step&) const;
  void child_did(model::State&, const spawn_step&, model::Result);
  void child_failed(model::State&, int error);

  Plans* plans_;
  const PlannedSpawn* planned_;
  model::Index parent_, child_ = model::none;
  std::uint8_t operation_;
  Stage stage_ = Stage::check;
  std::uint32_t position_ = 0;
  std::uint64_t caller_mask_ = 0;
  std::int32_t temporary_ = -1, pidfd_ = -1, error_ = 0, failed_step_ = -1;  // kind; -1: none
  model::SmallVector<Staged, 2> staged_;
  std::uint32_t staged_count_ = 0, left_ = 0;  // of staged_: made; to be undone, the last first
  std::uint8_t phase_ = 0, tries_ = 0;
  std::uint8_t which_ = 0, newer_ = 0,
               ours_ = 0;  // the number that is undone; the one that is read last; what was ours when it was asked
  std::uint64_t read_taken_ = 0;  // numbers of the window that the request reads itself
  bool has_blocked_ = false, runs_program_ = false, reported_ = false, memory_shared_ = false;
};

}  // namespace spawncheck::explore
