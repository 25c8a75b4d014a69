// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>
#include <set>

#include "impl/audit/report.h"

namespace spawncheck::audit {

namespace {

using nlohmann::json;

json to_json(const Described& d) {
  const Finding& f = d.finding;
  json out = {{"kind", "finding"},    {"rule", name(f.rule)}, {"certainty", name(f.certainty)},
              {"times", f.times},     {"created", d.created}, {"cloned", d.cloned},
              {"creator", d.creator}, {"cloner", d.cloner},   {"program", f.program},
              {"path", f.path},       {"what", name(f.what)}, {"text", f.text},
              {"window", d.window},   {"witness", f.witness}, {"suppressed_by", d.suppressed_by}};
  if (f.number >= 0) out["number"] = f.number;
  if (f.window != nothing && f.end != Window::End::open) {
    out["window_us"] = f.window_ns / 1000;
    out["window_calls"] = f.window_calls;
  }
  return out;
}

json to_json(const Result& result, const Exec& exec, Symbols& symbols) {
  const Follower& follower = *result.follower;
  const Recording& recording = follower.recording();
  const Event& event = recording.events[exec.event];
  const ExecFacts& facts = recording.execs[event.facts];
  json out = {{"kind", "exec"},
              {"at_us", event.end_ns / 1000},
              {"program", facts.program},
              {"arguments", facts.arguments},
              {"task", describe_task(recording, exec.task)},
              {"pid", recording.tasks[static_cast<std::size_t>(exec.task)].pid},
              {"descriptors", json::array()},
              {"lost", exec.lost}};
  for (const Inherited& item : exec.inherited) {
    json entry = {{"number", item.number},
                  {"link", item.link},
                  {"standard", item.is_standard},
                  {"asked", item.is_asked},
                  {"passed_through", item.is_passed_through},
                  {"own", item.is_own},
                  {"followed", item.is_seen}};
    if (item.window != nothing) {
      const Window& w = follower.windows()[item.window];
      entry["created"] = describe_site(recording, recording.events[w.create_event].site, symbols);
      entry["creator"] = describe_task(recording, w.creator);
      if (w.end != Window::End::open) {
        entry["window_us"] = (w.end_ns - w.begin_ns) / 1000;
        entry["window_calls"] = w.calls;
      }
    }
    out["descriptors"].push_back(std::move(entry));
  }
  return out;
}

}  // namespace

std::vector<json> report_json(const Result& result, Symbols& symbols) {
  std::vector<json> out;
  for (const Exec& exec : result.follower->execs()) out.push_back(to_json(result, exec, symbols));
  for (const Described& d : result.findings)
    if (d.finding.certainty != Certainty::possible) out.push_back(to_json(d));
  const Recording& recording = result.follower->recording();
  out.push_back({{"kind", "audit"},
                 {"command", result.command},
                 {"status", result.status},
                 {"program_status", recording.status},
                 {"tasks", recording.tasks.size()},
                 {"execs", result.follower->execs().size()},
                 {"events", recording.events.size()},
                 {"confirm_runs", result.confirm_runs},
                 {"complete", recording.is_complete},
                 {"duration_us", recording.duration_ns / 1000}});
  return out;
}

std::string report_sarif(const Result& result) {
  json rules = json::array(), results = json::array();
  for (int r = 0; r <= static_cast<int>(last_rule); ++r)
    rules.push_back(
        {{"id", name(static_cast<Rule>(r))}, {"shortDescription", {{"text", explain(static_cast<Rule>(r))}}}});
  for (const Described& d : result.findings) {
    const Finding& f = d.finding;
    if (f.certainty == Certainty::possible) continue;
    const bool is_fact = f.certainty == Certainty::confirmed || f.certainty == Certainty::observed;
    json logical = json::array();
    for (const auto* lines : {&d.created, &d.cloned})
      if (!lines->empty()) logical.push_back({{"fullyQualifiedName", lines->back()}, {"kind", "function"}});
    std::string message = std::string(name(f.certainty)) + ": " + explain(f.rule);
    if (!d.descriptor.empty()) message += " Descriptor " + d.descriptor + ".";
    if (!d.window.empty()) message += " " + d.window + ".";
    if (!f.program.empty()) message += " Got by " + f.program + ".";
    if (!f.text.empty()) message += " " + f.text + ".";
    json one = {{"ruleId", name(f.rule)},
                {"ruleIndex", static_cast<int>(f.rule)},
                {"level", is_fact                               ? "error"
                          : f.certainty == Certainty::predicted ? "warning"
                                                                : "note"},
                {"message", {{"text", message}}},
                {"occurrenceCount", f.times},
                {"properties", {{"certainty", name(f.certainty)}, {"created", d.created}, {"cloned", d.cloned}}}};
    if (!logical.empty()) one["locations"] = json::array({{{"logicalLocations", logical}}});
    if (!d.suppressed_by.empty())
      one["suppressions"] = json::array({{{"kind", "external"}, {"justification", d.suppressed_by}}});
    results.push_back(std::move(one));
  }
  const json driver = {{"name", "spawncheck audit"}, {"rules", rules}};
  const json run = {{"tool", {{"driver", driver}}}, {"results", results}};
  const json log = {
      {"$schema", "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"},
      {"version", "2.1.0"},
      {"runs", json::array({run})}};
  return log.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace spawncheck::audit
