// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>

#include "impl/audit/report.h"

namespace spawncheck::audit {

namespace {

std::string why(const Inherited& item) {
  if (item.is_standard) return "standard";
  if (item.is_asked) return "asked for";
  if (item.is_passed_through) return "passed through";
  if (!item.is_seen && item.window == nothing) return "not followed";
  if (item.is_own) return "opened by the child";
  return "not asked for";
}

void tell(std::string& out, const Described& d) {
  const Finding& f = d.finding;
  out += fmt::format("{} {}: {}\n", name(f.certainty), name(f.rule), explain(f.rule));
  const auto line = [&](const char* label, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {:<12}{}\n", label, text);
  };
  const auto place = [](const std::vector<std::string>& lines, const std::string& who) {
    std::string text = fmt::format("{}", fmt::join(lines, ", from "));
    if (!who.empty()) text += (text.empty() ? "by " : "; by ") + who;
    return text;
  };
  line("descriptor", d.descriptor);
  line("created", place(d.created, d.creator));
  line("window", d.window);
  line("cloned", place(d.cloned, d.cloner));
  line("got by", f.program);
  line("child", d.child);
  line("what", f.text);
  if (f.times > 1) line("seen", fmt::format("{} times", f.times));
  if (!f.witness.empty()) line("replay", "spawncheck audit --replay " + f.witness);
}

void tell_execs(std::string& out, const Result& result, Symbols& symbols) {
  const Follower& follower = *result.follower;
  const Recording& recording = follower.recording();
  for (const Exec& exec : follower.execs()) {
    const Event& event = recording.events[exec.event];
    const ExecFacts& facts = recording.execs[event.facts];
    out += fmt::format("exec at {} us of {} by {}\n", event.end_ns / 1000, facts.program,
                       describe_task(recording, exec.task));
    for (const Inherited& item : exec.inherited) {
      out += fmt::format("  {:<4}{:<16}{}", item.number, why(item), item.link);
      if (item.window != nothing) {
        const Window& w = follower.windows()[item.window];
        out +=
            fmt::format("  <- {} by {}",
                        fmt::join(describe_site(recording, recording.events[w.create_event].site, symbols), ", from "),
                        describe_task(recording, w.creator));
      }
      out += "\n";
    }
  }
}

}  // namespace

std::string report_text(const Result& result, Symbols& symbols, bool has_execs) {
  std::string out;
  if (has_execs) tell_execs(out, result, symbols);
  std::map<std::string, unsigned> notes, suppressed;
  std::map<Certainty, unsigned> counts;
  for (const Described& d : result.findings) {
    if (!d.suppressed_by.empty()) {
      ++suppressed[d.suppressed_by];
      continue;
    }
    if (d.finding.certainty == Certainty::possible) continue;
    ++counts[d.finding.certainty];
    tell(out, d);
  }
  const Recording& recording = result.follower->recording();
  std::size_t inherited = 0;
  for (const Exec& exec : result.follower->execs()) inherited += exec.inherited.size();
  out += fmt::format("audit: {}, {}, {} inherited", count_of(recording.tasks.size(), "task"),
                     count_of(result.follower->execs().size(), "exec"), count_of(inherited, "descriptor"));
  for (const auto& [certainty, count] : counts) out += fmt::format("; {} {}", count, name(certainty));
  for (const auto& [by, count] : suppressed) out += fmt::format("; {} suppressed by {}", count, by);
  if (result.confirm_runs != 0) out += fmt::format("; {} to confirm", count_of(result.confirm_runs, "run"));
  if (counts.count(Certainty::predicted) != 0 && result.confirm_runs == 0) out += "; --confirm tries what is predicted";
  return out + "\n";
}

}  // namespace spawncheck::audit
