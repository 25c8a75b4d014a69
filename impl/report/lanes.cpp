// SPDX-License-Identifier: MIT
#include "impl/report/lanes.h"

#include <fmt/format.h>

#include <algorithm>

#include "impl/report/html.h"
#include "impl/session/scheduled.h"
#include "model/contract/describe.h"
#include "model/kernel/state.h"

namespace spawncheck {

namespace {

bool is_spawn(const Scenario& s, unsigned thread, unsigned operation) {
  return thread < s.threads.size() && operation < s.threads[thread].operations.size() &&
         s.threads[thread].operations[operation].kind == SC_OP_SPAWN;
}

std::string without_newline(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string result_text(const sc_operation& op, const sc_op_record& r) {
  if (r.error != 0) return describe_error(r.error);
  std::string out;
  for (int i = 0; i < 2; ++i)
    if (op.result[i] >= 0) out += fmt::format("{}{}", out.empty() ? "" : " ", r.value[i]);
  return out.empty() ? "done" : out;
}

void add_calls(Lanes& out, const Scenario& s, const sc_trace& trace) {
  out.is_of_calls = true;
  for (unsigned i = 0; i < trace.task_count; ++i)
    out.lane.push_back((trace.task[i].child < 0 ? "thread " : "child ") + task_name(trace, i));
  for (unsigned i = 0; i < trace.step_count; ++i) {
    const sc_step& step = trace.step[i];
    if (step.outside != 0) continue;
    Mark m;
    m.lane = step.task;
    const std::string text = step_text(trace, i);
    m.text = text.substr(text.find(' ') + 1);
    m.is_spawn = is_spawn(s, trace.task[step.task].thread, step.operation);
    m.kind = step.kind == SC_STEP_WAKES     ? MarkKind::wakes
             : step.kind == SC_STEP_SIGNAL  ? MarkKind::signal
             : step.kind == SC_STEP_PROGRAM ? MarkKind::program
                                            : MarkKind::call;
    m.starts_wait = step.outcome == SC_OUTCOME_SLEEPS || step.outcome == SC_OUTCOME_SUSPENDED;
    m.ends_wait = step.kind == SC_STEP_WAKES;
    out.marks.push_back(std::move(m));
  }
}

void add_operations(Lanes& out, const Scenario& s, const sc_history& h) {
  struct At {
    std::uint32_t stamp;
    Mark mark;
  };
  std::vector<At> all;
  for (unsigned t = 0; t < s.threads.size(); ++t) {
    out.lane.push_back(fmt::format("thread {}", t));
    for (unsigned o = 0; o < s.threads[t].operations.size(); ++o) {
      const sc_operation& op = s.threads[t].operations[o];
      const sc_op_record& r = h.op[t][o];
      if (r.begin == 0) continue;
      Mark m{t, MarkKind::begin, without_newline(print(op)), op.kind == SC_OP_SPAWN, true, false};
      all.push_back({r.begin, m});
      if (r.end == 0) continue;
      m = {t, MarkKind::end, result_text(op, r), op.kind == SC_OP_SPAWN, false, true};
      all.push_back({r.end, m});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const At& a, const At& b) { return a.stamp < b.stamp; });
  for (At& a : all) out.marks.push_back(std::move(a.mark));
}

NamedTable table_of(std::string name, const sc_process& p) {
  NamedTable out{std::move(name), p.observed != 0, {}};
  for (std::uint32_t i = 0; i < p.entry_count && p.observed != 0; ++i)
    out.rows.push_back({p.entry[i].number, p.entry[i].last, describe(p.entry[i])});
  return out;
}

NamedTable table_of_world(const Scenario& s, const sc_history& h) {
  NamedTable out{"the caller", true, {}};
  const model::State state = model::initial_state(s.world, static_cast<std::uint32_t>(s.threads.size()), h.world_inode);
  for (const model::Entry& e : state.tables[0].entries()) {
    if (e.description == model::none) continue;
    out.rows.push_back(
        {e.number, e.last, describe(state.descriptions[e.description].key) + (e.cloexec ? ", close-on-exec" : "")});
  }
  return out;
}

std::string table_html(const std::vector<NamedTable>& tables, const char* caption) {
  std::string out = "<div class=tables>";
  for (const NamedTable& t : tables) {
    out += fmt::format("<table class=fds><caption>{}, {}</caption>", escaped(t.name), caption);
    for (const TableRow& r : t.rows)
      out += fmt::format("<tr><th scope=row>{}<td>{}",
                         r.first == r.last ? std::to_string(r.first) : fmt::format("{}–{}", r.first, r.last),
                         escaped(r.text));
    if (t.rows.empty()) out += fmt::format("<tr><td>{}", t.is_seen ? "nothing is open" : "not seen");
    out += "</table>";
  }
  return out + "</div>";
}

const char* class_of(MarkKind kind) {
  constexpr const char* names[] = {"call", "begin", "end", "wakes", "signal", "program"};
  return names[static_cast<int>(kind)];
}

}  // namespace

Lanes lanes_of(const Scenario& scenario, const sc_history& history, const sc_trace* trace, unsigned marks_max) {
  Lanes out;
  if (trace != nullptr)
    add_calls(out, scenario, *trace);
  else
    add_operations(out, scenario, history);
  if (out.marks.size() > marks_max) {
    const auto begin = out.marks.begin() + marks_max / 2, end = out.marks.end() - marks_max / 2;
    const std::string text = fmt::format("{} more are left out", end - begin);
    Mark gap = *begin;
    gap.text = text;
    gap.kind = MarkKind::program;
    gap.starts_wait = gap.ends_wait = false;
    out.marks.insert(out.marks.erase(begin, end), gap);
  }
  out.before.push_back(table_of_world(scenario, history));
  out.after.push_back(table_of("the caller", history.parent));
  for (std::uint32_t i = 0; i < history.child_count; ++i)
    out.after.push_back(
        table_of(history.child_count == 1 ? "the child" : fmt::format("child {}", i), history.child[i]));
  return out;
}

std::string to_html(const Lanes& lanes) {
  std::string out = table_html(lanes.before, "before");
  out += "<div class=scroll tabindex=0 role=region aria-label=\"the run, time down\"><table class=lanes><thead><tr>";
  for (const std::string& name : lanes.lane) out += "<th scope=col>" + escaped(name);
  out += "<tbody>";
  std::vector<bool> waits(lanes.lane.size());
  for (std::size_t i = 0; i < lanes.marks.size(); ++i) {
    const Mark& m = lanes.marks[i];
    out += "<tr>";
    for (unsigned lane = 0; lane < lanes.lane.size(); ++lane) {
      const char* wait = waits[lane] ? " waits" : "";
      if (lane != m.lane)
        out += fmt::format("<td class=\"idle{}\">", wait);
      else
        out += fmt::format("<td class=\"mark {}{}{}\"><span>{}</span>", class_of(m.kind), m.is_spawn ? " spawn" : "",
                           wait, escaped(m.text));
    }
    if (m.starts_wait) waits[m.lane] = true;
    if (m.ends_wait) waits[m.lane] = false;
  }
  out += "</table></div>";
  return out + table_html(lanes.after, "after");
}

}  // namespace spawncheck
