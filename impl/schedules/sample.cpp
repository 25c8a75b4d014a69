// SPDX-License-Identifier: MIT
#include "impl/schedules/sample.h"

#include <algorithm>
#include <cmath>

#include "impl/schedules/search/guided.h"
#include "impl/session/scheduled.h"

namespace spawncheck {

namespace {

constexpr std::uint64_t runs_when_unbounded = 10'000;

}  // namespace

SearchResult sample_schedules(Session& session, const Scenario& scenario, const SampleOptions& options,
                              const SearchLimits& limits) {
  SearchResult result;
  const std::unique_ptr<Scheduler> scheduler = make_scheduler(options.search, options.scheduler);
  const std::uint64_t runs = limits.runs != 0 || limits.is_over ? limits.runs : runs_when_unbounded;
  for (std::uint64_t i = 0; runs == 0 || i < runs; ++i) {
    if (limits.is_over && limits.is_over()) break;
    if (limits.progress && i % 64 == 0) limits.progress(result.schedules);
    const std::uint64_t seed = options.seed * 0x100000001b3u + i;
    Verdict verdict = run_guided(session, scenario, *scheduler, {seed, limits.preemptions});
    const std::vector<Turn> went = turns_of(session.trace());
    ++result.schedules;
    ++result.by_status[static_cast<int>(verdict.status)];
    result.tasks = std::max(result.tasks, session.trace().task_count);
    result.steps = std::max(result.steps, static_cast<unsigned>(went.size()));
    if (limits.after_run) limits.after_run(scenario, session, verdict);
    if (verdict.status != Status::violated) continue;
    result.violation = std::move(verdict);
    result.schedule = went;
    break;
  }
  return result;
}

double pct_bound(unsigned tasks, unsigned steps, unsigned depth) {
  return 1.0 /
         (std::max(tasks, 1u) * std::pow(static_cast<double>(std::max(steps, 1u)), static_cast<double>(depth) - 1));
}

double runs_for_miss(double bound, double miss) {
  return bound >= 1 ? 1 : std::ceil(std::log(miss) / std::log1p(-bound));
}

}  // namespace spawncheck
