// SPDX-License-Identifier: MIT
//
// Who goes next in a scheduled run, chosen while it runs. A scheduler belongs to one scenario, and learns from run to
// run; it sees events only, no process, so that a test can give it a toy. A run that it has led is replayed by its
// turns (impl/session/scheduled.h turns_of).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "impl/schedules/independence.h"

namespace spawncheck {

// What a task has done, or is about to do.
struct Event {
  std::uint8_t task = 0;
  Turn name{};                 // of the task, in every run
  std::uint8_t operation = 0;  // of its thread, under way
  std::uint8_t call = 0;       // enum sc_visible; SC_VISIBLE_COUNT: no call, but a signal or the program's end
  std::vector<Access> accesses;
};

bool conflict(const Event&, const Event&);  // of two tasks: their order matters

class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // A run begins; the same seed and the same earlier runs choose the same.
  virtual void begin(std::uint64_t seed) = 0;
  // What has happened, each event once and in order, before choose() is asked about what comes next.
  virtual void did(const Event&) {}
  // Of the tasks that can go, each with what it is about to do, never none: an index.
  virtual std::size_t choose(const std::vector<Event>& can) = 0;
  // The run is over. is_finding: it showed a violation.
  virtual void end(bool is_finding) { (void)is_finding; }
};

constexpr unsigned pct_depth_max = 9;
struct SchedulerOptions {
  unsigned depth = 3;  // PCT's d, from 1 to pct_depth_max
};

// A row each: word, what it does, and who does it.
struct SchedulerRow {
  const char *word, *what;
  std::unique_ptr<Scheduler> (*make)(const SchedulerOptions&);
};
const std::vector<SchedulerRow>& scheduler_rows();

// What `check --mode scheduled` goes by, unless asked otherwise.
extern const char* const default_search;

// Null: no such word.
std::unique_ptr<Scheduler> make_scheduler(std::string_view word, const SchedulerOptions& = {});

}  // namespace spawncheck
