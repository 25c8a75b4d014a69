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

// The task with the highest priority goes. There are depth - 1 change points: the task that makes the step of one falls
// below the first priority of every task. Shows a bug of depth d with probability 1/(n k^(d-1)) or more, for n tasks
// and k steps. k is the most that an earlier run had, so in the first run every change point is at the first step.
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
  std::size_t choose_of(const std::vector<Event>& can, const std::vector<std::size_t>& may);  // may: indices, not empty

 private:
  Random random_{0};
  std::map<std::uint8_t, std::uint64_t> priorities_;  // of the events that tasks are about to make
  std::vector<Event> pending_;                        // of the last choice
};

// Counts the events that touch one kind of variable. For each run it draws the kind from those that several tasks
// touched in the last run, one of them by a write. It picks a task in proportion to the counted events that the task
// made in the last run, less those that it has made in this one. Until the task has made its next counted event, no
// other task makes one; other events come in any order.
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
  std::vector<Access::Kind> contested_;              // of the last run
  std::optional<Name> picked_;
};

}  // namespace spawncheck
