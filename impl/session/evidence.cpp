// SPDX-License-Identifier: MIT
#include "impl/session/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <span>

#include "impl/session/scheduled.h"

namespace spawncheck {

namespace {

using nlohmann::json;

std::string hex(std::uint64_t value) { return fmt::format("{:#x}", value); }

std::string_view kind_text(std::uint8_t kind) {
  constexpr std::string_view names[] = {"none",      "memfd",      "null",     "pipe-read", "pipe-write",
                                        "socket",    "eventfd",    "mqueue",   "file",      "program",
                                        "fifo-read", "fifo-write", "listener", "pidfd",     "other"};
  return kind < std::size(names) ? names[kind] : "?";
}

json operation_json(const sc_op_record& r) {
  return {{"begin", r.begin},
          {"end", r.end},
          {"value", {r.value[0], r.value[1]}},
          {"error", r.error},
          {"disturbed", r.disturbed},
          {"inode", {r.inode[0], r.inode[1]}},
          {"identified", r.identified},
          {"child", r.child},
          {"looked", r.looked},
          {"actions", hex(r.actions)},
          {"pending", {hex(r.pending_before), hex(r.pending_after)}},
          {"result_error", r.result_error}};
}

json entry_json(const sc_entry& e) {
  return {{"number", e.number},
          {"last", e.last},
          {"kind", std::string(kind_text(e.key.kind))},
          {"id", e.key.id},
          {"cloexec", e.cloexec != 0},
          {"compared", e.compared != 0},
          {"same_as_parent", e.same_as_parent},
          {"pidfd_of", e.pidfd_of},
          {"status_flags", e.status_flags},
          {"position", e.position}};
}

constexpr std::string_view attribute_words[] = {
#define SPAWNCHECK_ROW(id, text, where, name, at, shown, source) text,
    SC_ATTRIBUTES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

// The known attributes, each by its word.
json attributes_json(const sc_attributes& a) {
  json out = json::object();
  for (int i = 0; i < SC_ATTRIBUTE_COUNT; ++i)
    if ((a.known >> i & 1) != 0) out[std::string(attribute_words[i])] = a.value[i];
  return out;
}

json difference_json(const sc_difference& d) {
  if (!d.is_known || !d.is_different) return d.is_known ? json("none") : json("unknown");
  return {{"index", d.index},
          {"asked", std::string(d.asked)},
          {"seen", std::string(d.seen)},
          {"missing", d.is_missing != 0},
          {"surplus", d.is_surplus != 0}};
}

json process_json(const sc_process& p) {
  json entries = json::array();
  for (const sc_entry& e : std::span(p.entry, std::min<std::uint32_t>(p.entry_count, SC_ENTRIES_MAX)))
    entries.push_back(entry_json(e));
  return {{"pid", p.pid},
          {"observed", p.observed != 0},
          {"dead", p.is_dead != 0},
          {"end_status", p.end_status},
          {"execed", p.has_execed != 0},
          {"truncated", p.truncated != 0},
          {"entries", std::move(entries)},
          {"mask", hex(p.mask)},
          {"pending", hex(p.pending)},
          {"shared_pending", hex(p.shared_pending)},
          {"ignored", hex(p.ignored)},
          {"caught", hex(p.caught)},
          {"ppid", p.ppid},
          {"pgid", p.pgid},
          {"sid", p.sid},
          {"arguments", p.argument_count},
          {"cwd", p.cwd},
          {"argument", difference_json(p.argument)},
          {"environment", difference_json(p.environment)},
          {"attributes", attributes_json(p.attributes)}};
}

}  // namespace

std::string end_of_run(const sc_history& h) {
  constexpr const char* names[] = {"complete", "blocked", "timeout", "killed", "broken",
                                   "cut",      "refused", "misled",  "stopped"};
  return h.end < std::size(names) ? names[h.end] : "unknown";
}

Evidence evidence_of(const Session& session, const Scenario& scenario, const Verdict& verdict, bool is_scheduled) {
  Evidence e;
  e.history = std::make_shared<const sc_history>(session.history());
  if (is_scheduled) {
    e.trace = trace_text(session.trace());
    e.schedule = turns_of(session.trace());
  }
  if (getloadavg(e.load, 3) != 3) std::fill(e.load, e.load + 3, -1.0);
  e.verdict = verdict;
  e.scenario = scenario;
  return e;
}

// Leaves out records beyond the scenario's threads and operations: earlier runs wrote them.
json to_json(const sc_history& h, const Scenario& scenario) {
  json threads = json::array();
  for (std::size_t t = 0; t < scenario.threads.size(); ++t) {
    json operations = json::array();
    for (std::size_t o = 0; o < scenario.threads[t].operations.size(); ++o)
      operations.push_back(operation_json(h.op[t][o]));
    threads.push_back({{"operations", std::move(operations)},
                       {"mask_at_end", hex(h.thread_mask[t])},
                       {"made", attributes_json(h.made[t])},
                       {"left", attributes_json(h.left[t])}});
  }
  json world = json::array();
  for (std::uint32_t line = 0; line < std::min<std::uint32_t>(scenario.world.line_count, SC_WORLD_MAX); ++line)
    world.push_back({h.world_inode[line][0], h.world_inode[line][1]});
  json children = json::array();
  for (const sc_process& p : std::span(h.child, std::min<std::uint32_t>(h.child_count, SC_CHILDREN_MAX)))
    children.push_back(process_json(p));
  json handled = json::array();
  for (const sc_handled& r : std::span(h.handled, std::min<std::uint32_t>(h.handled_count, SC_HANDLED_MAX)))
    handled.push_back({{"signal", r.signal}, {"in_child", r.in_child != 0}, {"thread", r.thread}});
  return {{"end", end_of_run(h)},
          {"end_signal", h.end_signal},
          {"broken_errno", h.broken_errno},
          {"broken_where", std::string(h.broken_where)},
          {"threads", std::move(threads)},
          {"world_inodes", std::move(world)},
          {"children", std::move(children)},
          {"parent", process_json(h.parent)},
          {"caught_by_libc", hex(h.caught_by_libc)},
          {"handled", std::move(handled)},
          {"handled_lost", h.handled_lost},
          {"ran_in_child", h.ran_in_child},
          {"inherited", hex(h.inherited)},
          {"strays", h.stray_count},
          {"stray_pid", h.stray_pid},
          {"fault",
           {{"kind", h.fault.kind},
            {"thread", h.fault.thread},
            {"operation", h.fault.operation},
            {"at", h.fault.at},
            {"value", h.fault.value}}}};
}

json to_json(const Evidence& e) {
  if (e.history == nullptr) return nullptr;
  return {{"scenario", print(e.scenario)},
          {"clause", e.verdict.clause ? std::string(name(*e.verdict.clause)) : ""},
          {"observed", e.verdict.observed},
          {"allowed", e.verdict.allowed},
          {"rule", e.verdict.rule},
          {"load_average", {e.load[0], e.load[1], e.load[2]}},
          {"schedule", print(e.schedule)},
          {"trace", e.trace},
          {"history", to_json(*e.history, e.scenario)}};
}

}  // namespace spawncheck
