// SPDX-License-Identifier: MIT
//
// A timeline in one file, without scripts: lanes are tasks, time goes down. A row is an event, not a microsecond: the
// events that matter are microseconds apart in a run of seconds.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "impl/audit/report.h"

namespace spawncheck::audit {

namespace {

constexpr std::size_t rows_max = 4000, lanes_max = 60;
constexpr int row_height = 16, lane_width = 150, left = 90, top = 48;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) < ' ')
      out += '?';
    else
      out += c;
  }
  return out;
}

std::string event_text(const Recording& recording, const Event& e) {
  const auto text = [&] { return e.text == nothing ? std::string() : " " + recording.texts[e.text]; };
  const char* flag = e.cloexec ? " close-on-exec" : "";
  switch (e.kind) {
    case EventKind::clone:
      return "clone -> " + describe_task(recording, e.child);
    case EventKind::exec:
      return "exec " + recording.execs[e.facts].program;
    case EventKind::exec_failed:
      return fmt::format("exec failed: {}{}", e.number, text());
    case EventKind::exit:
      return "ends";
    case EventKind::create:
      return fmt::format("{} = {}{}{}", e.number, name(e.what), text(), flag);
    case EventKind::duplicate:
      return fmt::format("{} = dup {}{}", e.number, e.from, flag);
    case EventKind::flag:
      return fmt::format("{} {}", e.number, e.cloexec ? "gets close-on-exec" : "loses close-on-exec");
    case EventKind::close:
      return fmt::format("close {}", e.number);
    case EventKind::close_range:
      return fmt::format("close_range {} {}", e.number, e.last);
    case EventKind::unshare:
      return "unshare";
    case EventKind::list:
      return "lists its descriptors";
    case EventKind::release:
      return "lets others go on";
    case EventKind::acquire:
      return "waited";
    case EventKind::handler:
      return fmt::format("handler of signal {}", e.number);
  }
  return {};
}

class Timeline {
 public:
  explicit Timeline(const Result& result) : result_(result), recording_(result.follower->recording()) {}

  std::string html() {
    choose();
    std::string out =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>spawncheck audit</title><style>"
        "body{font:13px sans-serif;margin:1em}pre{white-space:pre-wrap}svg{font:11px sans-serif}"
        ".lane{stroke:#ccc}.window{stroke:#c60;stroke-width:5;opacity:.6}.clone{stroke:#06c;fill:none}"
        ".bad{stroke:#c00;stroke-width:2;fill:none}.time{fill:#777}.found{color:#c00}</style></head><body>\n";
    out += "<h1>spawncheck audit</h1>\n<p><code>" + escaped(fmt::format("{}", fmt::join(result_.command, " "))) +
           "</code></p>\n";
    out += findings();
    if (rows_.size() < wanted_) out += fmt::format("<p>{} of {} events are drawn.</p>\n", rows_.size(), wanted_);
    out +=
        "<p>A bar: a descriptor lacks close-on-exec. Blue: a clone. Red: a copy that an exec kept, and nobody asked "
        "for.</p>\n";
    return out + svg() + "</body></html>\n";
  }

 private:
  // Chooses lanes and rows up to the bounds: first the tasks that findings name, their events and every clone and exec,
  // then the rest.
  void choose() {
    std::set<TaskId> named;
    for (const Described& d : result_.findings)
      for (const TaskId task : {d.finding.creator, d.finding.cloner, d.finding.child})
        if (task >= 0) named.insert(task);
    const auto lane = [&](TaskId task) {
      if (task < 0 || lanes_.count(task) != 0 || lanes_.size() >= lanes_max) return;
      lanes_.emplace(task, 0);
    };
    lane(0);
    for (const TaskId task : named) lane(task);
    for (std::size_t t = 0; t < recording_.tasks.size(); ++t) lane(static_cast<TaskId>(t));
    int at = 0;
    for (auto& [task, x] : lanes_) x = left + lane_width * at++;
    std::vector<std::uint32_t> grave, rest;
    for (std::uint32_t e = 0; e < recording_.events.size(); ++e) {
      const Event& event = recording_.events[e];
      if (lanes_.count(event.task) == 0 || event.kind == EventKind::release || event.kind == EventKind::acquire)
        continue;
      const bool is_grave =
          named.count(event.task) != 0 || event.kind == EventKind::clone || event.kind == EventKind::exec;
      (is_grave ? grave : rest).push_back(e);
    }
    wanted_ = grave.size() + rest.size();
    grave.insert(grave.end(), rest.begin(), rest.end());
    if (grave.size() > rows_max) grave.resize(rows_max);
    std::sort(grave.begin(), grave.end());
    int y = top;
    for (const std::uint32_t e : grave) rows_.emplace(e, y += row_height);
  }

