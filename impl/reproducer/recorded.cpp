// SPDX-License-Identifier: MIT
#include "impl/reproducer/recorded.h"

#include "impl/session/scheduled.h"

namespace spawncheck {

namespace {

sc_policy with_results(sc_policy policy) {
  policy.results = 1;
  return policy;
}

}  // namespace

Recorded record(Session& session, const Scenario& scenario, unsigned orders_max) {
  Recorded out;
  out.scenario = scenario;
  const auto keep = [&](Verdict verdict) {
    out.verdict = std::move(verdict);
    out.history = std::make_shared<const sc_history>(session.history());
    out.trace = std::make_shared<const sc_trace>(session.trace());
  };
  keep(session.run_scheduled(scenario, with_results(policy_of(Turns::strict))));
  if (is_scheduled(scenario) || scenario.threads.size() < 2) return out;
  const unsigned steps = out.trace->step_count;
  for (out.orders = 1; out.orders < orders_max && out.verdict.status != Status::violated; ++out.orders) {
    const std::uint64_t seed = out.orders;
    const sc_policy policy = out.orders % 2 == 1 ? policy_of(Turns::lenient, SC_RULE_RANDOM, seed)
                                                 : pct_policy(2 + out.orders / 2 % 3, steps, seed);
    Verdict verdict = session.run_scheduled(scenario, with_results(policy));
    if (verdict.status == Status::violated) keep(std::move(verdict));
  }
  return out;
}

bool is_written(const sc_step& step) { return step.kind == SC_STEP_CALL && step.outside == 0; }

}  // namespace spawncheck
