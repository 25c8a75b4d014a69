// SPDX-License-Identifier: MIT
#include "impl/session/possible_faults.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <span>

#include "impl/session/scheduled.h"
#include "model/scenario/visible.h"
#include "model/scenario/words.h"

namespace spawncheck {

void Masks::see(unsigned task, const sc_step& step) {
  if (step.call != SC_VISIBLE_rt_sigprocmask || step.kind != SC_STEP_CALL || task >= mask_.size() || step.arg[1] == 0)
    return;
  const std::uint64_t set = step.pointee;
  std::uint64_t& mask = mask_[task];
  mask = step.arg[0] == SIG_BLOCK ? mask | set : step.arg[0] == SIG_UNBLOCK ? mask & ~set : set;
}

namespace {

bool may_wait(const sc_step& step) {
  const std::int64_t options = step.call == SC_VISIBLE_waitid  ? step.arg[3]
                               : step.call == SC_VISIBLE_wait4 ? step.arg[2]
                                                               : 0;
  return (options & WNOHANG) == 0;
}

}  // namespace

std::vector<int> possible_errors(const sc_step& step) {
  switch (sc_visible_calls[step.call].effect) {
    case SC_EFFECT_ALLOCATE:
    case SC_EFFECT_ALLOCATE2:
      return {EMFILE, ENFILE, ENOMEM};
    case SC_EFFECT_FCNTL:
      return step.arg[1] == F_DUPFD || step.arg[1] == F_DUPFD_CLOEXEC ? std::vector<int>{EMFILE, ENOMEM}
                                                                      : std::vector<int>{};
    case SC_EFFECT_REPLACE:
      return {EMFILE, ENOMEM, EBUSY};
    case SC_EFFECT_RANGE:
      return {ENOSYS, ENOMEM, EMFILE, EPERM};
    case SC_EFFECT_CLONE:
      return step.call == SC_VISIBLE_clone3 ? std::vector<int>{EAGAIN, ENOMEM, EPERM, ENOSYS}
                                            : std::vector<int>{EAGAIN, ENOMEM, EPERM};
    case SC_EFFECT_EXEC:
      return {ENOMEM, EAGAIN, EPERM, EACCES, ETXTBSY};
    case SC_EFFECT_WAIT:
      return may_wait(step) ? std::vector<int>{EINTR} : std::vector<int>{};
    case SC_EFFECT_ATTRIBUTE:
      return {EPERM, ENOMEM};
    case SC_EFFECT_LIMIT:
      return {EPERM, ENOSYS};
    case SC_EFFECT_FILE:
      return {EINTR};
    case SC_EFFECT_ANYTHING:
      return step.call == SC_VISIBLE_unshare ? std::vector<int>{ENOMEM, EPERM, ENOSYS} : std::vector<int>{};
    default:
      return {};
  }
}

std::string why_impossible(const Scenario& scenario, const sc_trace& trace, const sc_fault& fault) {
  if (fault.kind != SC_FAULT_ERROR) return {};
  Masks masks(scenario);
  for (const sc_step& step : std::span(trace.step, trace.step_count)) {
    masks.see(step.task, step);
    if (step.fault == 0) continue;
    const std::vector<int> possible = possible_errors(step);
    const bool is_possible = std::find(possible.begin(), possible.end(), fault.value) != possible.end() &&
                             (fault.value != EINTR || masks.may_be_interrupted(step.task));
    return is_possible ? std::string()
                       : sc_visible_calls[step.call].name + std::string("(2) cannot fail with ") +
                             errno_name(fault.value) + " here whatever the machine does";
  }
  return {};
}

bool processes_sufficed(const sc_trace& trace) {
  bool has_started_one = false;
  for (const sc_step& step : std::span(trace.step, trace.step_count)) {
    if (step.kind != SC_STEP_CALL && step.kind != SC_STEP_WAKES) continue;
    const std::uint8_t effect = sc_visible_calls[step.call].effect;
    const bool is_clone = effect == SC_EFFECT_CLONE && step.kind == SC_STEP_CALL;  // one that is woken has succeeded
    if (!is_clone && effect != SC_EFFECT_EXEC) continue;
    if (step.outcome == SC_OUTCOME_UNKNOWN) return false;
    if (step.outcome == SC_OUTCOME_RETURNED && (step.result == -EAGAIN || step.result == -ENOMEM)) return false;
    has_started_one |= starts_process(step);
  }
  return has_started_one;
}

}  // namespace spawncheck
