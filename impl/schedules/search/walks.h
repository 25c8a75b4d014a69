// SPDX-License-Identifier: MIT
//
// Schedulers that draw: uniformly, PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010), POS (Yuan, Yang, Gu,
// CAV 2018) and SURW (selectively uniform random walk, repository zhaohuanqdcn/SURW).
#pragma once

#include <map>
#include <optional>

#include "impl/schedules/search/scheduler.h"
#include "model/scenario/random.h"

namespace spawncheck {

class RandomWalk : public Scheduler {
 public:
  void begin(std::uint64_t seed) override { random_ = Random(seed); }
  std::size_t choose(const std::vector<Event>& can) override {
    return random_.below(static_cast<std::uint32_t>(can.size()));
  }

 private:
  Random random_{0};
};

// The task with the highest priority goes. The one that makes the step of the i-th of depth - 1 change points falls
// below all others. Shows a bug of depth d with probability 1/(n k^(d-1)) or more, for n tasks and k steps: k is the
// most that an earlier run had, so the first run has no change point that counts.
class PctWalk : public Scheduler {
 public:
  explicit PctWalk(unsigned depth) : depth_(depth) {}
  void begin(std::uint64_t seed) override;
  void did(const Event&) override;
  std::size_t choose(const std::vector<Event>& can) override;
  void end(bool is_finding) override;

 private:
  std::uint64_t priority(std::uint8_t task);

  Random random_{0};
  unsigned depth_;
  std::uint32_t steps_ = 0, steps_most_ = 1;
  std::vector<std::uint32_t> changes_;  // after so many steps
  std::map<std::uint8_t, std::uint64_t> priorities_;
};

// The event with the highest priority happens. Then it and the pending events that conflict with it get new priorities.
class PosWalk : public Scheduler {
 public:
  void begin(std::uint64_t seed) override;
  void did(const Event&) override;
  std::size_t choose(const std::vector<Event>& can) override;
  std::size_t choose_of(const std::vector<Event>& can, const std::vector<std::size_t>& may);  // indices, not none

 private:
  Random random_{0};
  std::map<std::uint8_t, std::uint64_t> priorities_;  // of the events that tasks are about to make
  std::vector<Event> pending_;                        // when last asked
};

// Counts the events that touch one kind of thing, drawn for each run from the kinds over which tasks have met in
// earlier ones. A task is picked in proportion to how many of them it had left in the last run, less what it has done;
// until it has made its next one the others make none; in between anybody goes.
class SurwWalk : public Scheduler {
 public:
  void begin(std::uint64_t seed) override;
  void did(const Event&) override;
  std::size_t choose(const std::vector<Event>& can) override;
  void end(bool is_finding) override;

 private:
  bool counts(const Event&) const;
  std::uint32_t left(const Event&) const;
  std::size_t pick(const std::vector<Event>& can);

  using Kinds = std::uint32_t;       // a bit per Access::Kind
  using Name = std::pair<int, int>;  // of a task: thread, child
  static Kinds kinds_of(const Event&);

  struct Meeting {
    std::uint32_t tasks = 0;
    bool has_write = false;
  };

  Random random_{0};
  std::optional<Access::Kind> kind_;  // of this run; none: every event counts
  std::map<Name, std::vector<Kinds>> done_, last_;
  std::map<Name, std::uint32_t> left_;
  std::map<std::pair<int, int>, Meeting> meetings_;  // kind and id, of this run
  std::vector<Access::Kind> contested_;              // of the last
  std::optional<Name> picked_;
};

}  // namespace spawncheck
