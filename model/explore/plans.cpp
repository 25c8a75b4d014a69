// SPDX-License-Identifier: MIT
#include "model/explore/plans.h"

#include "impl/peers/implementation.h"
#include "model/explore/simulated_spawn.h"

namespace spawncheck::explore {

namespace {

constexpr spawn_table_use table_uses[] = {
#define SPAWN_ROW(id, table, word, meaning) SPAWN_TABLE_##table,
    SPAWN_STEPS(SPAWN_ROW)
#undef SPAWN_ROW
};

}  // namespace

spawn_table_use table_use_of(const spawn_step& step) {
  return step.kind < SPAWN_STEP_COUNT ? table_uses[step.kind] : SPAWN_TABLE_WRITES;
}

bool PlannedSpawn::leaves_table_alone() const {
  if ((start & SPAWN_START_FILES) == 0) return true;
  for (const spawn_step& s : steps) switch (s.kind) {
      case SPAWN_STEP_UNSHARE:
      case SPAWN_STEP_EXEC:
      case SPAWN_STEP_EXEC_FD:
        return true;
      case SPAWN_STEP_CLOSE_RANGE:
        return s.flags == keeps_an_array || (s.flags & model::close_range_unshare) != 0;
      default:
        if (table_use_of(s) == SPAWN_TABLE_WRITES) return false;
    }
  return true;
}

const PlannedSpawn* Plans::of(const sc_request& request, const KeepList& keep, std::int32_t pgroup,
                              std::uint64_t window, std::uint64_t window_in_use, std::int32_t placeholder) {
  const std::lock_guard guard(lock_);
  for (const PlannedSpawn& known : all_)
    if (known.request == &request && known.keep == keep && known.pgroup == pgroup && known.window == window &&
        known.window_in_use == window_in_use)
      return &known;
  PlannedSpawn& made = all_.emplace_back();
  made.request = &request;
  made.keep = keep;
  made.pgroup = pgroup;
  made.window = window;
  made.window_in_use = window_in_use;
  spawn_plan plan{};
  const char* directory = (request.set & SPAWNCHECK_SET_CWD) != 0 ? simulated_directory(request.cwd) : nullptr;
  made.error = planner_(PlanRequest{&request, keep, pgroup, simulated_program(request.program, request.name), directory,
                                    window, window_in_use, placeholder},
                        plan);
  if (made.error != 0) return &made;
  made.start = plan.start;
  made.steps.assign(plan.step, plan.step + plan.step_count);
  return &made;
}

}  // namespace spawncheck::explore
