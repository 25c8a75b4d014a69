// SPDX-License-Identifier: MIT
//
// One spawn inside a simulation: what the reference does in the parent and in its child, as a machine
// that makes one kernel step at a time.
#pragma once

#include <optional>

#include "model/explore/plans.h"

namespace spawncheck::explore {

// In spawn_step.flags of close-range: closes all but an array of numbers. The model takes the numbers from `bits`; the
// kernel of ci/kernels.d/array (its flag CLOSE_RANGE_ARRAY) takes them from `data` and their count from `a`.
inline constexpr std::uint16_t keeps_an_array = 0x8000;

// Stand in for a real plan's addresses: names that the simulation recognises.
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

  // The plans must outlive the SimulatedSpawn.
  SimulatedSpawn(Plans& plans, const sc_request& request, const KeepList& keep, std::int32_t pgroup,
                 model::Index parent, std::uint8_t operation)
      : plans_(&plans), planned_(plans.of(request, keep, pgroup, 0)), parent_(parent), operation_(operation) {}

  Stage stage() const { return stage_; }
  bool has_returned() const { return stage_ == Stage::returned; }
  model::Index parent() const { return parent_; }        // the calling thread
  std::uint8_t operation() const { return operation_; }  // index in that thread
  model::Index child() const { return child_; }          // the child's task; none before clone
  std::int32_t error() const { return error_; }
  bool was_killed() const;  // a signal ended the child before exec
  std::int32_t pidfd() const { return pidfd_; }
  bool memory_shared_at_return() const { return memory_shared_; }  // the child could still run on the caller's memory
  // Returns true if the child's memory is the caller's, even if the child has released it and never runs on it again.
  bool has_callers_memory(const model::State&) const;
  std::uint32_t start() const { return planned_->start; }
  bool waits_for_exec() const { return (start() & SPAWN_START_VFORK) != 0; }
  const sc_request& request() const { return *planned_->request; }
  const KeepList& keep() const { return planned_->keep; }
  // The child's next step; null if there is none, or if the child is within a step.
  const spawn_step* next_step() const {
    return position_ < planned_->steps.size() ? &planned_->steps[position_] : nullptr;
  }
  // Covers everything except which task is the child.
  model::Hash128 hash(model::Hash128 h) const;

  // Returns true if the caller's next step only asks what a slot has (fstat(2)), or makes no call.
  bool only_asks() const;
  // Returns true if number n of the window is free, or has a placeholder or what this spawn has staged there.
  bool is_own_slot(const model::State&, std::int32_t n, model::Index description) const;
  // Returns true if some slot and its witness, untouched by others, still have what this spawn staged.
  bool leaves_what_it_staged(const model::State&) const;

  // Makes one step of the parent. Returns false, with nothing changed, if the parent has to wait.
  bool step_parent(const model::Kernel&, model::State&);
  // Makes one step of the child's plan. Returns false likewise. A step that fails begins the child's exit.
  bool step_child(const model::Kernel&, model::State&);
  bool runs_program() const { return runs_program_; }  // the child has exec'd

 private:
  // A source's slot of the window and its witness (impl/spawn/window.cpp, here simulated_window.cpp). `file` is what
  // the spawn believes it has staged; `put` and `put_before` are what its last dup3 and the one before put at each
  // number. No kernel reports these: only the checks, and a kernel with wishes, use them.
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
  std::uint32_t staged_count_ = 0, left_ = 0;  // sources in staged_: staged; still to be undone, the last first
  std::uint8_t phase_ = 0, tries_ = 0;
  std::uint8_t which_ = 0, newer_ = 0,
               ours_ = 0;  // which number is being undone; which was read last; what still_staged() last returned
  std::uint64_t read_taken_ = 0;  // window numbers that the request itself reads
  bool has_blocked_ = false, runs_program_ = false, reported_ = false, memory_shared_ = false;
};

}  // namespace spawncheck::explore
