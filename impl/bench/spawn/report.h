// SPDX-License-Identifier: MIT
//
// Prints the figures and writes data for the picture: a table for each panel, and the ratios with their goals.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace bench {

struct Entry {
  double median_us = 0, p99_us = 0, samples = 0;
};

// The error text of a peer that is not available at one point; that is no failure.
inline constexpr char not_available[] = "not available at this point";

// By "panel/value/peer".
using Entries = std::map<std::string, Entry>;

// Collects what the benchmarks of this program report, and prints it at the end.
class Report : public benchmark::BenchmarkReporter {
 public:
  Report(std::vector<std::string> peers, std::string directory)
      : peers_(std::move(peers)), directory_(std::move(directory)) {}
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;
  bool failed() const { return failed_; }

 private:
  std::vector<std::string> peers_;
  std::string directory_;  // for the data of the picture; empty: none
  Entries entries_;
  bool failed_ = false;
};

// Prints the ratios for which this run has both figures, each with its goal and whether it is met.
void print_goals(const Entries& entries, const std::vector<std::string>& peers);

}  // namespace bench
