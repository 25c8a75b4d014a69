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

namespace {

template <typename Walk>
std::unique_ptr<Scheduler> make(const SchedulerOptions&) {
  return std::make_unique<Walk>();
}
template <>
std::unique_ptr<Scheduler> make<PctWalk>(const SchedulerOptions& options) {
  return std::make_unique<PctWalk>(options.depth);
}

}  // namespace

const std::vector<SchedulerRow>& scheduler_rows() {
  static const std::vector<SchedulerRow> rows = {
      {"random", "any task that can go, uniformly", make<RandomWalk>},
      {"pct", "priorities with change points (PCT)", make<PctWalk>},
      {"pos", "a random priority for each event, drawn again when it was raced with (POS)", make<PosWalk>},
      {"surw", "by how many events each task has left, of a kind drawn for each run (SURW)", make<SurwWalk>},
      {"constraints", "this call sees what that call wrote, as far as it can be brought about; else POS",
       make<ConstraintSearch>},
  };
  return rows;
}

// Measured: README.md.
const char* const default_search = "constraints";

std::unique_ptr<Scheduler> make_scheduler(std::string_view word, const SchedulerOptions& options) {
  for (const SchedulerRow& row : scheduler_rows())
    if (word == row.word) return row.make(options);
  return nullptr;
}

}  // namespace spawncheck
