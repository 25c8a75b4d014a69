// SPDX-License-Identifier: MIT
//
// Chooses, during a scheduled run, which task goes next. A scheduler belongs to one scenario and learns from run to
// run. It sees events only, no process, so a test can drive it without the kernel. A run is replayed by its turns,
// without the scheduler (impl/session/scheduled.h turns_of).
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

bool conflict(const Event&, const Event&);  // returns true if their order matters; always for events of one task

class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // Begins a run. Deterministic: the same seed after the same earlier runs chooses the same.
  virtual void begin(std::uint64_t seed) = 0;
  // Tells what has happened, each event once and in order, before choose() is called for the next one.
  virtual void did(const Event&) {}
  // Returns an index into the tasks that can go, each with its next event; there is at least one.
  virtual std::size_t choose(const std::vector<Event>& can) = 0;
  // Ends the run. is_finding: it showed a violation.
  virtual void end(bool is_finding) { (void)is_finding; }
};

constexpr unsigned pct_depth_max = 9;
struct SchedulerOptions {
  unsigned depth = 3;  // PCT's d, from 1 to pct_depth_max
};

// A row for each scheduler: its word, its description, and how to make it.
struct SchedulerRow {
  const char *word, *what;
  std::unique_ptr<Scheduler> (*make)(const SchedulerOptions&);
};
const std::vector<SchedulerRow>& scheduler_rows();

// The default scheduler of `check --mode scheduled`.
extern const char* const default_search;

// Returns null if the word is unknown.
std::unique_ptr<Scheduler> make_scheduler(std::string_view word, const SchedulerOptions& = {});

}  // namespace spawncheck
