// SPDX-License-Identifier: MIT
#include "impl/session/session.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "impl/peers/implementation.h"
#include "impl/session/possible_faults.h"
#include "impl/session/running_kernel.h"
#include "impl/session/scheduled.h"
#include "impl/session/slowness.h"
#include "impl/session/watch.h"
#include "model/scenario/own.h"
#include "model/scenario/validate.h"

namespace spawncheck {

namespace {

// Returns the documented limit that covers the breach, null if none does. A breach within a limit is no finding.
const ImplementationInfo::Limit* limit_of(const ImplementationInfo& info, const Breach& breach) {
  for (const ImplementationInfo::Limit& limit : info.limits)
    if (limit.clause == name(breach.clause) && breach.observed.find(limit.says) != std::string::npos) return &limit;
  return nullptr;
}

// The verdict of a run whose every violation is within a documented limit.
Verdict within(std::vector<DocumentedLimit> limits, std::uint64_t work) {
  const DocumentedLimit& first = limits.front();
  Verdict verdict;
  verdict.status = Status::unsupported;
  verdict.observed =
      "a documented limit, " + std::string(name(first.clause)) + ": " + first.what + " (" + first.source + ")";
  verdict.limits = std::move(limits);
  verdict.work = work;
  return verdict;
}

// A limit that names an unknown clause would cover nothing, unnoticed. Returns the message; empty if there is none.
std::string unknown_clause(const ImplementationInfo& info) {
  for (const ImplementationInfo::Limit& limit : info.limits)
    if (!clause_named(limit.clause))
      return "implementation " + info.name + ": a documented limit names " + limit.clause + ", which is no clause";
  return {};
}

// Returns a number that the scenario names and at which the implementation holds a descriptor of its own; -1 if there
// is none.
std::int32_t held_and_named(const Scenario& scenario, const std::vector<std::int32_t>& held) {
  for (const std::int32_t n : held)
    if (names_number(scenario, n)) return n;
  return -1;
}

int badness(Status s) {
  constexpr int order[] = {0, 4, 2, 1, 3};  // holds, violated, inconclusive, unsupported, broken
  return order[static_cast<int>(s)];
}

// The highest limit of open files that the scenario asks for.
std::int32_t highest_limit(const Scenario& scenario) {
  constexpr std::int32_t where_none_is_named = 1024;  // the model's and the arena's
  std::int32_t highest = scenario.world.limit != 0 ? scenario.world.limit : where_none_is_named;
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind == SC_OP_LIMIT && !op.operand[0].variable) highest = std::max(highest, op.operand[0].value);
  return highest;
}

// The hard limit of open files bounds the numbers of a world and the limits that a scenario may set: beyond it the
// arena would have fewer numbers than the model assumes. Says why there is no room; empty if there is.
std::string why_no_room(const Scenario& scenario) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  const std::int32_t highest = highest_open(scenario.world), asked = highest_limit(scenario);
  const std::string hard = ", and the hard limit of open files (ulimit -Hn) is " + std::to_string(limit.rlim_max);
  if (static_cast<rlim_t>(highest) >= limit.rlim_max) return "the world opens number " + std::to_string(highest) + hard;
  if (static_cast<rlim_t>(asked) > limit.rlim_max)
    return "the scenario has a limit of " + std::to_string(asked) + " open files" + hard;
  return {};
}

}  // namespace

bool is_worse(Status a, Status b) { return badness(a) > badness(b); }

std::uint64_t seed_of_run(std::uint64_t seed, unsigned run) {
  if (run == 0) return 0;
  Random random(seed + run);
  return random.next() | 1;
}

Session::Session(SessionOptions options, std::unique_ptr<Executor> executor)
    : options_(std::move(options)), executor_(std::move(executor)) {
  const ImplementationInfo& info = executor_->implementation();
  judge_.owed = Clauses::promised_by(info.promises);
  judge_.kernel = running_kernel();
  judge_.policies = info.policies;
  judge_.sets = info.sets;
  judge_.habits = info.habits;
  judge_.is_excepted = [this](const Breach& b) { return limit_of(implementation(), b) != nullptr; };
  judge_.resource_errors_allowed = options_.implementation != "reference";
  judge_.work_max = options_.work_max;
  if (!options_.strategy.empty()) why_unsupported_ = spawncheck::why_unsupported(options_.strategy);
}

