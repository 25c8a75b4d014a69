// SPDX-License-Identifier: MIT
//
// Finds the schedule call by call: adds a turn, runs the scenario again by the turns so far, and reads from the trace
// which call that turn made. A step of the model is over when its task has made the call that the step stands for. The
// implementation may make calls of its own before that one (it asks for limits and flags): they get turns too. A step
// within a call has no counterpart on the kernel: the whole call is made where the path has its last step or, if that
// does not show the violation, where the path has its first.
#include "impl/session/reproduce.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>

#include "impl/session/claims.h"
#include "impl/session/running_kernel.h"
#include "impl/session/scheduled.h"
#include "impl/session/watch.h"
#include "model/explore/claims.h"
#include "model/scenario/visible.h"

namespace spawncheck {

namespace {

using explore::TraceStep;

constexpr unsigned turns_max = 200, runs_of_schedule = 20;

enum class Until : std::uint8_t {
  made,     // the call has been made
  no_more,  // the next call is none of them
  over,     // the operation has returned
  before    // the next call is one of them
};

// Which visible calls a step of the model stands for. Rows: a spawn's stages, then the plan's steps and a child's end.
struct Meaning {
  std::string_view word;
  Until until;
  std::vector<std::string_view> calls;
};

const std::vector<Meaning>& meanings() {
  static const std::vector<Meaning> all = {
      {"check", Until::before, {"rt_sigprocmask", "clone", "clone3", "fork", "vfork"}},
      {"block", Until::made, {"rt_sigprocmask"}},
      {"stage", Until::made, {"dup3"}},
      {"unstage", Until::made, {"dup3", "close"}},
      {"clone", Until::made, {"clone", "clone3", "fork", "vfork"}},
      {"collect", Until::made, {"wait4", "waitid"}},
      {"close-pidfd", Until::made, {"close"}},
      {"restore", Until::over, {}},
      {"reset-handlers", Until::no_more, {"rt_sigaction"}},
      {"default", Until::no_more, {"rt_sigaction"}},
      {"ignore", Until::no_more, {"rt_sigaction"}},
      {"session", Until::made, {"setsid"}},
      {"pgroup", Until::made, {"setpgid"}},
      {"umask", Until::made, {"umask"}},
      {"caller", Until::made, {"pidfd_open"}},
      {"fetch", Until::made, {"pidfd_getfd"}},
      {"chdir", Until::made, {"chdir"}},
      {"fchdir", Until::made, {"fchdir"}},
      {"unshare", Until::made, {"unshare"}},
      {"close-range", Until::made, {"close_range"}},
      {"close-each", Until::no_more, {"openat", "prlimit64", "fcntl", "close"}},
      {"close", Until::made, {"close"}},
      {"dup-to-temporary", Until::made, {"fcntl"}},
      {"dup", Until::made, {"dup3"}},
      {"set-cloexec", Until::made, {"fcntl"}},
      {"clear-cloexec", Until::made, {"fcntl"}},
      {"sweep-cloexec", Until::no_more, {"openat", "prlimit64", "fcntl", "close"}},
      {"mask", Until::made, {"rt_sigprocmask"}},
      {"exec", Until::made, {"execve", "execveat"}},
      {"exec-fd", Until::made, {"execve", "execveat"}},
      {"exit", Until::made, {"exit", "exit_group"}},
  };
  return all;
}

const Meaning* meaning_of(std::string_view word) {
  const auto at = std::find_if(meanings().begin(), meanings().end(), [&](const Meaning& m) { return m.word == word; });
  return at == meanings().end() ? nullptr : &*at;
}

class Follower {
 public:
  Follower(Session& session, const Scenario& scenario, const std::vector<TraceStep>& trace)
      : session_(session), scenario_(scenario), trace_(trace) {
    scenario_.expectations.clear();
    scenario_.schedule.clear();
  }

