// SPDX-License-Identifier: MIT
#include "model/contract/obligations.h"

#include <csignal>

#include "model/contract/habits.h"
#include "model/kernel/call.h"

namespace spawncheck {

namespace {

using model::bit;

// The signals that operations which have begun may have sent.
struct Sent {
  std::uint64_t to_caller = 0, to_children = 0;  // one bit for each signal
};

Sent sent(const Scenario& scenario, const sc_history& history) {
  Sent all;
  for (std::size_t t = 0; t < scenario.threads.size(); ++t)
    for (std::size_t o = 0; o < scenario.threads[t].operations.size(); ++o) {
      const sc_operation& op = scenario.threads[t].operations[o];
      if (history.op[t][o].begin == 0) continue;
      if (op.kind == SC_OP_KILL || op.kind == SC_OP_KILL_GROUP) all.to_caller |= bit(op.operand[0].value);
      if (op.kind == SC_OP_TGKILL) all.to_caller |= bit(op.operand[1].value);
      if (op.kind == SC_OP_KILL_GROUP) all.to_children |= bit(op.operand[0].value);
    }
  const sc_fault& fault = history.fault;
  if (fault.kind == SC_FAULT_SIGNAL) all.to_caller |= bit(fault.value);
  if (fault.kind == SC_FAULT_SIGNAL_CHILD) all.to_children |= bit(fault.value);
  if (fault.kind == SC_FAULT_KILL_CHILD) all.to_children |= bit(SIGKILL);
  if (fault.kind == SC_FAULT_STOP_CHILD) all.to_children |= bit(SIGSTOP);
  return all;
}

// Signals that may have their default disposition in the caller at some time.
std::uint64_t may_be_default(const Scenario& scenario) {
  std::uint64_t set = ~(scenario.world.handled | scenario.world.ignored) | model::unblockable;
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations)
      if (op.kind == SC_OP_DISPOSITION) set |= bit(op.operand[0].value);
  return set;
}

bool may_ignore_sigchld(const Scenario& scenario) {
  bool may = (scenario.world.ignored & bit(SIGCHLD)) != 0;
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations)
      may |= op.kind == SC_OP_DISPOSITION && op.operand[0].value == SIGCHLD &&
             op.operand[1].value == SC_DISPOSITION_IGNORE;
  return may;
}

}  // namespace

OwnDoing::OwnDoing(const Scenario& scenario, const sc_history& history, std::uint32_t habits) {
  const Sent all = sent(scenario, history);
  const std::uint64_t by_default = all.to_caller & may_be_default(scenario);
  const std::uint64_t fatal = ~(model::stops_by_default | model::ignored_by_default);
  const bool is_named = history.end_signal >= 1 && history.end_signal <= SC_SIGNAL_MAX;
  ended_caller_ = history.end == SC_RUN_KILLED && is_named && (by_default & fatal & bit(history.end_signal)) != 0;
  ended_caller_ |= history.end == SC_RUN_KILLED && history.fault.kind == SC_FAULT_KILL_PARENT;
  // A signal that libc reserves, with a handler that only libc may trigger: glibc's handler of 33 crashes
  // (nptl/nptl_setxid.c).
  ended_caller_ |= history.end == SC_RUN_KILLED && (all.to_caller & history.caught_by_libc) != 0;
  stopped_caller_ = history.end == SC_RUN_STOPPED && ((by_default | all.to_children) & model::stops_by_default) != 0;
  may_have_ended_children_ = (all.to_children & fatal) != 0;
  may_have_stopped_children_ = (all.to_children & model::stops_by_default) != 0;
  may_have_reaped_children_ = may_ignore_sigchld(scenario) || lifts(habits, Rule::status_once);
}

}  // namespace spawncheck