  std::string findings() const {
    std::string out = "<ul>\n";
    for (const Described& d : result_.findings) {
      const Finding& f = d.finding;
      if (f.certainty == Certainty::possible || !d.suppressed_by.empty()) continue;
      const bool is_fact = f.certainty == Certainty::confirmed || f.certainty == Certainty::observed;
      out += fmt::format("<li{}><b>{} {}</b> {} {} {} {}</li>\n", is_fact ? " class=\"found\"" : "", name(f.certainty),
                         name(f.rule), escaped(d.descriptor), escaped(d.window), escaped(f.program), escaped(f.text));
    }
    return out + "</ul>\n";
  }

  std::string svg() const {
    const int width = left + lane_width * static_cast<int>(lanes_.size()) + 200;
    const int height = top + row_height * (static_cast<int>(rows_.size()) + 2);
    std::string out =
        fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\">\n", width, height);
    for (const auto& [task, x] : lanes_) {
      out += fmt::format("<text x=\"{}\" y=\"20\">{}</text>", x, escaped(describe_task(recording_, task)));
      out += fmt::format("<line class=\"lane\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"/>\n", x, top, height);
    }
    for (const Window& w : result_.follower->windows()) {
      const auto lane = lanes_.find(w.creator);
      const auto row = rows_.find(w.create_event);
      if (lane == lanes_.end() || row == rows_.end() || !w.is_shared) continue;
      const int end = w.end == Window::End::open ? height : y_at(w.end_ns);
      out += fmt::format(
          "<line class=\"window\" x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\"><title>{3} lacks "
          "close-on-exec</title></line>\n",
          lane->second, row->second, std::max(end, row->second + 4), w.number);
    }
    std::uint64_t last = ~0ull;
    for (const auto& [e, y] : rows_) {
      const Event& event = recording_.events[e];
      const int x = lanes_.at(event.task);
      if (event.end_ns / 1000 != last)
        out += fmt::format("<text class=\"time\" x=\"0\" y=\"{}\">{} us</text>", y + 4, event.end_ns / 1000);
      last = event.end_ns / 1000;
      out += fmt::format("<circle cx=\"{0}\" cy=\"{1}\" r=\"3\"/><text x=\"{2}\" y=\"{3}\">{4}</text>\n", x, y, x + 6,
                         y + 4, escaped(event_text(recording_, event)));
      if (event.kind != EventKind::clone) continue;
      const auto child = lanes_.find(event.child);
      if (child != lanes_.end())
        out += fmt::format("<path class=\"{}\" d=\"M{} {} L{} {}\"/>\n", is_found(event.child) ? "bad" : "clone", x, y,
                           child->second, y + row_height);
    }
    return out + "</svg>\n";
  }

  int y_at(std::uint64_t ns) const {
    int y = top;
    for (const auto& [e, at] : rows_)
      if (recording_.events[e].end_ns <= ns)
        y = at;
      else
        break;
    return y;
  }

  bool is_found(TaskId child) const {
    return std::any_of(result_.findings.begin(), result_.findings.end(), [&](const Described& d) {
      return d.finding.child == child && d.finding.certainty <= Certainty::observed && d.suppressed_by.empty();
    });
  }

  const Result& result_;
  const Recording& recording_;
  std::map<TaskId, int> lanes_;        // x
  std::map<std::uint32_t, int> rows_;  // y, by event
  std::size_t wanted_ = 0;
};

}  // namespace

std::string report_html(const Result& result) { return Timeline(result).html(); }

}  // namespace spawncheck::audit
