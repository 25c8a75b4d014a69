// SPDX-License-Identifier: MIT
#include "impl/session/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "impl/session/running_kernel.h"
#include "impl/session/scheduled.h"
#include "model/contract/rules.h"
#include "model/contract/spawn_facts.h"

namespace spawncheck {

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t frames_max = 1u << 20;  // a call's frames reach no further down

bool is_of_the_call(const sc_written& w) {
  return w.start < w.frame && w.end > w.stack_pointer - std::min(w.stack_pointer, frames_max);
}

bool is_of_the_thread(const sc_written& w) {
  return w.start < w.thread_pointer + page && w.end + page > w.thread_pointer;
}

// Returns the child as it was observed at the end; null if it was not.
const sc_process* program_of(const sc_history& history, std::int32_t pid) {
  for (const sc_process& child : std::span(history.child, history.child_count))
    if (child.pid == pid && child.observed) return &child;
  return nullptr;
}

bool has(const sc_process& program, const sc_key& key) {
  return std::any_of(program.entry, program.entry + program.entry_count,
                     [&](const sc_entry& e) { return e.key.kind == key.kind && e.key.id == key.id; });
}

// Counts a child's table only before its exec: exec closes what is close-on-exec.
void look_at_child(const sc_snapshot& s, const sc_trace& trace, const sc_history& history, Watched& out) {
  const sc_task& task = trace.task[s.task];
  if (task.child < 0 || s.shares_table != s.task) return;
  for (std::uint32_t i = 0; i <= s.after_step; ++i)
    if (trace.step[i].task == s.task && trace.step[i].outcome == SC_OUTCOME_EXECED) return;
  const sc_process* program = program_of(history, task.pid);
  if (program == nullptr) return;
  ++out.private_tables;
  for (const sc_entry& e : std::span(trace.entry + s.first_entry, s.entry_count))
    if (!has(*program, e.key)) out.untransient_from = std::max(out.untransient_from, e.last + 1);
}

}  // namespace

std::optional<Verdict> forbidden_write(const Scenario& scenario, const sc_trace& trace) {
  constexpr const char* whose[] = {"", "the request, its arrays or its strings", "the stack of another thread",
                                   "data of libc"};
  if (scenario.threads.size() != 1 || trace.watches == 0) return {};
  for (const sc_written& w : std::span(trace.written, trace.written_count)) {
    if (w.whose == SC_WRITTEN_UNKNOWN || w.whose >= std::size(whose) || is_of_the_thread(w)) continue;
    return violated(Clause::mm_unwritten,
                    fmt::format("spawn of thread {}, operation {}: its child wrote to a page of {}",
                                trace.task[w.task].thread, w.operation, whose[w.whose]),
                    "nothing but its frame and its result changes",
                    rule(w.whose == SC_WRITTEN_REQUEST ? Rule::request_unwritten : Rule::memory_unwritten));
  }
  return {};
}

Watched watch(Session& session, const Scenario& scenario, std::uint64_t seed) {
  Watched out;
  sc_policy policy = policy_of(Turns::lenient, seed == 0 ? SC_RULE_RUN_ON : SC_RULE_RANDOM, seed);
  policy.results = 1;
  policy.snapshot_every = 1;
  policy.watch_memory = 1;
  const Verdict verdict = session.run_scheduled(scenario, policy);
  const sc_trace& trace = session.trace();
  if (verdict.status == Status::broken || trace.step_count == 0) {
    out.status = verdict.status;
    out.why = verdict.observed;
    return out;
  }
  const lockstep::Comparison own =
      lockstep::compare(running_kernel(), scenario, trace, session.history(), lockstep::Follow::operations);
  out.touched = own.disagreement;
  out.tables = own.snapshots;
  if (!own.unknown.empty() && !out.touched) {
    out.status = Status::inconclusive;
    out.why = own.unknown;
  }
  for (const sc_snapshot& s : std::span(trace.snapshot, trace.snapshot_count))
    look_at_child(s, trace, session.history(), out);
  out.is_memory_watched = trace.watches != 0;
  for (const sc_written& w : std::span(trace.written, trace.written_count)) {
    if (is_of_the_call(w))
      out.pages_of_the_call += static_cast<std::uint32_t>((w.end - w.start) / page);
    else if (is_of_the_thread(w))
      out.pages_of_the_thread += static_cast<std::uint32_t>((w.end - w.start) / page);
    else
      out.elsewhere.push_back(w);
  }
  return out;
}

std::string report(const Watched& w, const sc_trace& trace) {
  std::string out;
  if (w.status != Status::holds) out += fmt::format("{}: {}\n", name(w.status), w.why);
  if (w.status == Status::broken || w.status == Status::unsupported) return out;
  if (w.touched)
    out += fmt::format("fd.untouched: step {}: {}; only the operations: {}\n", w.touched->step + 1, w.touched->kernel,
                       w.touched->model);
  else if (w.tables == 0)
    out += "fd.untouched: no table of the caller was compared\n";
  else
    out += fmt::format("fd.untouched: holds: {} tables of the caller show only what its own threads did\n", w.tables);
  if (w.private_tables == 0)
    out += "fd.untransient: no child had a table of its own before exec\n";
  else if (w.untransient_from == 0)
    out += fmt::format("fd.untransient: holds: {} tables of children show only what their programs have\n",
                       w.private_tables);
  else
    out += fmt::format("fd.untransient: holds from number {} on ({} tables of children)\n", w.untransient_from,
                       w.private_tables);
  if (!w.is_memory_watched)
    out += "mm.unwritten: not seen: the kernel cannot tell which pages are written (PAGEMAP_SCAN, Linux 6.7)\n";
  else
    out += fmt::format(
        "mm.unwritten: {} pages of the call's own stack written, {} of the thread's own beside errno, {} regions "
        "elsewhere\n",
        w.pages_of_the_call, w.pages_of_the_thread, w.elsewhere.size());
  for (const sc_written& e : w.elsewhere)
    out += fmt::format("  while {} was suspended: {} pages at {:#x} of {}\n", task_name(trace, e.task),
                       (e.end - e.start) / page, e.start, e.mapping[0] != 0 ? e.mapping : "anonymous memory");
  return out;
}

}  // namespace spawncheck