std::unique_ptr<Session> Session::start(const SessionOptions& options, std::string& error) {
  ExecutorOptions e;
  e.implementation = options.implementation;
  e.strategy = options.strategy;
  e.timeout_ms = options.timeout_ms * slowness_of_machine();
  std::unique_ptr<Executor> executor = Executor::start(e, error);
  if (executor == nullptr) return nullptr;
  error = unknown_clause(executor->implementation());
  if (!error.empty()) return nullptr;
  return std::unique_ptr<Session>(new Session(options, std::move(executor)));
}

GenerateOptions Session::generate_options() const {
  GenerateOptions options;
  options.policies = implementation().policies;
  options.sets = implementation().sets;
  options.own_descriptors = (implementation().habits & SPAWNCHECK_HOLDS_DESCRIPTORS) != 0;
  options.waits = (implementation().habits & SPAWNCHECK_REAPS) == 0;
  return options;
}

// After a breach within a documented limit, judges the other clauses again. But if the limit is one of fd.untouched,
// the implementation's numbers may come and go in the caller's table. If then the scenario's threads touch numbers that
// they have not opened, they may touch the implementation's: no order of the operations need explain the run, and a
// violation that depends on the order is not reported.
Verdict Session::judged(const Scenario& scenario, bool processes_sufficed) const {
  if (const std::int32_t n = held_and_named(scenario, executor_->held()); n >= 0) {
    Verdict nothing;
    nothing.status = Status::unsupported;
    nothing.observed = "the scenario names number " + std::to_string(n) +
                       ", where the implementation holds a descriptor of its own (holds-descriptors)";
    return nothing;
  }
  JudgeOptions options = judge_;
  options.processes_sufficed = processes_sufficed;
  std::vector<DocumentedLimit> limits;
  for (;;) {
    Verdict verdict = judge(scenario, *history_, options);
    if (verdict.status == Status::holds && !limits.empty()) return within(std::move(limits), verdict.work);
    verdict.limits = limits;
    if (verdict.status != Status::violated) return verdict;
    std::vector<Breach> breaches = breaches_of(verdict);
    const auto limit = [&](const Breach& b) { return limit_of(implementation(), b); };
    const auto excepted = std::find_if(breaches.begin(), breaches.end(), limit);
    if (excepted == breaches.end()) return verdict;
    options.owed = options.owed.without(excepted->clause);
    limits.push_back({excepted->clause, limit(*excepted)->what, limit(*excepted)->source});
    if (excepted->clause != Clause::fd_untouched || is_own_only(scenario)) continue;
    std::erase_if(breaches, [&](const Breach& b) { return needs_order(b.clause) || limit(b) != nullptr; });
    if (breaches.empty()) return within(std::move(limits), verdict.work);
    verdict = named(std::move(breaches));
    verdict.limits = std::move(limits);
    return verdict;
  }
}

const sc_trace& Session::trace() const {
  return history_ != nullptr && history_ == not_run_.get() ? *no_trace_ : executor_->trace();
}

Verdict Session::unsupported(const std::string& why) {
  if (not_run_ == nullptr) {
    not_run_ = std::make_unique<sc_history>();
    no_trace_ = std::make_unique<sc_trace>();
  }
  not_run_->end = SC_RUN_REFUSED;
  std::strncpy(not_run_->broken_where, why.c_str(), sizeof not_run_->broken_where - 1);
  history_ = not_run_.get();
  Verdict verdict;
  verdict.status = Status::unsupported;
  verdict.observed = why;
  return verdict;
}

Verdict Session::run(const Scenario& scenario, std::uint64_t seed) {
  if (!why_unsupported_.empty()) return unsupported(why_unsupported_);
  if (const std::string why = why_no_room(scenario); !why.empty()) return unsupported(why);
  if (scenario.fault.kind != SC_FAULT_NONE) return run_scheduled(scenario, policy_of(Turns::lenient));
  history_ = &executor_->run(scenario, {seed});
  return judged(scenario);
}

