// SPDX-License-Identifier: MIT
//
// Clauses of signals.
#include "model/kernel/signals.h"

#include <bit>

#include "impl/peers/implementation.h"
#include "model/contract/describe.h"
#include "model/contract/rules.h"
#include "model/judge/facts.h"

namespace spawncheck::judging {

using explore::SpawnCase;

using model::bit;
using model::unblockable;
constexpr int chld = model::signal_chld, cont = model::signal_cont;

std::uint64_t mask_of_thread(const Facts& f, std::uint32_t thread, std::size_t operations) {
  std::uint64_t mask = f.scenario.world.mask;
  for (std::size_t o = 0; o < operations; ++o) {
    const sc_operation& op = f.scenario.threads[thread].operations[o];
    const sc_op_record& r = f.history.op[thread][o];
    if (op.kind != SC_OP_MASK || r.end == 0 || r.error != 0) continue;
    if (op.operand[0].value == SC_HOW_BLOCK) mask |= op.signals;
    if (op.operand[0].value == SC_HOW_UNBLOCK) mask &= ~op.signals;
    if (op.operand[0].value == SC_HOW_SET) mask = op.signals;
  }
  return mask & ~unblockable;
}

Violation sig_no_handler_in_child(const Facts& f) {
  for (std::uint32_t i = 0; i < f.history.handled_count; ++i)
    if (f.history.handled[i].in_child) return clauses::sig_no_handler_in_child(f.history.handled[i].signal);
  return {};
}

// Covers threads that spawned nothing, too, and those whose spawn did not report the mask.
Violation sig_masks_at_end(const Facts& f) {
  if (f.history.end != SC_RUN_COMPLETE) return {};
  for (std::uint32_t t = 0; t < f.scenario.threads.size(); ++t) {
    const std::uint64_t expected = mask_of_thread(f, t, f.scenario.threads[t].operations.size());
    const std::uint64_t difference = f.history.thread_mask[t] ^ expected;
    if (difference == 0) continue;
    constexpr std::uint64_t of_libc = 7ull << 31;  // 32 to 34
    return violated(Clause::sig_parent_restored,
                    "at the end thread " + std::to_string(t) + " blocks " + describe_signals(f.history.thread_mask[t]) +
                        ((difference & ~of_libc) == 0 ? "; only 32 to 34 differ" : ""),
                    describe_signals(expected), rule(Rule::process_as_before));
  }
  return {};
}

namespace {

struct Sent {
  std::uint32_t to_process = 0, to_thread = 0;
  bool disposition_changes = false;
};

Sent sent(const Facts& f, int signal) {
  Sent count;
  for (std::uint32_t t = 0; t < f.scenario.threads.size(); ++t)
    for (std::uint32_t o = 0; o < f.scenario.threads[t].operations.size(); ++o) {
      const sc_operation& op = f.scenario.threads[t].operations[o];
      const sc_op_record& r = f.history.op[t][o];
      const bool succeeded = r.end != 0 && r.error == 0;
      const bool to_process = op.kind == SC_OP_KILL || op.kind == SC_OP_KILL_GROUP;
      if (to_process && op.operand[0].value == signal && succeeded) ++count.to_process;
      if (op.kind == SC_OP_TGKILL && op.operand[1].value == signal && succeeded) ++count.to_thread;
      if (op.kind == SC_OP_DISPOSITION && op.operand[0].value == signal && r.begin != 0)
        count.disposition_changes = true;
    }
  if (f.history.fault.kind == SC_FAULT_SIGNAL && f.history.fault.value == signal) ++count.to_process;
  return count;
}

// KILL is pending only in a child that is being killed.
bool pending_in_child_was_sent(const Facts& f, std::uint64_t pending) {
  pending &= ~unblockable;
  if (f.history.fault.kind == SC_FAULT_SIGNAL_CHILD) pending &= ~bit(f.history.fault.value);
  if (f.history.fault.kind == SC_FAULT_STOP_CHILD) pending &= ~bit(cont);
  for (const Thread& thread : f.scenario.threads)
    for (const sc_operation& op : thread.operations) {
      if (op.kind == SC_OP_KILL_CHILD) pending &= ~bit(op.operand[1].value);
      if (op.kind == SC_OP_KILL_GROUP) pending &= ~bit(op.operand[0].value);
    }
  return pending == 0;
}

// The signals that are blocked for the thread from start to end; below, those that never are.
std::uint64_t always_blocked(const Facts& f, std::size_t thread) {
  std::uint64_t set = f.scenario.world.mask;
  for (const sc_operation& op : f.scenario.threads[thread].operations) {
    if (op.kind != SC_OP_MASK || op.operand[0].value == SC_HOW_BLOCK) continue;
    set &= op.operand[0].value == SC_HOW_SET ? op.signals : ~op.signals;
  }
  return set;
}

std::uint64_t never_blocked(const Facts& f, std::size_t thread) {
  std::uint64_t set = ~f.scenario.world.mask;
  for (const sc_operation& op : f.scenario.threads[thread].operations)
    if (op.kind == SC_OP_MASK && op.operand[0].value != SC_HOW_UNBLOCK) set &= ~op.signals;
  return set;
}

std::uint32_t handled_in_caller(const Facts& f, int signal) {
  std::uint32_t runs = 0;
  for (std::uint32_t i = 0; i < f.history.handled_count; ++i)
    runs += f.history.handled[i].signal == signal && !f.history.handled[i].in_child;
  return runs;
}

// Signals that were pending and blocked before a spawn, are not afterwards, and have not been handled. A signal to the
// process stays if no thread takes it, and the main thread blocks all; stop signals and CONT remove each other
// (kernel/signal.c prepare_signal).
std::uint64_t swallowed(const Facts& f, const SpawnCase& s) {
  const bool is_alone = f.scenario.threads.size() == 1;
  std::uint64_t certain =
      ~(named_by_dispositions(f.scenario) | f.scenario.world.ignored | model::libc_internal | unblockable);
  if (!is_alone)
    for (std::size_t t = 0; t < f.scenario.threads.size(); ++t) certain &= always_blocked(f, t);
  if (!is_alone || f.history.fault.kind == SC_FAULT_SIGNAL) certain &= ~(model::stops_by_default | bit(cont));
  std::uint64_t lost = s.record->pending_before & ~s.record->pending_after & certain;
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal)
    if ((lost & bit(signal)) != 0 && handled_in_caller(f, signal) != 0) lost &= ~bit(signal);
  return lost;
}

// CONT removes pending stop signals, and a stop signal removes a pending CONT (kernel/signal.c prepare_signal).
bool may_be_removed(const Facts& f, int signal) {
  const bool is_stop = (model::stops_by_default & bit(signal)) != 0;
  if (!is_stop && signal != cont) return false;
  for (int other = 1; other <= SC_SIGNAL_MAX; ++other) {
    if (is_stop ? other != cont : (model::stops_by_default & bit(other)) == 0) continue;
    const Sent count = sent(f, other);
    if (count.to_process + count.to_thread != 0) return true;
  }
  return false;
}

bool has_waited_for_child(const Facts& f) {
  for (std::size_t t = 0; t < f.scenario.threads.size(); ++t)
    for (std::size_t o = 0; o < f.scenario.threads[t].operations.size(); ++o)
      if (f.scenario.threads[t].operations[o].kind == SC_OP_WAIT && f.history.op[t][o].end != 0 &&
          f.history.op[t][o].error == 0)
        return true;
  return false;
}

// A child that ends sends CHLD before any thread can have waited for it (kernel/exit.c exit_notify), and a thread
// that never blocks CHLD takes it.
bool child_signal_is_lost(const Facts& f) {
  if (f.history.tells_chld == 0) return false;
  if ((f.scenario.world.handled & ~named_by_dispositions(f.scenario) & bit(chld)) == 0 || !has_waited_for_child(f))
    return false;
  if (handled_in_caller(f, chld) != 0 || (f.history.parent.shared_pending & bit(chld)) != 0) return false;
  for (std::size_t t = 0; t < f.scenario.threads.size(); ++t)
    if ((never_blocked(f, t) & bit(chld)) != 0) return true;
  return false;
}

}  // namespace

