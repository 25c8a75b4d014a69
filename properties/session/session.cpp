// SPDX-License-Identifier: MIT
#include "properties/session/session.h"

#include "impl/peers/limits.h"

#include <algorithm>

namespace spawncheck {

namespace {

// A violated clause that the peer's own documentation excepts is no finding.
const spawncheck_limit* limit_of(const std::string& implementation, const Verdict& violation) {
  for (const spawncheck_limit& limit : spawncheck_limits)
    if (limit.implementation == implementation && limit.clause == name(*violation.clause) && violation.observed.find(limit.says) != std::string::npos) return &limit;
  return nullptr;
}

int badness(Status s) {
  constexpr int order[] = {0, 4, 2, 1, 3};  // holds, violated, inconclusive, unsupported, broken
  return order[static_cast<int>(s)];
}

}  // namespace

bool is_worse(Status a, Status b) { return badness(a) > badness(b); }

std::uint64_t seed_of_run(std::uint64_t seed, unsigned run) {
  if (run == 0) return 0;
  Random random(seed + run);
  return random.next() | 1;
}

Session::Session(SessionOptions options, std::unique_ptr<Executor> executor) : options_(std::move(options)), executor_(std::move(executor)) {
  const ImplementationInfo& info = executor_->implementation();
  judge_.owed = Clauses::promised_by(info.promises);
  judge_.policies = info.policies;
  judge_.sets = info.sets;
  judge_.resource_errors_allowed = options_.implementation != "reference";
  judge_.work_max = options_.work_max;
}

std::unique_ptr<Session> Session::start(const SessionOptions& options, std::string& error) {
  ExecutorOptions e;
  e.implementation = options.implementation;
  e.strategy = options.strategy;
  e.timeout_ms = options.timeout_ms;
  std::unique_ptr<Executor> executor = Executor::start(e, error);
  if (executor == nullptr) return nullptr;
  return std::unique_ptr<Session>(new Session(options, std::move(executor)));
}

GenerateOptions Session::generate_options() const {
  GenerateOptions options;
  options.policies = implementation().policies;
  options.sets = implementation().sets;
  return options;
}

// Behind a documented limit every other clause is still looked at; but when numbers of the caller's table may come and go,
// nothing that its other threads did to it can be explained any more.
Verdict Session::judged(const Scenario& scenario) const {
  JudgeOptions options = judge_;
  std::optional<Verdict> limited;
  Verdict verdict = judge(scenario, *history_, options);
  while (verdict.status == Status::violated) {
    const spawncheck_limit* limit = limit_of(options_.implementation, verdict);
    if (limit == nullptr) return verdict;
    options.owed = options.owed.without(*verdict.clause);
    if (!limited) {
      limited = std::move(verdict);
      limited->status = Status::unsupported;
      limited->clause.reset();
      limited->observed = "a documented limit, " + std::string(limit->clause) + ": " + limit->why;
    }
    if (limit->clause == name(Clause::fd_untouched)) return *limited;
    verdict = judge(scenario, *history_, options);
  }
  return limited && verdict.status == Status::holds ? *limited : verdict;
}

Verdict Session::run(const Scenario& scenario, std::uint64_t seed) {
  history_ = &executor_->run(scenario, {seed});
  return judged(scenario);
}

Verdict Session::run_scheduled(const Scenario& scenario, const sc_policy& policy) {
  history_ = &executor_->run(scenario, {0, &policy});
  return judged(scenario);
}

lockstep::Comparison Session::run_lockstep(const Scenario& scenario, sc_policy policy) {
  policy.results = 1;
  history_ = &executor_->run(scenario, {0, &policy});
  lockstep::Comparison nothing;
  if (history_->end == SC_RUN_BROKEN || history_->end == SC_RUN_REFUSED) {
    nothing.unknown = "a run that failed: " + std::string(history_->broken_where);
    return nothing;
  }
  return lockstep::compare({}, scenario, executor_->trace(), *history_);
}

Verdict Session::run_until_violated(const Scenario& scenario, unsigned runs, std::uint64_t seed, unsigned& used) {
  Verdict worst;
  for (used = 0; used < std::max(runs, 1u);) {
    Verdict verdict = run(scenario, seed_of_run(seed, used));
    ++used;
    if (used == 1 || is_worse(verdict.status, worst.status)) worst = std::move(verdict);
    if (worst.status == Status::violated) return worst;
    if (worst.status == Status::unsupported && scenario.threads.size() <= 1) break;  // it will be every time
  }
  return worst;
}

}  // namespace spawncheck
