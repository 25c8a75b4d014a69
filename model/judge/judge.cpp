// SPDX-License-Identifier: MIT
//
// The judge asks in this order: can the run be judged at all; do the clauses hold that need no order of
// operations; does some order explain the rest. If none does, each clause's evidence is left out in turn:
// a clause without whose evidence the run can be explained is violated.
#include "model/judge/judge.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "impl/peers/implementation.h"
#include "model/contract/rules.h"
#include "model/explore/linearize.h"
#include "model/judge/facts.h"
#include "model/scenario/words.h"

namespace spawncheck {

namespace {

using explore::Explained;
using explore::Linearization;
using explore::LinearizeOptions;
using judging::Facts;

Verdict undecided(Status status, std::string reason) {
  Verdict v;
  v.status = status;
  v.observed = std::move(reason);
  return v;
}

bool is_excepted(const Facts& f, const Breach& b) { return f.options.is_excepted && f.options.is_excepted(b); }

Breach breach_of(Clause clause, Verdict v) {
  return {clause, std::move(v.observed), std::move(v.allowed), std::move(v.rule)};
}

// Checks a clause of one spawn on each spawn. Returns the first violation beyond documented limits, else the first.
template <Violation (*clause)(const SpawnFacts&)>
Violation of_each(const Facts& f) {
  Violation first;
  for (const explore::SpawnCase& s : f.spawns) {
    Violation v = clause(judging::spawn_facts(f, s));
    if (v && !is_excepted(f, breach_of(*v->clause, *v))) return v;
    if (!first) first = std::move(v);
  }
  return first;
}

// A check that needs no search, with its clause.
struct Check {
  Clause clause;
  Violation (*check)(const Facts&);
};

constexpr Check checks[] = {
    {Clause::live_returns, judging::live_returns},
    {Clause::sig_no_handler_in_child, judging::sig_no_handler_in_child},
    {Clause::mm_released, of_each<clauses::mm_released>},
    {Clause::proc_child, judging::proc_ending},
    {Clause::mm_unwritten, judging::mm_unwritten},
    {Clause::err_exact, judging::err_result},
    {Clause::proc_child, judging::proc_result},
    {Clause::proc_unzombied, judging::proc_unzombied},
    {Clause::sig_parent_restored, of_each<clauses::sig_parent_restored>},
    {Clause::sig_parent_restored, judging::sig_masks_at_end},
    {Clause::sig_parent_restored, judging::attributes_at_end},
    {Clause::sig_mask, of_each<clauses::sig_mask>},
    {Clause::sig_disposition, of_each<clauses::sig_disposition>},
    {Clause::proc_child, judging::proc_child},
    {Clause::proc_child, judging::proc_attributes},
    {Clause::fd_untouched, judging::descriptions_of_caller},
    {Clause::fd_kept, judging::descriptions_of_children},
    {Clause::proc_child, judging::proc_wait},
    {Clause::sig_none_lost, judging::sig_none_lost},
};

// Clauses whose evidence the search uses, in the order in which blame is tried: first those owed only if
// promised, then the narrow, then the wide.
constexpr Clause searched[] = {Clause::fd_snapshot, Clause::fd_untransient,      Clause::fd_released,
                               Clause::err_exact,   Clause::sig_disposition,     Clause::fd_kept,
                               Clause::fd_exact,    Clause::sig_parent_restored, Clause::proc_child,
                               Clause::fd_untouched};

std::optional<std::string> unsupported(const Facts& f) {
  for (const explore::SpawnCase& s : f.spawns) {
    const sc_request& r = *s.request;
    if ((f.options.policies >> r.policy & 1) == 0)
      return "the implementation does not offer the policy of " + judging::where(s);
    if ((r.set & ~f.options.sets) != 0) return "the implementation does not offer what is set by " + judging::where(s);
  }
  return std::nullopt;
}

std::optional<std::string> declined(const Facts& f) {
  for (const explore::SpawnCase& s : f.spawns)
    if (s.returned && s.record->error == SPAWNCHECK_DECLINED)
      return std::string(declined_words) + judging::where(s) +
             " asks for what the implementation has no way to express";
  return std::nullopt;
}

bool has_any_returned(const Facts& f) {
  for (std::size_t t = 0; t < f.scenario.threads.size(); ++t)
    for (std::size_t o = 0; o < f.scenario.threads[t].operations.size(); ++o)
      if (f.history.op[t][o].end != 0) return true;
  return false;
}

// Returns true if the run shows that the spawn's EAGAIN came from no full machine: there were processes and memory.
bool had_processes(const Facts& f, const explore::SpawnCase& s) {
  return s.record->error == EAGAIN && f.options.processes_sufficed &&
         (s.record->looked & SC_LOOKED_MEMORY_IS_LEFT) != 0;
}

// A spawn failed for lack of processes, memory or files: the judge does not know how full the machine is.
std::optional<std::string> machine_is_full(const Facts& f) {
  for (const explore::SpawnCase& s : f.spawns) {
    const int error = s.record->error;
    const bool has_reason = s.always.has(error) || s.sometimes.has(error);
    if (s.returned && !has_reason && !had_processes(f, s) && (error == EAGAIN || error == ENOMEM || error == ENFILE))
      return judging::where(s) + " failed with errno " + std::to_string(error) +
             ": the machine may be out of processes, memory or files";
  }
  return std::nullopt;
}

LinearizeOptions search_options(const Facts& f, Clauses enforced) {
  LinearizeOptions o;
  o.enforced = enforced;
  o.reference_errors = !f.options.resource_errors_allowed;
  o.resource_errors = f.options.resource_errors_allowed;
  o.habits = f.options.habits;
  o.steps = true;
  o.kernel = f.options.kernel;
  o.work_max = f.options.work_max;
  return o;
}

// The clauses without whose evidence the run can be explained: a single one if that suffices, else a minimal
// set of searched ones to leave out together. Empty: the run cannot be explained even without all of them.
std::vector<Clause> culprits(const Facts& f, std::uint64_t work_max, std::uint64_t& work) {
  auto is_explained = [&](Clauses enforced) {
    LinearizeOptions options = search_options(f, enforced);
    options.work_max = work_max;
    const Linearization found = explore::linearize(f.scenario, f.history, options);
    work += found.work;
    return found.explained == Explained::yes;
  };
  for (Clause clause : searched)
    if (f.options.owed.has(clause) && is_explained(f.options.owed.without(clause))) return {clause};
  Clauses rest = f.options.owed;
  std::vector<Clause> left_out;
  for (Clause clause : searched) {
    if (!rest.has(clause)) continue;
    rest = rest.without(clause);
    left_out.push_back(clause);
    if (!is_explained(rest)) continue;
    // The last one is needed. Of the others, each whose evidence need not be left out is acquitted.
    for (std::size_t i = left_out.size() - 1; i-- > 0;) {
      if (!is_explained(rest.with(left_out[i]))) continue;
      rest = rest.with(left_out[i]);
      left_out.erase(left_out.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return left_out;
  }
  return {};
}

bool uses_window(const Scenario& scenario) {
  std::int32_t first = 0, last = -1;
  for (std::uint32_t i = 0; i < scenario.world.line_count; ++i)
    if (scenario.world.line[i].kind == SC_WORLD_WINDOW)
      first = scenario.world.line[i].number, last = scenario.world.line[i].second;
  const auto is_in = [&](const sc_operand& o) { return !o.variable && first <= o.value && o.value <= last; };
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations) {
      const std::string_view operands = row_of(op).operands;
      if (op.kind == SC_OP_CLOSE_RANGE &&
          static_cast<std::uint32_t>(op.operand[0].value) <= static_cast<std::uint32_t>(last) && last >= 0)
        return true;
      for (std::size_t i = 0; i < operands.size() && i < 2; ++i)
        if ((operands[i] == 'f' || operands[i] == 'n') && op.kind != SC_OP_LIMIT && is_in(op.operand[i])) return true;
    }
  return false;
}

bool has(const std::vector<Breach>& found, Clause clause) {
  return std::any_of(found.begin(), found.end(), [&](const Breach& b) { return b.clause == clause; });
}

// The breach of one clause by its own evidence: that of the other clauses in `all` is left out.
Breach breach_of(const Facts& f, Clause clause, const std::vector<Clause>& all) {
  Clauses enforced = f.options.owed;
  for (const Clause other : all)
    if (other != clause) enforced = enforced.without(other);
  LinearizeOptions options = search_options(f, enforced);
  options.explain = true;
  options.explained_by = clause;
  Linearization why = explore::linearize(f.scenario, f.history, options);
  if (clause == Clause::fd_untouched && uses_window(f.scenario)) why.observed += window_is_used;
  return {clause, std::move(why.observed), std::move(why.allowed), rule_of(clause, why.rule)};
}

// Searches an order that explains the run. `found`: the breaches found without a search; if there are any, a search
// that reaches its bound adds nothing.
Verdict search(const Facts& f, std::vector<Breach>& found) {
  if (f.history.end == SC_RUN_TIMEOUT) return undecided(Status::inconclusive, "the run reached its bound in time");
  const std::uint64_t work_max = found.empty() ? f.options.work_max : f.options.work_max / 10;
  LinearizeOptions options = search_options(f, f.options.owed);
  options.work_max = work_max;
  const Linearization whole = explore::linearize(f.scenario, f.history, options);
  Verdict v;
  v.work = whole.work;
  if (whole.explained == Explained::yes) return v;
  if (whole.explained == Explained::unknown) {
    v.status = Status::inconclusive;
    v.observed = "no order of the operations was found within " + std::to_string(work_max) + " states";
    return v;
  }
  const std::vector<Clause> all = culprits(f, work_max, v.work);
  for (const Clause clause : all)
    if (!has(found, clause)) found.push_back(breach_of(f, clause, all));
  if (!all.empty() || !found.empty()) return v;
  options.explain = true;
  const Linearization why = explore::linearize(f.scenario, f.history, options);
  return undecided(Status::broken,
                   "the model cannot explain the run at all: " + why.observed + "; it allows: " + why.allowed);
}

std::vector<Breach> breaches_without_search(const Facts& f) {
  std::vector<Breach> found;
  for (const Check& c : checks) {
    const auto known = std::find_if(found.begin(), found.end(), [&](const Breach& b) { return b.clause == c.clause; });
    const bool is_known = known != found.end();
    if (!f.options.owed.has(c.clause) || (is_known && !is_excepted(f, *known))) continue;
    Violation v = c.check(f);
    if (!v) continue;
    Breach b = breach_of(c.clause, std::move(*v));
    if (!is_known)
      found.push_back(std::move(b));
    else if (!is_excepted(f, b))
      *known = std::move(b);
  }
  return found;
}

}  // namespace

bool is_declined(const Verdict& v) { return v.status == Status::unsupported && v.observed.starts_with(declined_words); }

bool needs_order(Clause clause) {
  return std::find(std::begin(searched), std::end(searched), clause) != std::end(searched);
}

Verdict judge(const Scenario& scenario, const sc_history& history, const JudgeOptions& options) {
  Facts facts{scenario, history, options};
  if (history.end == SC_RUN_BROKEN)
    return undecided(Status::broken, std::string("the executor failed: ") + history.broken_where + ", errno " +
                                         std::to_string(history.broken_errno));
  if (history.end == SC_RUN_REFUSED)
    return undecided(Status::unsupported, std::string("this process may not trace: ") + history.broken_where +
                                              ", errno " + std::to_string(history.broken_errno));
  if (history.end == SC_RUN_CUT) return undecided(Status::inconclusive, "the run made more steps than a trace holds");
  if (history.end == SC_RUN_MISLED) return undecided(Status::inconclusive, "a turn of the schedule is not enabled");
  for (std::uint32_t t = 0; t < scenario.threads.size(); ++t)
    for (std::uint32_t o = 0; o < scenario.threads[t].operations.size(); ++o)
      if (scenario.threads[t].operations[o].kind == SC_OP_SPAWN && history.op[t][o].begin != 0)
        facts.spawns.push_back(
            explore::spawn_case(scenario, history, t, o, !options.resource_errors_allowed, options.habits));
  if (history.fault.kind == SC_FAULT_KILL_PARENT && history.end == SC_RUN_KILLED)
    return {};  // no process is left to be owed anything
  if (const auto reason = unsupported(facts)) return undecided(Status::unsupported, *reason);
  constexpr int kill = 9;
  if (history.end == SC_RUN_KILLED && history.end_signal == kill && !facts.own_doing.ended_caller())
    return undecided(Status::inconclusive,
                     "somebody outside the scenario killed its process, as the kernel does when memory is short");
  if ((facts.own_doing.ended_caller() || facts.own_doing.stopped_caller()) && !has_any_returned(facts))
    return undecided(Status::inconclusive,
                     "a signal of the scenario ended or stopped its own process before any operation returned");
  if (const auto reason = machine_is_full(facts)) return undecided(Status::inconclusive, *reason);
  std::vector<Breach> found = breaches_without_search(facts);
  Verdict verdict = search(facts, found);
  if (found.empty() && verdict.status == Status::holds)
    if (const auto reason = declined(facts)) return undecided(Status::unsupported, *reason);
  if (found.empty()) return verdict;
  const std::uint64_t work = verdict.work;
  verdict = named(std::move(found));
  verdict.work = work;
  return verdict;
}

}  // namespace spawncheck
