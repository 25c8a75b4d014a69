// SPDX-License-Identifier: MIT
#include "properties/schedules/faults.h"

#include "model/scenario/visible.h"
#include "model/scenario/words.h"
#include "properties/session/scheduled.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <sys/wait.h>

namespace spawncheck {

namespace {

constexpr struct {
  const char* word;
  sc_fault_kind kind;
  bool takes_signal;
} kinds[] = {{"signal:", SC_FAULT_SIGNAL, true},
             {"child:", SC_FAULT_SIGNAL_CHILD, true},
             {"kill-child", SC_FAULT_KILL_CHILD, false},
             {"stop-child", SC_FAULT_STOP_CHILD, false},
             {"kill-parent", SC_FAULT_KILL_PARENT, false}};

constexpr int injectable[] = {EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN, EPERM, ENOSYS, ETXTBSY, EACCES, EBUSY};

// What the caller's thread blocks, as its calls go by: EINTR comes only from a handler that may run.
class Masks {
 public:
  explicit Masks(const Scenario& s) : handled_(s.world.handled), mask_(s.threads.size(), s.world.mask) {}

  void see(unsigned task, const sc_step& step) {
    if (step.call != SC_VISIBLE_rt_sigprocmask || step.kind != SC_STEP_CALL || task >= mask_.size() || step.arg[1] == 0) return;
    const std::uint64_t set = step.pointee;
    std::uint64_t& mask = mask_[task];
    mask = step.arg[0] == SIG_BLOCK ? mask | set : step.arg[0] == SIG_UNBLOCK ? mask & ~set : set;
  }
  bool may_be_interrupted(unsigned task) const { return task < mask_.size() && (handled_ & ~mask_[task]) != 0; }

 private:
  std::uint64_t handled_;
  std::vector<std::uint64_t> mask_;
};

bool may_wait(const sc_step& step) {
  const std::int64_t options = step.call == SC_VISIBLE_waitid ? step.arg[3] : step.call == SC_VISIBLE_wait4 ? step.arg[2] : 0;
  return (options & WNOHANG) == 0;
}

// The man pages' errors that depend on the machine, not on the arguments; EPERM also stands for a seccomp filter.
std::vector<int> errors_of(const sc_step& step) {
  switch (sc_visible_calls[step.call].effect) {
    case SC_EFFECT_ALLOCATE: case SC_EFFECT_ALLOCATE2: return {EMFILE, ENFILE, ENOMEM};
    case SC_EFFECT_FCNTL: return step.arg[1] == F_DUPFD || step.arg[1] == F_DUPFD_CLOEXEC ? std::vector<int>{EMFILE, ENOMEM} : std::vector<int>{};
    case SC_EFFECT_REPLACE: return {EMFILE, ENOMEM, EBUSY};
    case SC_EFFECT_RANGE: return {ENOSYS, ENOMEM, EMFILE, EPERM};
    case SC_EFFECT_CLONE: return step.call == SC_VISIBLE_clone3 ? std::vector<int>{EAGAIN, ENOMEM, EPERM, ENOSYS} : std::vector<int>{EAGAIN, ENOMEM, EPERM};
    case SC_EFFECT_EXEC: return {ENOMEM, EAGAIN, EPERM, EACCES, ETXTBSY};
    case SC_EFFECT_WAIT: return may_wait(step) ? std::vector<int>{EINTR} : std::vector<int>{};
    case SC_EFFECT_ATTRIBUTE: return {EPERM, ENOMEM};
    case SC_EFFECT_LIMIT: return {EPERM, ENOSYS};
    case SC_EFFECT_FILE: return {EINTR};
    case SC_EFFECT_ANYTHING: return step.call == SC_VISIBLE_unshare ? std::vector<int>{ENOMEM, EPERM, ENOSYS} : std::vector<int>{};
    default: return {};
  }
}

// One that the scenario's world handles and nobody changes, else none.
int some_handled_signal(const Scenario& s) {
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal)
    if (signal != SIGCHLD && (s.world.handled >> (signal - 1) & 1) != 0) return signal;
  return 0;
}

bool is_spawn(const Scenario& s, unsigned thread, unsigned operation) {
  return thread < s.threads.size() && operation < s.threads[thread].operations.size() && s.threads[thread].operations[operation].kind == SC_OP_SPAWN;
}

}  // namespace

std::string print(const sc_fault& f) {
  std::string out;
  if (f.kind == SC_FAULT_ERROR) out = strerrorname_np(f.value);
  for (const auto& k : kinds)
    if (k.kind == f.kind) out = k.word + (k.takes_signal ? signal_name(f.value) : std::string());
  return out + "@" + std::to_string(f.thread) + "." + std::to_string(f.operation) + "." + std::to_string(f.at);
}

std::optional<sc_fault> fault_named(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view what = text.substr(0, at);
  sc_fault f{};
  for (const int error : injectable)
    if (what == strerrorname_np(error)) f.kind = SC_FAULT_ERROR, f.value = error;
  for (const auto& k : kinds) {
    if (k.takes_signal ? !what.starts_with(k.word) : what != k.word) continue;
    f.kind = k.kind;
    f.value = k.takes_signal ? signal_named(what.substr(std::strlen(k.word))) : 0;
    if (k.takes_signal && f.value <= 0) return std::nullopt;
  }
  if (f.kind == SC_FAULT_NONE) return std::nullopt;
  unsigned number[3];
  const char* next = text.data() + at + 1;
  const char* const end = text.data() + text.size();
  for (int i = 0; i < 3; ++i) {
    const auto [rest, failed] = std::from_chars(next, end, number[i]);
    if (failed != std::errc{} || number[i] > (i < 2 ? 255u : 65535u) || (i < 2 && (rest == end || *rest != '.'))) return std::nullopt;
    next = rest + (i < 2);
  }
  if (next != end) return std::nullopt;
  f.thread = static_cast<std::uint8_t>(number[0]);
  f.operation = static_cast<std::uint8_t>(number[1]);
  f.at = static_cast<std::uint16_t>(number[2]);
  return f;
}

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
    const auto add = [&](sc_fault_kind kind, int value) { all.push_back({static_cast<std::uint8_t>(kind), thread, operation, at, value}); };
    for (const int error : errors_of(step))
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