// Compares counts of handler runs with counts of sends, for signals that the world handles and no
// operation changes. Standard signals may merge while pending, real-time ones (34 and up) may not.
Violation sig_none_lost(const Facts& f) {
  for (const SpawnCase& s : f.spawns) {
    if (s.child != nullptr && !pending_in_child_was_sent(f, s.child->pending | s.child->shared_pending))
      return violated(
          Clause::sig_none_lost,
          where(s) + ": pending in the child: " + describe_signals(s.child->pending | s.child->shared_pending),
          "none that was not sent to it", rule(Rule::child_pending_empty));
    if (!s.returned) continue;
    if (const std::uint64_t lost = swallowed(f, s))
      return violated(Clause::sig_none_lost,
                      where(s) + ": pending for the caller before it, and neither afterwards nor handled: " +
                          describe_signals(lost),
                      "it stays pending", rule(Rule::pending_stays));
  }
  if (f.history.end != SC_RUN_COMPLETE || f.history.handled_lost != 0 || !f.history.parent.observed) return {};
  if (child_signal_is_lost(f))
    return violated(Clause::sig_none_lost, "a child was waited for, and the handler of CHLD has not run",
                    "it runs, or CHLD is pending", rule(Rule::child_signal_arrives));
  for (int signal = 1; signal <= SC_SIGNAL_MAX; ++signal) {
    if ((f.scenario.world.handled & bit(signal)) == 0 || signal == chld) continue;
    const Sent count = sent(f, signal);
    if (count.disposition_changes || may_be_removed(f, signal)) continue;
    const std::uint32_t runs = handled_in_caller(f, signal);
    const std::uint32_t total = count.to_process + count.to_thread;
    const bool is_pending = (f.history.parent.shared_pending & bit(signal)) != 0;
    const bool lost = count.to_process > 0 && !is_pending &&
                      (runs == 0 || (signal >= 34 && count.to_thread == 0 && runs < count.to_process));
    if (runs > total || lost)
      return violated(Clause::sig_none_lost,
                      describe_signals(bit(signal)) + " was sent " + std::to_string(total) +
                          " times, its handler ran " + std::to_string(runs) + " times",
                      "each signal is delivered, once", rule(Rule::delivered_once));
  }
  return {};
}

}  // namespace spawncheck::judging
