// SPDX-License-Identifier: MIT
#include "report.h"

#include <fmt/core.h>

#include <cstdio>
#include <fstream>

#include "panels.h"

namespace bench {

namespace {

constexpr double samples_of_a_p99_min = 100;
constexpr double second_us = 1e6;

bool is_threads(const Panel& panel) { return panel.varied == &Point::threads; }

const Entry* find(const Entries& entries, const Panel& panel, unsigned value, const std::string& peer) {
  const auto found = entries.find(fmt::format("{}/{}/{}", panel.name, value, peer));
  return found == entries.end() ? nullptr : &found->second;
}

std::string cell(const Panel& panel, const Entry& e) {
  if (is_threads(panel)) return fmt::format("{:.0f}", second_us / e.median_us);
  const char* mark = e.samples < samples_of_a_p99_min ? "<" : " ";
  return fmt::format("{:.0f} {}{:.0f}", e.median_us, mark, e.p99_us);
}

bool has_any(const Entries& entries, const Panel& panel) {
  const auto next = entries.lower_bound(fmt::format("{}/", panel.name));
  return next != entries.end() && next->first.starts_with(fmt::format("{}/", panel.name));
}

void print_panel(const Entries& entries, const Panel& panel, const std::vector<std::string>& peers) {
  fmt::print("\n{}; {}: {}\n{:<24}", panel.quantity, panel.fixed, is_threads(panel) ? "spawns/s" : "median and p99, us",
             "");
  for (const unsigned value : panel.values) fmt::print("{:>16}", value);
  fmt::print("\n");
  for (const std::string& peer : peers) {
    fmt::print("{:<24}", peer);
    for (const unsigned value : panel.values) {
      const Entry* e = find(entries, panel, value, peer);
      fmt::print("{:>16}", e == nullptr ? "-" : cell(panel, *e));
    }
    fmt::print("\n");
  }
}

// One line per value, one column per peer, "?" for a missing figure.
void write_data(const Entries& entries, const Panel& panel, const std::vector<std::string>& peers,
                const std::string& directory) {
  std::ofstream file(fmt::format("{}/{}.dat", directory, panel.name));
  file << "x";
  for (const std::string& peer : peers) file << " \"" << peer << '"';
  for (const unsigned value : panel.values) {
    file << '\n' << value;
    for (const std::string& peer : peers) {
      const Entry* e = find(entries, panel, value, peer);
      file << ' '
           << (e == nullptr ? "?" : fmt::format("{:.2f}", is_threads(panel) ? second_us / e->median_us : e->median_us));
    }
  }
  file << '\n';
}

}  // namespace

void Report::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (run.error_occurred) {
      if (run.error_message == not_available) continue;
      fmt::print(stderr, "{}: {}\n", run.run_name.function_name, run.error_message);
      failed_ = true;
      continue;
    }
    entries_[run.run_name.function_name] = {run.GetAdjustedRealTime(), run.counters.at("p99_us"),
                                            run.counters.at("samples")};
  }
}

void Report::Finalize() {
  for (const Panel& panel : panels()) {
    if (has_any(entries_, panel)) print_panel(entries_, panel, peers_);
    if (!directory_.empty()) write_data(entries_, panel, peers_, directory_);
  }
  fmt::print("\n<: fewer than {:.0f} samples, so the largest\n", samples_of_a_p99_min);
  print_goals(entries_, peers_);
  std::fflush(stdout);
}

}  // namespace bench
