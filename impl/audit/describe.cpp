// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "impl/audit/report.h"

namespace spawncheck::audit {

namespace {

std::string duration(std::uint64_t ns) {
  return ns < 10'000'000 ? fmt::format("{} us", ns / 1000) : fmt::format("{} ms", ns / 1'000'000);
}

std::string window_text(const Finding& f) {
  const std::string calls =
      f.window_calls == 0 ? "" : fmt::format(", {} later", count_of(f.window_calls, "followed call"));
  switch (f.end) {
    case Window::End::open:
      return "close-on-exec was never set";
    case Window::End::flagged:
      return fmt::format("close-on-exec came {} late{}", duration(f.window_ns), calls);
    case Window::End::closed:
      return fmt::format("close-on-exec was never set; closed after {}{}", duration(f.window_ns), calls);
    case Window::End::replaced:
      return fmt::format("close-on-exec was never set; replaced after {}{}", duration(f.window_ns), calls);
  }
  return {};
}

}  // namespace

std::string count_of(std::uint64_t n, const char* noun) { return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s"); }

std::string describe_task(const Recording& recording, TaskId task) {
  if (task < 0) return "?";
  const TaskFacts& facts = recording.tasks[static_cast<std::size_t>(task)];
  const std::string who = facts.pid == facts.tid ? "process" : "thread";
  return fmt::format("{} {}{}", who, facts.tid, facts.name.empty() ? "" : " (" + facts.name + ")");
}

std::vector<std::string> describe_site(const Recording& recording, std::uint32_t site, Symbols& symbols) {
  std::vector<std::string> out;
  if (site == nothing) return out;
  const Site& s = recording.sites[site];
  out.push_back(recording.texts[s.call]);
  for (const Place& place : {s.at, s.caller})
    if (place.module != nothing) out.push_back(symbols.describe(recording.texts[place.module], place.offset));
  return out;
}

std::vector<Described> describe(const std::vector<Finding>& findings, const Recording& recording, Symbols& symbols) {
  std::vector<Described> out;
  for (const Finding& f : findings) {
    Described d;
    d.finding = f;
    if (f.number >= 0 && f.rule != Rule::handler_in_child) {
      d.descriptor = fmt::format("{}, {}", f.number, name(f.what));
      if (!f.path.empty()) d.descriptor += " " + f.path;
    }
    d.created = describe_site(recording, f.create_site, symbols);
    d.cloned = describe_site(recording, f.clone_site, symbols);
    if (f.creator >= 0) d.creator = describe_task(recording, f.creator);
    if (f.cloner >= 0) d.cloner = describe_task(recording, f.cloner);
    if (f.child >= 0) d.child = describe_task(recording, f.child);
    if (f.window != nothing) d.window = window_text(f);
    if (f.rule == Rule::late_end && f.window_ns != 0) d.window = duration(f.window_ns) + " late";
    out.push_back(std::move(d));
  }
  return out;
}

}  // namespace spawncheck::audit
