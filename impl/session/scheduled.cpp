// SPDX-License-Identifier: MIT
#include "impl/session/scheduled.h"

#include <fmt/format.h>

#include <cstring>

#include "model/scenario/visible.h"

namespace spawncheck {

namespace {

int task_with_pid(const sc_trace& trace, std::int64_t id) {
  for (unsigned i = 0; i < trace.task_count; ++i)
    if (id > 0 && trace.task[i].pid == id) return static_cast<int>(i);
  return -1;
}

std::string process_text(const sc_trace& trace, std::int64_t id) {
  if (const int task = task_with_pid(trace, id); task >= 0)
    return "pid of " + task_name(trace, static_cast<unsigned>(task));
  return id > 0 ? "pid" : std::to_string(id);
}

// How to show an argument that is a plain number or a descriptor and equals a pid: a scenario may close a pid.
enum class Numbers { plain, as_processes };

std::string argument_text(const sc_trace& trace, char letter, const sc_step& step, unsigned i, Numbers numbers) {
  const auto low = static_cast<std::int32_t>(step.arg[i]);
  switch (letter) {
    case 'd':
    case 'f':
      return numbers == Numbers::as_processes && task_with_pid(trace, low) >= 0 ? process_text(trace, low)
                                                                                : std::to_string(low);
    case 'x':
      return fmt::format("{:#x}", static_cast<std::uint32_t>(step.arg[i]));
    case 'i':
      return process_text(trace, low);
    case 'm':
    case 'a':
    case 'c':
    case 'l':
      if (step.arg[i] == 0) return "null";
      return letter == 'a' && step.pointee > 1 ? "{handler}" : fmt::format("{{{:#x}}}", step.pointee);
    default:
      return step.arg[i] == 0 ? "null" : "address";
  }
}

bool gives_process(std::uint8_t call) {
  switch (call) {
    case SC_VISIBLE_clone:
    case SC_VISIBLE_clone3:
    case SC_VISIBLE_wait4:
    case SC_VISIBLE_setsid:
#if defined(__x86_64__)
    case SC_VISIBLE_fork:
    case SC_VISIBLE_vfork:
#endif
      return true;
    default:
      return false;
  }
}

// Errors from 512 on are the kernel's own (include/linux/errno.h ERESTARTSYS): a signal interrupts the call, and the
// kernel restarts it.
std::string error_text(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : error >= 512 ? "interrupted" : std::to_string(error);
}

std::string outcome_text(const sc_trace& trace, const sc_step& step) {
  switch (step.outcome) {
    case SC_OUTCOME_RETURNED:
      if (step.result < 0 && step.result > -4096) return " = " + error_text(static_cast<int>(-step.result));
      if (gives_process(step.call)) return " = " + process_text(trace, step.result);
      if (const char* pair = std::strchr(sc_visible_calls[step.call].arguments, 'n');
          pair != nullptr && step.result == 0)
        return fmt::format(" = [{}, {}]", static_cast<std::int32_t>(step.pointee),
                           static_cast<std::int32_t>(step.pointee >> 32));
      return fmt::format(" = {}", step.result);
    case SC_OUTCOME_SLEEPS:
      return ", sleeps";
    case SC_OUTCOME_SUSPENDED:
      return ", suspended";
    case SC_OUTCOME_EXECED:
      return ", execs";
    case SC_OUTCOME_DIED:
      return ", dies";
    default:
      return "";
  }
}

std::string step_text(const sc_trace& trace, const sc_step& step, Numbers numbers = Numbers::plain) {
  std::string out = task_name(trace, step.task) + " ";
  if (step.kind == SC_STEP_SIGNAL)
    return out + fmt::format("takes signal {}{}", step.arg[0], step.outcome == SC_OUTCOME_DIED ? ", dies" : "");
  if (step.kind == SC_STEP_PROGRAM)
    return out + "program goes on" + (step.outcome == SC_OUTCOME_DIED ? ", dies" : ", sleeps");
  const sc_visible_call& row = sc_visible_calls[step.call];
  if (step.kind == SC_STEP_WAKES) return out + row.name + " wakes" + outcome_text(trace, step);
  out += std::string(row.name) + "(";
  for (unsigned i = 0; row.arguments[i] != 0; ++i)
    out += (i == 0 ? "" : ", ") + argument_text(trace, row.arguments[i], step, i, numbers);
  return out + ")" + outcome_text(trace, step) + (step.fault ? ", fault" : "");
}

std::string enabled_text(const sc_trace& trace, std::uint32_t set) {
  std::string out;
  for (unsigned i = 0; i < trace.task_count; ++i)
    if (set >> i & 1) out += (out.empty() ? "" : ", ") + task_name(trace, i);
  return out;
}

}  // namespace

sc_policy policy_of(Turns turns, sc_rule rule, std::uint64_t seed) {
  sc_policy policy{};
  policy.is_scheduled = 1;
  policy.rule = static_cast<std::uint8_t>(rule);
  policy.is_strict = turns == Turns::strict;
  policy.seed = seed;
  return policy;
}

std::vector<Turn> turns_of(const sc_trace& trace) {
  std::vector<Turn> turns;
  for (unsigned i = 0; i < trace.step_count; ++i) {
    const sc_step& step = trace.step[i];
    if (step.kind != SC_STEP_WAKES) turns.push_back({trace.task[step.task].thread, trace.task[step.task].child});
  }
  return turns;
}

unsigned preemptions(const sc_trace& trace) {
  unsigned count = 0;
  int last = -1;
  for (unsigned i = 0; i < trace.step_count; ++i) {
    const sc_step& step = trace.step[i];
    if (step.kind == SC_STEP_WAKES) continue;
    if (last >= 0 && last != step.task && (step.enabled >> last & 1)) ++count;
    last = step.task;
  }
  return count;
}

unsigned context_switches(const std::vector<Turn>& turns) {
  unsigned count = 0;
  for (std::size_t i = 1; i < turns.size(); ++i) count += turns[i] != turns[i - 1];
  return count;
}

std::string task_name(const sc_trace& trace, unsigned task) {
  const sc_task& t = trace.task[task];
  return t.child < 0 ? std::to_string(t.thread) : fmt::format("{}.{}", t.thread, t.child);
}

bool starts_process(const sc_step& step) {
  return step.kind == SC_STEP_CALL && sc_visible_calls[step.call].effect == SC_EFFECT_CLONE &&
         !(step.outcome == SC_OUTCOME_RETURNED && step.result < 0);
}

std::string trace_text(const sc_trace& trace) {
  std::string out;
  for (unsigned i = 0; i < trace.step_count; ++i) out += step_text(trace, trace.step[i]) + "\n";
  return out;
}

std::string step_text(const sc_trace& trace, unsigned step) { return step_text(trace, trace.step[step]); }

std::string states_text(const sc_trace& trace) {
  std::string out;
  for (unsigned i = 0; i < trace.task_count; ++i) {
    const sc_task& t = trace.task[i];
    out += (i == 0 ? "" : ", ") + task_name(trace, i);
    switch (t.state) {
      case SC_TASK_AT_CALL:
        out += " is at " + std::string(sc_visible_calls[t.call].name);
        break;
      case SC_TASK_AT_SIGNAL:
        out += " takes a signal";
        break;
      case SC_TASK_ASLEEP:
        out += " sleeps in " + std::string(sc_visible_calls[t.call].name);
        break;
      case SC_TASK_SUSPENDED:
        out += " is suspended in " + std::string(sc_visible_calls[t.call].name);
        break;
      case SC_TASK_PROGRAM:
        out += " runs its program";
        break;
      case SC_TASK_STOPPED:
        out += " is stopped";
        break;
      case SC_TASK_FINISHED:
        out += " has finished";
        break;
      default:
        out += " is dead";
    }
  }
  return out;
}

std::string difference(const sc_trace& a, const sc_trace& b) {
  const auto is_same = [&](unsigned i) {
    for (const Numbers numbers : {Numbers::plain, Numbers::as_processes})
      if (step_text(a, a.step[i], numbers) == step_text(b, b.step[i], numbers)) return true;
    return false;
  };
  const auto text = [](const sc_trace& trace, unsigned i) {
    return i < trace.step_count ? step_text(trace, i) : "nothing";
  };
  for (unsigned i = 0; i < std::max(a.step_count, b.step_count); ++i)
    if (i >= a.step_count || i >= b.step_count || !is_same(i))
      return fmt::format("step {}: `{}`, then `{}`", i + 1, text(a, i), text(b, i));
  return {};
}

std::string bad_turn_text(const Scenario& scenario, const sc_trace& trace) {
  const auto at = static_cast<std::size_t>(trace.bad_turn < 0 ? 0 : trace.bad_turn);
  const std::string who = at < scenario.schedule.size() ? print(std::vector<Turn>{scenario.schedule[at]}) : "";
  bool exists = false;
  for (unsigned i = 0; i < trace.task_count; ++i) exists |= task_name(trace, i) == who;
  return fmt::format("schedule: turn {} ({}): {}; enabled: {}", at + 1, who,
                     exists ? "this task cannot go now" : "there is no such task yet",
                     enabled_text(trace, trace.enabled_at_bad_turn));
}

}  // namespace spawncheck
