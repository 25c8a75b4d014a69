// SPDX-License-Identifier: MIT
#include "impl/schedules/search/scheduler.h"

#include "impl/schedules/search/constraints.h"
#include "impl/schedules/search/walks.h"

namespace spawncheck {

bool conflict(const Event& a, const Event& b) {
  if (a.task == b.task) return true;
  for (const Access& x : a.accesses)
    for (const Access& y : b.accesses)
      if (conflict(x, y)) return true;
  return false;
}

const std::vector<SchedulerRow>& scheduler_rows() {
  static const std::vector<SchedulerRow> rows = {
      {"random", "any task that can go, uniformly"},
      {"pct", "priorities with change points (PCT)"},
      {"pos", "a random priority for each event, drawn again when it was raced with (POS)"},
      {"surw", "by how many events each task has left, of a kind drawn for each run (SURW)"},
      {"constraints", "this call sees what that call wrote, as far as it can be brought about; else POS"},
  };
  return rows;
}

// Measured: README.md.
const char* const default_search = "surw";

std::unique_ptr<Scheduler> make_scheduler(std::string_view word, const SchedulerOptions& options) {
  if (word == "random") return std::make_unique<RandomWalk>();
  if (word == "pct") return std::make_unique<PctWalk>(options.depth);
  if (word == "pos") return std::make_unique<PosWalk>();
  if (word == "surw") return std::make_unique<SurwWalk>();
  if (word == "constraints") return std::make_unique<ConstraintSearch>();
  return nullptr;
}

}  // namespace spawncheck
