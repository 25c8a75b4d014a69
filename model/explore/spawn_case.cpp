// SPDX-License-Identifier: MIT
#include "model/explore/spawn_case.h"

#include <algorithm>
#include <cerrno>

#include "impl/peers/implementation.h"
#include "model/contract/habits.h"
#include "model/contract/obligations.h"
#include "model/kernel/call.h"
#include "model/scenario/kept.h"
#include "model/scenario/visible.h"

namespace spawncheck::explore {

bool Errors::has(int error) const { return std::find(errors_, errors_ + count_, error) != errors_ + count_; }

bool SpawnCase::is_target(std::int32_t number) const {
  return std::binary_search(targets.begin(), targets.end(), number);
}

std::int32_t resolve(const Scenario& scenario, const sc_history& history, std::uint32_t thread, std::uint32_t operation,
                     const sc_operand& operand) {
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

// Returns true if following entries from source to target leads back to a number. Targets are distinct: at most one
// entry leads to each number.
bool has_cycle(const std::vector<Kept>& keep) {
  std::vector<Kept> by_target;
  for (const Kept& k : keep)
    if (k.source != k.target) by_target.push_back(k);
  std::sort(by_target.begin(), by_target.end(), [](const Kept& a, const Kept& b) { return a.target < b.target; });
  const auto leading_to = [&](std::int32_t number) {
    const auto is_below = [](const Kept& k, std::int32_t n) { return k.target < n; };
    const auto at = std::lower_bound(by_target.begin(), by_target.end(), number, is_below);
    return at != by_target.end() && at->target == number ? static_cast<std::size_t>(at - by_target.begin())
                                                         : by_target.size();
  };
  std::vector<std::size_t> walk_of(by_target.size(), 0);  // the first walk, from 1, that visited the entry
  for (std::size_t walk = 1; walk <= by_target.size(); ++walk)
    for (std::size_t at = walk - 1; at < by_target.size(); at = leading_to(by_target[at].source)) {
      if (walk_of[at] == walk) return true;
      if (walk_of[at] != 0) break;
      walk_of[at] = walk;
    }
  return false;
}

// The contract: a negative number or a repeated target is an error, without a child. The reference
// returns EBADF and EINVAL; others may return either of the two.
void add_keep_errors(SpawnCase& c, bool reference) {
  const bool is_negative =
      std::any_of(c.keep.begin(), c.keep.end(), [](const Kept& k) { return k.source < 0 || k.target < 0; });
  const bool is_twice = std::adjacent_find(c.targets.begin(), c.targets.end()) != c.targets.end();
  if (is_negative) c.always.add(EBADF);
  if (is_twice) c.always.add(EINVAL);
  if ((is_negative || is_twice) && !reference) {
    c.always.add(EINVAL);
    c.always.add(EBADF);
  }
  constexpr std::size_t kept_by_everyone = 64,
                        kept_by_reference = 4096;  // impl/spawn/include/spawncheck/spawn/request.h SPAWN_KEEP_MAX
  if (reference && c.keep.size() > kept_by_reference) c.always.add(EINVAL);
  if (!reference && c.keep.size() > kept_by_everyone)
    for (const int error : {EINVAL, E2BIG, ENOMEM, EMFILE}) c.sometimes.add(error);
}

void add_attribute_errors(SpawnCase& c, bool reference, bool is_group_known) {
  const sc_request& r = *c.request;
  const bool session = (r.set & SPAWNCHECK_NEW_SESSION) != 0, group = (r.set & SPAWNCHECK_SET_PGROUP) != 0;
  const auto add = [](Errors& errors, std::initializer_list<int> numbers) {
    for (const int number : numbers) errors.add(number);
  };
  if (session && group && reference)
    add(c.always, {EINVAL});
  else if (session && group && c.pgroup == 0)
    add(c.sometimes, {EINVAL, EPERM});  // a session leader already leads its group
  else if (group && (session || c.pgroup < 0))
    add(c.always, {EINVAL, EPERM});  // a leader cannot join a group; no such group
  else if (group && c.pgroup != 0 && !is_group_known)
    add(c.sometimes, {EPERM, ESRCH});  // setpgid(2): no such group in the session
  const std::uint64_t dflt = (r.set & SPAWNCHECK_SET_DEFAULT) != 0 ? r.dflt : 0;
  const std::uint64_t ignore = (r.set & SPAWNCHECK_SET_IGNORE) != 0 ? r.ignore : 0;
  if ((dflt & ignore) != 0 || ((dflt | ignore) & model::unblockable) != 0) c.sometimes.add(EINVAL);
}

// The scenario refuses a call, or the run's fault failed one: the spawn may return that error, or say that it has no
// other way.
void add_refused(SpawnCase& c, int error) {
  c.sometimes.add(error);
  if (error == ENOSYS || error == EPERM || error == EACCES)
    c.sometimes.add(EOPNOTSUPP);  // a forced way that the kernel lacks
}

// Calls that the reference can do without (impl/spawn/README.md): it does not fail if they are absent or forbidden.
bool has_fallback(std::uint8_t call) {
  return call == SC_VISIBLE_clone3 || call == SC_VISIBLE_close_range || call == SC_VISIBLE_pidfd_open ||
         call == SC_VISIBLE_pidfd_getfd || call == SC_VISIBLE_unshare;
}

void add_refusals(SpawnCase& c, const sc_world& world, bool reference) {
  for (std::uint32_t i = 0; i < world.refusal_count; ++i) {
    const sc_refusal& r = world.refusal[i];
    const bool says_absent = r.error == ENOSYS || r.error == EPERM;
    if (reference && says_absent && has_fallback(r.call))
      c.sometimes.add(EOPNOTSUPP);
    else
      add_refused(c, r.error);
  }
}

// Returns true if the group to join is known to exist in the caller's session: an earlier child of the thread
// leads it and has not been waited for. A zombie's group still exists (kernel/sys.c setpgid, kernel/exit.c
// __unhash_process).
bool leads_group(const Scenario& scenario, const sc_history& history, const SpawnCase& c) {
  const auto& operations = scenario.threads[c.thread].operations;
  bool leads = false;
  for (std::uint32_t o = 0; o < c.operation; ++o) {
    const sc_op_record& r = history.op[c.thread][o];
    if (r.end == 0 || r.error != 0 || c.pgroup <= 0) continue;
    const sc_request& other = operations[o].request;
    const bool sets_group_only =
        (other.set & (SPAWNCHECK_SET_PGROUP | SPAWNCHECK_NEW_SESSION)) == SPAWNCHECK_SET_PGROUP;
    if (operations[o].kind == SC_OP_SPAWN && r.value[0] == c.pgroup)
      leads = sets_group_only && resolve(scenario, history, c.thread, o, other.pgroup) == 0;
    if (operations[o].kind == SC_OP_WAIT &&
        resolve(scenario, history, c.thread, o, operations[o].operand[0]) == c.pgroup)
      leads = false;
  }
  return leads;
}

// A signal may end the child before exec, or before the child finds the request's errors.
void add_early_end(SpawnCase& c) {
  c.sometimes.add(ECANCELED);
  c.sometimes.add(c.always);
  c.always = {};
}

}  // namespace

// sh(1) runs a program in no known format.
bool runs_by_shell(const SpawnCase& c) {
  return model::error_of_program(c.request->program) == ENOEXEC && lifts(c.habits, Rule::error_where_owed);
}

SpawnCase spawn_case(const Scenario& scenario, const sc_history& history, std::uint32_t thread, std::uint32_t operation,
                     bool reference_errors, std::uint32_t habits) {
  SpawnCase c;
  c.habits = habits;
  c.thread = static_cast<std::uint8_t>(thread);
  c.operation = static_cast<std::uint8_t>(operation);
  c.request = &scenario.threads[thread].operations[operation].request;
  c.record = &history.op[thread][operation];
  c.returned = c.record->end != 0;
  c.succeeded = c.returned && c.record->error == 0;
  c.wants_pidfd = (c.request->set & SPAWNCHECK_WANT_PIDFD) != 0;
  if (c.succeeded && c.record->child >= 0 && !runs_by_shell(c)) {
    const sc_process& child = history.child[c.record->child];
    if (child.observed && child.has_execed && !child.truncated) c.child = &child;
  }
  for (const sc_keep& k : kept(*c.request)) {
    c.keep.push_back({resolve(scenario, history, thread, operation, k.source), k.target});
    c.targets.push_back(k.target);
  }
  std::sort(c.targets.begin(), c.targets.end());
  c.pgroup = resolve(scenario, history, thread, operation, c.request->pgroup);
  c.has_cycle = has_cycle(c.keep);
  add_keep_errors(c, reference_errors);
  const OwnDoing own_doing(scenario, history, habits);
  add_attribute_errors(c, reference_errors, !own_doing.may_have_reaped_children() && leads_group(scenario, history, c));
  if (const int error = model::error_of_program(c.request->program))
    (runs_by_shell(c) ? c.sometimes : c.always).add(error);
  if (c.record->error == SPAWNCHECK_DECLINED) c.sometimes.add(SPAWNCHECK_DECLINED);  // declined before it did anything
  if (own_doing.may_have_ended_children()) add_early_end(c);
  const sc_fault& fault = history.fault;
  if (fault.kind == SC_FAULT_ERROR && fault.thread == thread && fault.operation == operation)
    add_refused(c, fault.value);
  add_refusals(c, scenario.world, reference_errors);
  return c;
}

bool is_same_file(const model::Description& d, const sc_key& observed) {
  auto kind_of = [](std::uint8_t kind) { return kind == SC_FILE_LISTENER ? std::uint8_t{SC_FILE_SOCKET} : kind; };
  if (d.wildcard) return true;
  if (kind_of(d.key.kind) != kind_of(observed.kind)) return false;
  switch (observed.kind) {
    case SC_FILE_PIPE_READ:
    case SC_FILE_PIPE_WRITE:
    case SC_FILE_SOCKET:
    case SC_FILE_LISTENER:
      return d.key.kind == SC_FILE_LISTENER || d.key.id == 0 || observed.id == 0 || d.key.id == observed.id;
    case SC_FILE_NULL:
    case SC_FILE_PIDFD:
    case SC_FILE_OTHER:
      return true;
    default:
      return d.key.id == observed.id;
  }
}

}  // namespace spawncheck::explore
