// SPDX-License-Identifier: MIT
#include "model/explore/spawn_case.h"

#include "impl/peers/implementation.h"
#include "model/contract/obligations.h"
#include "model/kernel/call.h"

#include <algorithm>
#include <cerrno>

namespace spawncheck::explore {

bool Errors::has(int error) const { return std::find(errors_, errors_ + count_, error) != errors_ + count_; }

bool SpawnCase::is_target(std::int32_t number) const {
  return std::any_of(keep.begin(), keep.end(), [&](const Kept& k) { return k.target == number; });
}

std::int32_t resolve(const Scenario& scenario, const sc_history& history, std::uint32_t thread,
                     std::uint32_t operation, const sc_operand& operand) {
  if (operand.variable == 0) return operand.value;
  const auto& operations = scenario.threads[thread].operations;
  for (std::uint32_t o = operation; o-- > 0;)
    for (int i = 0; i < 2; ++i)
      if (operations[o].result[i] == operand.value) {
        const sc_op_record& record = history.op[thread][o];
        return record.end != 0 && record.error == 0 ? record.value[i] : -1;
      }
  return -1;
}

namespace {

// Does following source -> target from some entry lead back to it, over more than one entry?
bool has_cycle(const std::vector<Kept>& keep) {
  for (const Kept& start : keep) {
    std::int32_t at = start.target;
    for (std::size_t steps = 0; steps < keep.size(); ++steps) {
      if (at == start.source && steps > 0) return true;
      auto next = std::find_if(keep.begin(), keep.end(), [&](const Kept& k) { return k.source == at && k.target != at; });
      if (next == keep.end()) break;
      at = next->target;
    }
  }
  return false;
}

// The contract: a negative number, a target twice: an error and no child. The reference says EBADF and
// EINVAL; the contract leaves it to others which of the two they say.
void add_keep_errors(SpawnCase& c, bool reference) {
  for (std::size_t i = 0; i < c.keep.size(); ++i) {
    if (c.keep[i].source < 0 || c.keep[i].target < 0) {
      c.always.add(EBADF);
      if (!reference) c.always.add(EINVAL);
    }
    for (std::size_t j = 0; j < i; ++j)
      if (c.keep[i].target == c.keep[j].target) {
        c.always.add(EINVAL);
        if (!reference) c.always.add(EBADF);
      }
  }
}

void add_attribute_errors(SpawnCase& c, bool reference) {
  const sc_request& r = *c.request;
  const bool session = (r.set & SPAWNCHECK_NEW_SESSION) != 0, group = (r.set & SPAWNCHECK_SET_PGROUP) != 0;
  const auto add = [](Errors& errors, std::initializer_list<int> numbers) {
    for (const int number : numbers) errors.add(number);
  };
  if (session && group && reference) add(c.always, {EINVAL});
  else if (session && group && r.pgroup == 0) add(c.sometimes, {EINVAL, EPERM});  // a session's leader is its group's leader already
  else if (group && (session || r.pgroup < 0)) add(c.always, {EINVAL, EPERM});    // both cannot be; there is no such group
  else if (group && r.pgroup != 0) add(c.sometimes, {EPERM, ESRCH});              // setpgid(2): no such group in the session
  const std::uint64_t dflt = (r.set & SPAWNCHECK_SET_DEFAULT) != 0 ? r.dflt : 0;
  const std::uint64_t ignore = (r.set & SPAWNCHECK_SET_IGNORE) != 0 ? r.ignore : 0;
  if ((dflt & ignore) != 0 || ((dflt | ignore) & model::unblockable) != 0) c.sometimes.add(EINVAL);
}

// The child dies of a signal before it could find out that something is wrong, or before exec.
void add_early_end(SpawnCase& c) {
  c.sometimes.add(ECANCELED);
  c.sometimes.add(c.always);
  c.always = {};
}

}  // namespace

SpawnCase spawn_case(const Scenario& scenario, const sc_history& history, std::uint32_t thread,
                     std::uint32_t operation, bool reference_errors) {
  SpawnCase c;
  c.thread = static_cast<std::uint8_t>(thread);
  c.operation = static_cast<std::uint8_t>(operation);
  c.request = &scenario.threads[thread].operations[operation].request;
  c.record = &history.op[thread][operation];
  c.returned = c.record->end != 0;
  c.succeeded = c.returned && c.record->error == 0;
  c.wants_pidfd = (c.request->set & SPAWNCHECK_WANT_PIDFD) != 0;
  if (c.succeeded && c.record->child >= 0) {
    const sc_process& child = history.child[c.record->child];
    if (child.observed && child.has_execed && !child.truncated) c.child = &child;
  }
  for (std::uint32_t i = 0; i < c.request->keep_count; ++i)
    c.keep.push_back({resolve(scenario, history, thread, operation, c.request->keep[i].source), c.request->keep[i].target});
  c.has_cycle = has_cycle(c.keep);
  add_keep_errors(c, reference_errors);
  add_attribute_errors(c, reference_errors);
  if (const int error = model::error_of_program(c.request->program)) c.always.add(error);
  if (OwnDoing(scenario, history).may_have_ended_children()) add_early_end(c);
  if (history.fault.kind == SC_FAULT_ERROR && history.fault.thread == thread && history.fault.operation == operation) {
    c.sometimes.add(history.fault.value);
    if (history.fault.value == ENOSYS || history.fault.value == EPERM) c.sometimes.add(EOPNOTSUPP);  // a way that was asked for, and that the kernel has not
  }
  return c;
}

bool is_same_file(const model::Description& d, const sc_key& observed) {
  auto kind_of = [](std::uint8_t kind) { return kind == SC_FILE_LISTENER ? std::uint8_t{SC_FILE_SOCKET} : kind; };
  if (d.wildcard) return true;
  if (kind_of(d.key.kind) != kind_of(observed.kind)) return false;
  switch (observed.kind) {
    case SC_FILE_PIPE_READ: case SC_FILE_PIPE_WRITE: case SC_FILE_SOCKET: case SC_FILE_LISTENER:
      return d.key.kind == SC_FILE_LISTENER || d.key.id == 0 || observed.id == 0 || d.key.id == observed.id;
    case SC_FILE_NULL: case SC_FILE_PIDFD: case SC_FILE_OTHER: return true;
    default: return d.key.id == observed.id;
  }
}

}  // namespace spawncheck::explore
