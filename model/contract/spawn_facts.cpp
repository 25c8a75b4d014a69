// SPDX-License-Identifier: MIT
#include "model/contract/spawn_facts.h"

#include <utility>

#include "impl/peers/implementation.h"
#include "model/contract/describe.h"
#include "model/contract/habits.h"
#include "model/contract/rules.h"

namespace spawncheck {

bool SpawnFacts::asks_for(std::uint32_t set) const { return (request->set & set) != 0; }

Verdict violated(Clause clause, std::string observed, std::string allowed, std::string rule) {
  Verdict v;
  v.status = Status::violated;
  v.clause = clause;
  v.observed = std::move(observed);
  v.allowed = std::move(allowed);
  v.rule = std::move(rule);
  return v;
}

std::string where(const SpawnFacts& f) {
  return "spawn of thread " + std::to_string(f.thread) + ", operation " + std::to_string(f.operation);
}

namespace clauses {

namespace {

constexpr std::uint64_t bit(int signal) { return 1ull << (signal - 1); }
constexpr std::uint64_t unblockable = bit(9) | bit(19);  // KILL, STOP
constexpr std::uint64_t libc_internal =
    bit(32) | bit(33) | bit(34);  // a libc may reserve these: glibc the first two, musl all three
constexpr std::uint64_t of_no_program = bit(32) | bit(33);  // a libc hides their dispositions

std::string of_libc(std::uint64_t difference) {
  return (difference & ~libc_internal) == 0 ? "; only 32 to 34 differ" : "";
}

}  // namespace

Violation mm_released(const SpawnFacts& f) {
  if (!f.has_returned || !f.shares_memory) return {};
  return violated(Clause::mm_released, where(f) + ": at its return the child still ran on the caller's memory",
                  "the child has its own, or is gone", rule(Rule::memory_released));
}

Violation sig_parent_restored(const SpawnFacts& f) {
  if (!f.has_returned) return {};
  const std::uint64_t difference = f.mask_after ? (*f.mask_after ^ f.mask_before) & ~unblockable : 0;
  const auto left = [&](const std::string& what, Rule r) {
    return violated(Clause::sig_parent_restored, where(f) + ": it left the caller with another " + what,
                    "as before the call", rule(r));
  };
  if (difference == 0 && f.left_different != nullptr)
    return left(std::string("value of ") + f.left_different,
                f.is_left_at_once ? Rule::caller_as_before : Rule::caller_state_as_before);
  if (difference == 0 && f.actions != 0)
    return left("handler, flags or mask of " + describe_signals(f.actions), Rule::caller_state_as_before);
  if (difference == 0) return {};
  return violated(
      Clause::sig_parent_restored,
      where(f) + ": it left the caller with the mask " + describe_signals(*f.mask_after) + of_libc(difference),
      describe_signals(f.mask_before), rule(Rule::caller_as_before));
}

Violation sig_mask(const SpawnFacts& f) {
  if (!f.child) return {};
  const bool is_asked = f.asks_for(SPAWNCHECK_SET_MASK);
  const std::uint64_t expected = (is_asked ? f.request->mask : f.mask_before) & ~unblockable;
  if ((f.child->mask & ~unblockable) == expected) return {};
  if (!is_asked && (f.child->mask & ~unblockable) == 0 && lifts(f.habits, Rule::mask_inherited)) return {};
  return violated(
      Clause::sig_mask,
      where(f) + ": the child blocks " + describe_signals(f.child->mask) + of_libc(f.child->mask ^ expected),
      describe_signals(expected), rule(is_asked ? Rule::mask_requested : Rule::mask_inherited));
}

Violation sig_disposition(const SpawnFacts& f) {
  if (!f.child) return {};
  if (f.child->caught != 0)
    return violated(Clause::sig_disposition, where(f) + ": the child catches " + describe_signals(f.child->caught),
                    "none", rule(Rule::none_caught));
  const std::uint64_t ignore = f.asks_for(SPAWNCHECK_SET_IGNORE) ? f.request->ignore : 0,
                      dflt = f.asks_for(SPAWNCHECK_SET_DEFAULT) ? f.request->dflt : 0;
  const std::uint64_t stays = lifts(f.habits, Rule::ignored_as_asked) ? 0 : f.always_ignored;
  const std::uint64_t at_most = ((f.ever_ignored & ~dflt) | ignore) & ~unblockable,
                      at_least = ((stays & ~dflt) | (ignore & ~dflt)) & ~unblockable & ~of_no_program;
  if ((f.child->ignored & ~at_most) == 0 && (at_least & ~f.child->ignored) == 0) return {};
  const std::uint64_t difference = (f.child->ignored & ~at_most) | (at_least & ~f.child->ignored);
  return violated(Clause::sig_disposition,
                  where(f) + ": the child ignores " + describe_signals(f.child->ignored) + of_libc(difference),
                  "at least " + describe_signals(at_least) + ", at most " + describe_signals(at_most),
                  rule(Rule::ignored_as_asked));
}

Violation fd_kept(const SpawnFacts& f) {
  if (f.not_kept.empty()) return {};
  const SpawnFacts::Kept& k = f.not_kept.front();
  return violated(Clause::fd_kept, "the child's " + std::to_string(k.target) + " is " + k.found,
                  "the description that the parent's " + std::to_string(k.source) +
                      " referred to during the call, close-on-exec clear",
                  rule(Rule::kept_is_open));
}

Violation fd_exact(const SpawnFacts& f) {
  if (!f.unexplained.empty()) {
    const SpawnFacts::Number& n = f.unexplained.front();
    const bool is_only = f.request->policy == SPAWNCHECK_FDS_ONLY;
    return violated(Clause::fd_exact, "the child has " + std::to_string(n.number) + ": " + n.found,
                    is_only ? "policy only: nothing but the kept numbers"
                            : "at no instant of the call did the parent have that there without close-on-exec",
                    rule(is_only ? Rule::only_the_kept : Rule::nothing_more));
  }
  if (f.missing.empty()) return {};
  return violated(Clause::fd_exact, "the child lacks " + std::to_string(f.missing.front()),
                  "it is open without close-on-exec in the parent during the whole call", rule(Rule::nothing_less));
}

Violation fd_snapshot(const SpawnFacts& f) {
  if (f.is_one_instant) return {};
  return violated(Clause::fd_snapshot, "the child's table mixes states of the parent's",
                  "all entries as the parent's table was at one instant of the call", rule(Rule::one_instant));
}

Violation proc_pidfd(const SpawnFacts& f) {
  if (!f.has_succeeded() || !f.asks_for(SPAWNCHECK_WANT_PIDFD)) return {};
  if (f.pidfd == PidfdFact::missing)
    return violated(Clause::proc_child, where(f) + " gave no pidfd", "one that was asked for",
                    rule(Rule::pidfd_names_child));
  if (f.pidfd == PidfdFact::of_another)
    return violated(Clause::proc_child, where(f) + " gave a pidfd of another process", "of the child",
                    rule(Rule::pidfd_names_child));
  return {};
}

Violation proc_unzombied(const SpawnFacts& f) {
  if (!f.has_returned || f.error == 0 || !f.has_left_child) return {};
  return violated(Clause::proc_unzombied, where(f) + " failed and left a child", "none", rule(Rule::nothing_left));
}

Violation err_exact(const SpawnFacts& f) {
  if (!f.has_returned || (f.error != 0 ? f.may_fail_so : f.may_succeed)) return {};
  if (f.error == 0)
    return violated(Clause::err_exact, where(f) + " succeeded",
                    f.has_closed_source ? "EBADF: a source is closed" : "an error: the request cannot be satisfied",
                    rule(Rule::error_where_owed));
  return violated(Clause::err_exact, where(f) + " failed with " + describe_error(f.error),
                  f.may_succeed ? "success" : "an error of the first failing step",
                  rule(Rule::no_error_without_reason));
}

Verdict sig_no_handler_in_child(int signal) {
  return violated(Clause::sig_no_handler_in_child,
                  "the parent's handler of " + describe_signals(bit(signal)) + " ran in a child", "never",
                  rule(Rule::no_handler_runs));
}

Verdict live_returns(const SpawnFacts& f, std::string what) {
  return violated(Clause::live_returns, where(f) + std::move(what), "it returns", rule(Rule::returns));
}

}  // namespace clauses

}  // namespace spawncheck
