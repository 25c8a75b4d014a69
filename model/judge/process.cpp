// SPDX-License-Identifier: MIT
//
// Clauses of processes and memory.
#include <cerrno>

#include "impl/peers/implementation.h"
#include "model/contract/describe.h"
#include "model/contract/habits.h"
#include "model/contract/rules.h"
#include "model/judge/facts.h"

namespace spawncheck::judging {

using explore::SpawnCase;

Violation live_returns(const Facts& f) {
  if (f.history.fault.kind == SC_FAULT_KILL_PARENT) {
    if (f.history.end == SC_RUN_KILLED) return {};
    return violated(Clause::live_returns, "the caller was killed, and a child that it had started waits for ever",
                    "it runs the program or ends", rule(Rule::child_goes_on));
  }
  if (f.history.end != SC_RUN_BLOCKED && f.history.end != SC_RUN_KILLED && f.history.end != SC_RUN_STOPPED) return {};
  // A child that the scenario has stopped before exec keeps its caller suspended.
  if (f.own_doing.ended_caller() || f.own_doing.stopped_caller() || f.own_doing.may_have_stopped_children()) return {};
  const bool has_exited = f.history.end == SC_RUN_KILLED && f.history.end_signal == 0;
  const std::string by =
      has_exited ? ", it exited meanwhile"
                 : " by signal " + std::to_string(f.history.end_signal) + " meanwhile, which nobody had sent";
  for (const SpawnCase& s : f.spawns) {
    if (s.returned) continue;
    const std::string what = f.history.end == SC_RUN_KILLED ? ": the caller was ended" + by
                             : f.history.end == SC_RUN_STOPPED
                                 ? ": the caller was stopped" + by
                                 : ": it had not returned when nothing could run any more";
    return violated(Clause::live_returns, where(s) + what, "it returns", rule(Rule::returns));
  }
  return {};
}

Violation proc_unzombied(const Facts& f) {
  if (f.history.stray_count == 0) return {};
  for (const SpawnCase& s : f.spawns)
    if (!s.returned) return {};  // the stray may be its child
  return violated(
      Clause::proc_unzombied,
      std::to_string(f.history.stray_count) + " process(es) were left that no successful spawn had reported", "none",
      rule(Rule::nothing_left));
}

namespace {

// Returns true if the spawn's thread has sent the child a signal.
bool is_ended_by_its_thread(const Facts& f, const SpawnCase& s) {
  const auto& operations = f.scenario.threads[s.thread].operations;
  for (std::uint32_t o = s.operation + 1u; o < operations.size(); ++o)
    if (operations[o].kind == SC_OP_KILL_CHILD && f.history.op[s.thread][o].begin != 0 &&
        explore::resolve(f.scenario, f.history, s.thread, o, operations[o].operand[0]) == s.record->value[0])
      return true;
  return false;
}

std::string differing(const SpawnCase& s, const char* what, std::int64_t observed) {
  return where(s) + ": the child's " + what + " is " + std::to_string(observed);
}

std::string different(const SpawnCase& s, const char* what, const sc_difference& d) {
  return where(s) + ": the child's " + what + " " + std::to_string(d.index) +
         (d.is_missing ? " is missing" : std::string(" is \"") + d.seen + '"');
}

std::string asked(const sc_difference& d) { return d.is_surplus ? "none" : '"' + std::string(d.asked) + '"'; }

}  // namespace

Violation proc_ending(const Facts& f) {
  if (f.history.ran_in_child == 0) return {};
  return violated(Clause::proc_child,
                  (f.history.ran_in_child & SC_RAN_EXIT_HANDLER) != 0 ? "an exit handler of the caller ran in a child"
                                                                      : "a stream of the caller was flushed in a child",
                  "never", rule(Rule::no_exit_of_caller));
}

Violation proc_child(const Facts& f) {
  const sc_process& parent = f.history.parent;
  for (const SpawnCase& s : f.spawns) {
    if (!s.succeeded || s.record->child < 0) continue;
    const sc_process& child = f.history.child[s.record->child];
    const sc_request& r = *s.request;
    if (explore::runs_by_shell(s)) continue;
    if (!child.observed) {
      if (!child.is_dead || r.program == SC_PROGRAM_EXIT || f.own_doing.may_have_ended_children() ||
          is_ended_by_its_thread(f, s))
        continue;
      return violated(Clause::proc_child,
                      where(s) + ": the child had ended" +
                          (child.knows_end_status ? " with " + std::to_string(child.end_status) : "") +
                          " before anybody ended it",
                      "it runs the program, which waits", rule(Rule::lives_on));
    }
    if (!child.has_execed)
      return violated(Clause::proc_child, where(s) + ": the child does not run the program that was asked for",
                      "it does when spawn has returned", rule(Rule::runs_program));
    if (!parent.observed) continue;
    if (child.ppid != parent.pid)
      return violated(Clause::proc_child, differing(s, "parent", child.ppid), std::to_string(parent.pid),
                      rule(Rule::parent_is_caller));
    const bool session = (r.set & SPAWNCHECK_NEW_SESSION) != 0;
    const bool sets_group = (r.set & SPAWNCHECK_SET_PGROUP) != 0;
    const std::int32_t group = session || (sets_group && s.pgroup == 0) ? child.pid
                               : sets_group                             ? s.pgroup
                                                                        : parent.pgid;
    if ((child.sid == child.pid) != session || (!session && child.sid != parent.sid))
      return violated(Clause::proc_child, differing(s, "session", child.sid),
                      session ? "its own" : std::to_string(parent.sid), rule(Rule::session_as_asked));
    if (child.pgid != group)
      return violated(Clause::proc_child, differing(s, "process group", child.pgid),
                      group == child.pid ? "its own" : std::to_string(group), rule(Rule::group_as_asked));
    const std::int32_t cwd = (r.set & SPAWNCHECK_SET_CWD) != 0 ? r.cwd : parent.cwd;
    if (child.cwd != cwd)
      return violated(Clause::proc_child, differing(s, "directory", child.cwd), std::to_string(cwd),
                      rule(Rule::directory_as_asked));
    if (child.argument.is_known && child.argument.is_different)
      return violated(Clause::proc_child, different(s, "argument", child.argument), asked(child.argument),
                      rule(Rule::arguments_as_asked));
    if (child.environment.is_known && child.environment.is_different)
      return violated(Clause::proc_child, different(s, "string of the environment", child.environment),
                      asked(child.environment), rule(Rule::environment_as_asked));
    if (child.argument_count != 1u + r.argument_count)
      return violated(Clause::proc_child, differing(s, "argument count", child.argument_count),
                      std::to_string(1 + r.argument_count), rule(Rule::arguments_as_asked));
  }
  return {};
}

// wait(2) reports each child once, with its own status: 7 for the program that exits, else the number
// of a signal that was sent to the child.
Violation proc_wait(const Facts& f) {
  for (std::uint32_t t = 0; t < f.scenario.threads.size(); ++t) {
    const auto& operations = f.scenario.threads[t].operations;
    for (std::uint32_t o = 0; o < operations.size(); ++o) {
      const sc_op_record& r = f.history.op[t][o];
      if (operations[o].kind != SC_OP_WAIT || r.end == 0) continue;
      const std::int32_t pid = explore::resolve(f.scenario, f.history, t, o, operations[o].operand[0]);
      const SpawnCase* spawn = nullptr;
      for (const SpawnCase& s : f.spawns)
        if (s.succeeded && s.thread == t && s.operation < o && s.record->value[0] == pid) spawn = &s;
      if (spawn == nullptr) continue;
      if (explore::runs_by_shell(*spawn)) continue;
      bool waited = false, fits = f.own_doing.may_have_ended_children();
      for (std::uint32_t p = spawn->operation + 1; p < o; ++p) {
        if (explore::resolve(f.scenario, f.history, t, p, operations[p].operand[0]) != pid) continue;
        waited |= operations[p].kind == SC_OP_WAIT && f.history.op[t][p].error == 0;
        fits |= operations[p].kind == SC_OP_KILL_CHILD && r.value[0] == -operations[p].operand[1].value;
      }
      if (r.error != 0) {
        if (waited || f.own_doing.may_have_reaped_children() || r.error != ECHILD) continue;
        return violated(Clause::proc_child, "wait for the child of " + where(*spawn) + " gave ECHILD",
                        "its status, once", rule(Rule::status_once));
      }
      fits |= spawn->request->program == SC_PROGRAM_EXIT && r.value[0] == 7;
      if (fits && !waited) continue;
      return violated(Clause::proc_child,
                      "wait for the child of " + where(*spawn) + " gave " + std::to_string(r.value[0]),
                      "what the program exits with or the signal that was sent, once", rule(Rule::status_once));
    }
  }
  return {};
}

Violation mm_unwritten(const Facts& f) {
  // The most serious first.
  constexpr struct {
    std::uint32_t what;
    Rule rule;
  } disturbances[] = {{SC_DISTURBED_MEMORY, Rule::memory_unwritten},
                      {SC_DISTURBED_ENVIRON, Rule::environment_unwritten},
                      {SC_DISTURBED_REQUEST, Rule::request_unwritten},
                      {SC_DISTURBED_ERRNO, Rule::errno_unwritten}};
  for (const auto& d : disturbances) {
    if (lifts(f.options.habits, d.rule)) continue;
    for (const SpawnCase& s : f.spawns)
      if (s.returned && (s.record->disturbed & d.what) != 0)
        return violated(Clause::mm_unwritten, where(s) + ": it changed " + disturbance_text(d.what),
                        "nothing but its frame and its result changes", rule(d.rule));
  }
  if (f.history.end == SC_RUN_KILLED && f.history.end_signal == 0)
    return violated(Clause::mm_unwritten, "the caller has exited", "it does not", rule(Rule::caller_goes_on));
  if (f.history.end == SC_RUN_KILLED && !f.own_doing.ended_caller())
    return violated(Clause::mm_unwritten, "the caller was ended by signal " + std::to_string(f.history.end_signal),
                    "no signal of the scenario ends it", rule(Rule::caller_survives));
  return {};
}

}  // namespace spawncheck::judging