Verdict Session::run_scheduled(const Scenario& scenario, const sc_policy& policy, const Choose& choose) {
  if (!why_unsupported_.empty()) return unsupported(why_unsupported_);
  if (const std::string why = why_no_room(scenario); !why.empty()) return unsupported(why);
  sc_policy made = policy;
  if (made.fault.kind == SC_FAULT_NONE) made.fault = scenario.fault;
  const bool is_alone = scenario.threads.size() == 1 && (implementation().habits & SPAWNCHECK_STARTS_THREADS) == 0;
  const bool is_judged_by_pages = watches_memory_ && is_alone;
  if (is_judged_by_pages) made.watch_memory = 1;
  history_ = &executor_->run(scenario, {0, &made, choose});
  Verdict verdict = judged(scenario, processes_sufficed(executor_->trace()));
  if (verdict.status == Status::holds && is_judged_by_pages)
    return forbidden_write(scenario, executor_->trace()).value_or(std::move(verdict));
  if (verdict.status != Status::violated) return verdict;
  const std::string why = why_impossible(scenario, trace(), history_->fault);
  if (why.empty()) return verdict;
  Verdict nothing;
  nothing.status = Status::unsupported;
  nothing.observed = "the fault: " + why;
  return nothing;
}

namespace {

bool has_long_list(const Scenario& scenario) {
  constexpr std::uint32_t compared_max = 1024;
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind == SC_OP_SPAWN && sc_kept_count(&op.request) > compared_max) return true;
  return false;
}

}  // namespace

lockstep::Comparison Session::run_lockstep(const Scenario& scenario, sc_policy policy) {
  policy.results = 1;
  lockstep::Comparison nothing;
  std::string why = why_unsupported_;
  if (scenario.world.refusal_count != 0)
    why = "the scenario refuses system calls, and the model cannot express refusals";
  else if (const std::string no_room = why_no_room(scenario); !no_room.empty())
    why = no_room;
  else if (has_long_list(scenario))
    why = "a keep-list of thousands: every table would be read at every step";
  nothing.is_declined = why != why_unsupported_;
  if (!why.empty()) {
    nothing.unknown = unsupported(why).observed;
    return nothing;
  }
  history_ = &executor_->run(scenario, {0, &policy});
  if (executor_->holds_descriptors())
    nothing.unknown = "the implementation holds descriptors of its own, which the model does not have";
  else if (history_->end == SC_RUN_BROKEN || history_->end == SC_RUN_REFUSED)
    nothing.unknown = "a run that failed: " + std::string(history_->broken_where);
  else
    return lockstep::compare(running_kernel(), scenario, executor_->trace(), *history_);
  return nothing;
}

LockstepVerdict lockstep_verdict(const lockstep::Comparison& c, const sc_history& history) {
  if (c.disagreement) return {Status::violated, {}};
  if (history.end == SC_RUN_BROKEN) return {Status::broken, c.unknown};
  if (history.end == SC_RUN_REFUSED) return {Status::unsupported, c.unknown, c.is_declined};
  if (history.end == SC_RUN_TIMEOUT)
    return {Status::inconclusive,
            "the run reached its bound in time after " + std::to_string(c.steps) + " steps that agree"};
  if (history.end == SC_RUN_MISLED) return {Status::inconclusive, "a turn of the schedule is not enabled"};
  const bool has_ended = history.end == SC_RUN_COMPLETE || history.end == SC_RUN_BLOCKED;
  if (c.steps == 0 && c.unknown.empty() && has_ended)
    return {Status::inconclusive, "the run made no call that another task can see, so there was nothing to compare",
            true};
  if (c.steps == 0) return {Status::inconclusive, "no step was compared" + (c.unknown.empty() ? "" : ": " + c.unknown)};
  return {};
}

Verdict Session::run_until_violated(const Scenario& scenario, unsigned runs, std::uint64_t seed, unsigned& used,
                                    const std::function<bool()>& is_over) {
  Verdict worst;
  for (used = 0; used < std::max(runs, 1u) && !(used > 0 && is_over && is_over());) {
    Verdict verdict = run(scenario, seed_of_run(seed, used));
    ++used;
    if (used == 1 || is_worse(verdict.status, worst.status)) worst = std::move(verdict);
    if (worst.status == Status::violated) return worst;
    if (worst.status == Status::unsupported && scenario.threads.size() <= 1) break;  // every run will be
  }
  return worst;
}

}  // namespace spawncheck
