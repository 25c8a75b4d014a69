// SPDX-License-Identifier: MIT
#include "impl/reproducer/recorded.h"

#include "impl/schedules/search/guided.h"
#include "impl/session/scheduled.h"

namespace spawncheck {

Recorded record(Session& session, const Scenario& scenario, unsigned orders_max) {
  Recorded out;
  out.scenario = scenario;
  const auto keep = [&](Verdict verdict) {
    out.verdict = std::move(verdict);
    out.history = std::make_shared<const sc_history>(session.history());
    out.trace = std::make_shared<const sc_trace>(session.trace());
  };
  sc_policy policy = policy_of(Turns::strict);
  policy.results = 1;
  keep(session.run_scheduled(scenario, policy));
  if (is_scheduled(scenario) || scenario.threads.size() < 2) return out;
  const std::unique_ptr<Scheduler> schedulers[] = {make_scheduler("pct"), make_scheduler("random")};
  for (out.orders = 1; out.orders < orders_max && out.verdict.status != Status::violated; ++out.orders) {
    Verdict verdict = run_guided(session, scenario, *schedulers[out.orders % 2], {out.orders, ~0u, true});
    if (verdict.status == Status::violated) keep(std::move(verdict));
  }
  return out;
}

bool is_written(const sc_step& step) { return step.kind == SC_STEP_CALL && step.outside == 0; }

}  // namespace spawncheck