  // Returns the turns of the path. Empty if the kernel does not follow it; `why` says at which step.
  std::vector<Turn> turns(bool at_first_step, std::string& why) {
    turns_.clear();
    for (std::size_t i = 0; i < trace_.size(); ++i) {
      if (!stands_for_call(i, at_first_step)) continue;
      if (!follow(trace_[i])) {
        why = fmt::format("the kernel does not go this way: step {}, {}", i + 1, trace_[i].text);
        return {};
      }
    }
    return turns_;
  }

  // Returns the first step that does not end its call and is followed by a step of another task; nullopt if none is.
  std::optional<std::string> within_a_call() const {
    for (std::size_t i = 0; i + 1 < trace_.size(); ++i)
      if (!trace_[i].is_call_done && !is_same_task(trace_[i], trace_[i + 1])) return trace_[i].text;
    return std::nullopt;
  }

 private:
  static bool is_same_task(const TraceStep& a, const TraceStep& b) {
    return a.who == b.who && a.thread == b.thread && (a.who == TraceStep::Who::thread || a.operation == b.operation);
  }

  // Returns true if step i is the one at which its call is made: the call's first step on the path, or its last.
  bool stands_for_call(std::size_t i, bool at_first_step) const {
    if (at_first_step) {
      for (std::size_t b = i; b-- > 0;)
        if (is_same_task(trace_[b], trace_[i])) return trace_[b].is_call_done;
      return true;
    }
    if (trace_[i].is_call_done) return true;
    for (std::size_t a = i + 1; a < trace_.size(); ++a)
      if (is_same_task(trace_[a], trace_[i])) return false;
    return true;
  }

  Turn task_of(const TraceStep& step) const {
    if (step.who == TraceStep::Who::thread) return {step.thread, -1};
    int child = 0;  // counts the thread's earlier spawns that started a child
    for (std::uint8_t o = 0; o < step.operation; ++o)
      child += std::any_of(trace_.begin(), trace_.end(), [&](const TraceStep& t) {
        return t.thread == step.thread && t.operation == o && t.who == TraceStep::Who::child;
      });
    return {step.thread, static_cast<std::int8_t>(child)};
  }

  // Returns the step that the task makes at its next turn; nullopt if it cannot go.
  std::optional<sc_step> peek(Turn who) {
    scenario_.schedule = turns_;
    scenario_.schedule.push_back(who);
    session_.run_scheduled(scenario_, policy_of(Turns::strict));
    const sc_trace& trace = session_.trace();
    std::size_t turn = 0;
    for (unsigned i = 0; i < trace.step_count; ++i) {
      if (trace.step[i].kind == SC_STEP_WAKES) continue;
      if (turn++ == turns_.size())
        return session_.history().end == SC_RUN_MISLED && trace.bad_turn == static_cast<std::int32_t>(turns_.size())
                   ? std::nullopt
                   : std::optional(trace.step[i]);
    }
    return std::nullopt;
  }

  bool follow(const TraceStep& step) {
    const Turn who = task_of(step);
    const Meaning* meaning = meaning_of(step.call);
    // These need no turn: a suspended parent goes on by itself, and queries and signals come with the task's next call.
    if (step.call == "suspended" || step.call == "ask" || step.call == "check-staged" || step.call == "signal")
      return true;
    const bool is_operation = step.who == TraceStep::Who::thread && meaning == nullptr;
    const Until until = is_operation ? Until::over : meaning == nullptr ? Until::made : meaning->until;
    for (bool has_begun = false; turns_.size() < turns_max; has_begun = true) {
      const std::optional<sc_step> next = peek(who);
      if (!next) return until == Until::over && has_begun;
      const std::string_view name = next->kind == SC_STEP_CALL ? sc_visible_calls[next->call].name : "";
      const bool is_one =
          meaning != nullptr && std::find(meaning->calls.begin(), meaning->calls.end(), name) != meaning->calls.end();
      if (until == Until::before && is_one) return true;
      if (until == Until::no_more && has_begun && !is_one) return true;
      if (until == Until::over && (next->operation != step.operation || next->outside != 0) && has_begun) return true;
      turns_.push_back(who);
      if (until == Until::made && (meaning == nullptr ? next->kind == SC_STEP_PROGRAM : is_one)) return true;
    }
    return false;
  }

