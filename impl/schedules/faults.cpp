// SPDX-License-Identifier: MIT
#include "impl/schedules/faults.h"

#include <cerrno>
#include <csignal>
#include <span>

#include "impl/session/possible_faults.h"
#include "impl/session/scheduled.h"

namespace spawncheck {

namespace {

// Returns the lowest signal but SIGCHLD that the scenario's world handles, 0 if there is none.
int some_handled_signal(const Scenario& s) {
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal)
    if (signal != SIGCHLD && (s.world.handled >> (signal - 1) & 1) != 0) return signal;
  return 0;
}

bool is_spawn(const Scenario& s, unsigned thread, unsigned operation) {
  return thread < s.threads.size() && operation < s.threads[thread].operations.size() &&
         s.threads[thread].operations[operation].kind == SC_OP_SPAWN;
}

}  // namespace

std::vector<sc_fault> faults_of(const Scenario& scenario, const sc_trace& trace) {
  std::vector<sc_fault> all;
  std::uint16_t calls[SC_THREADS_MAX][SC_OPS_MAX] = {};
  const int signal = some_handled_signal(scenario);
  Masks masks(scenario);
  for (const sc_step& step : std::span(trace.step, trace.step_count)) {
    const std::uint8_t thread = trace.task[step.task].thread, operation = step.operation;
    masks.see(step.task, step);
    if (step.kind != SC_STEP_CALL || step.outside || !is_spawn(scenario, thread, operation)) continue;
    const std::uint16_t at = calls[thread][operation]++;
    const auto add = [&](sc_fault_kind kind, int value) {
      all.push_back({static_cast<std::uint8_t>(kind), thread, operation, at, value});
    };
    for (const int error : possible_errors(step))
      if (error != EINTR || masks.may_be_interrupted(step.task)) add(SC_FAULT_ERROR, error);
    if (signal != 0) add(SC_FAULT_SIGNAL, signal);
    add(SC_FAULT_SIGNAL_CHILD, SIGTERM);
    add(SC_FAULT_KILL_CHILD, 0);
    add(SC_FAULT_STOP_CHILD, 0);
    add(SC_FAULT_KILL_PARENT, 0);
  }
  return all;
}

FaultResult inject_faults(Session& session, const Scenario& scenario, const SearchLimits& limits) {
  FaultResult result;
  sc_policy policy = policy_of(Turns::lenient);
  const Verdict without = session.run_scheduled(scenario, policy);
  if (without.status == Status::violated) {
    result.violation = without;
    return result;
  }
  for (const sc_fault& fault : faults_of(scenario, session.trace())) {
    if (limits.are_reached(result.runs)) break;
    policy.fault = fault;
    Verdict verdict = session.run_scheduled(scenario, policy);
    ++result.runs;
    result.happened += session.history().fault.kind != SC_FAULT_NONE;
    ++result.by_status[static_cast<int>(verdict.status)];
    if (limits.after_run) limits.after_run(scenario, session, verdict);
    if (verdict.status != Status::violated) continue;
    result.violation = std::move(verdict);
    result.fault = fault;
    break;
  }
  return result;
}

}  // namespace spawncheck