  Session& session_;
  Scenario scenario_;
  const std::vector<TraceStep>& trace_;
  std::vector<Turn> turns_;
};

// Returns true if a run by this schedule shows that the clause is violated. `seen` says what the run showed.
bool shows(Session& session, Scenario scenario, const std::vector<Turn>& turns, const Verdict& expected,
           std::string& seen) {
  scenario.expectations.clear();
  scenario.schedule = turns;
  const Verdict verdict = session.run_scheduled(scenario, policy_of(Turns::strict));
  if (verdict.violates(*expected.clause)) {
    Verdict shown = verdict;
    shown.name_by(*expected.clause);
    seen = shown.observed;
    return true;
  }
  // The violation may be within a documented limit of the reference: the kernel shows it all the same.
  if (verdict.is_within_limit(*expected.clause)) {
    seen = verdict.observed;
    return true;
  }
  if (verdict.status == Status::violated && verdict.clause)
    seen = fmt::format("{} is violated instead: {}", name(*verdict.clause), verdict.observed);
  if (expected.clause != Clause::fd_untouched) return false;
  const Watched watched = watch(session, scenario);  // the history of a run does not show a momentary change
  if (!watched.touched) return false;
  seen = fmt::format("in between {}, and not {}", watched.touched->kernel, watched.touched->model);
  return true;
}

// Returns the options of a session that runs a way on the kernel. If nothing runs it, `why` says so.
SessionOptions session_of(const std::string& way, std::string& why) {
  SessionOptions options;
  const std::size_t colon = way.find(':');
  if (way.substr(0, colon) == "reference") {
    if (colon != std::string::npos) options.strategy = way.substr(colon + 1);
    return options;
  }
  options.implementation = directory_of_binaries() + "/ways/" + way + ".so";
  if (!std::filesystem::exists(options.implementation))
    why = fmt::format("nothing here runs {} on a kernel (impl/ways says which ways can be run)", way);
  return options;
}

}  // namespace

Reproduction reproduce(const Scenario& scenario, const std::string& way, const model::Kernel& kernel,
                       const explore::Exploration& exploration) {
  Reproduction r;
  const model::Kernel running = running_kernel();
  for (const Behaviour b : needs_of_way(way))
    if (kernel.has(b) && !running.has(b)) {
      r.text = fmt::format("{} needs {}, which the kernel that runs lacks: {}", way, model::row(b).word, known(b).why);
      return r;
    }
  const SessionOptions options = session_of(way, r.text);
  if (!r.text.empty()) return r;
  r.implementation = options.implementation;
  r.strategy = options.strategy;
  const std::unique_ptr<Session> session = Session::start(options, r.text);
  if (session == nullptr) return r;
  Follower follower(*session, scenario, exploration.trace);
  for (const bool at_first_step : {false, true}) {
    std::vector<Turn> turns = follower.turns(at_first_step, r.text);
    if (at_first_step && turns == r.schedule) break;  // no step of the path is within a call
    r.schedule = std::move(turns);
    if (r.schedule.empty()) continue;
    r.text.clear();
    for (r.runs = 0, r.times = 0; r.runs < runs_of_schedule; ++r.runs)
      r.times += shows(*session, scenario, r.schedule, exploration.verdict, r.text);
    if ((r.is_reproduced = r.times != 0)) return r;
    if (r.text.empty()) r.text = "no run on this kernel showed the violation";
  }
  if (const std::string other = difference_text(kernel.does, running.does); !other.empty())
    r.text += fmt::format("; the model's kernel, {}, and the one that runs differ in {}", kernel.name, other);
  if (const auto step = follower.within_a_call())
    r.text = fmt::format("another task must act within a call, and a schedule orders whole calls only: {}; {}", *step,
                         r.text);
  return r;
}

}  // namespace spawncheck
