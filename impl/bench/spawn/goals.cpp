// SPDX-License-Identifier: MIT
//
// The ratios that the reference must reach, from the medians of one run.
#include <fmt/core.h>

#include <functional>
#include <optional>

#include "report.h"

namespace bench {

namespace {

struct Ratio {
  double value;
  std::string of;  // the strategy
};

class Ratios {
 public:
  Ratios(const Entries& entries, const std::vector<std::string>& peers) : entries_(entries) {
    for (const std::string& peer : peers)
      if (peer.starts_with("reference/")) strategies_.push_back(peer);
  }
  const std::vector<std::string>& strategies() const { return strategies_; }

  // The ratio of the fastest strategy at a point to a peer there.
  std::optional<Ratio> best_against(const std::string& point, const std::string& peer) const {
    std::optional<Ratio> best;
    for (const std::string& strategy : strategies_) {
      const auto ratio = between(point + strategy, point + peer);
      if (ratio && (!best || *ratio < best->value)) best = Ratio{*ratio, strategy};
    }
    return best;
  }
  std::optional<Ratio> growth(const std::string& strategy, const std::string& from, const std::string& to) const {
    const auto ratio = between(to + strategy, from + strategy);
    return ratio ? std::optional(Ratio{*ratio, strategy}) : std::nullopt;
  }

 private:
  std::optional<double> between(const std::string& over, const std::string& under) const {
    const auto a = entries_.find(over), b = entries_.find(under);
    if (a == entries_.end() || b == entries_.end()) return std::nullopt;
    return a->second.median_us / b->second.median_us;
  }

  const Entries& entries_;
  std::vector<std::string> strategies_;
};

void print(const std::string& what, const std::optional<Ratio>& ratio, double goal) {
  if (!ratio) return;
  fmt::print("{:<66}{:>6.2f}{:>8.2f}  {:<8} {}\n", what, goal, ratio->value, ratio->value <= goal ? "met" : "not met",
             ratio->of);
}

// Throughput is the reciprocal of the time between the ends of two spawns.
void print_throughput(const std::string& what, std::optional<Ratio> times, double goal) {
  if (!times) return;
  const double value = 1 / times->value;
  fmt::print("{:<66}{:>6.2f}{:>8.2f}  {:<8} {}\n", what, goal, value, value >= goal ? "met" : "not met", times->of);
}

}  // namespace

void print_goals(const Entries& entries, const std::vector<std::string>& peers) {
  const Ratios ratios(entries, peers);
  fmt::print("\n{:<66}{:>6}{:>8}\n", "ratios of medians", "goal", "is");
  print("empty table, nothing kept, against bare: at most", ratios.best_against("kept/0/", "bare"), 1.10);
  print("empty table, nothing kept, against posix_spawn: at most", ratios.best_against("kept/0/", "posix_spawn"), 0.80);
  print("15000 open, three kept, against posix_spawn/closefrom: at most",
        ratios.best_against("descriptors/15000/", "posix_spawn/closefrom"), 0.10);
  // Only these two strategies promise not to copy the table.
  for (const char* strategy : {"reference/staged", "reference/fetched"})
    print("0 to 15000 open, three kept: at most", ratios.growth(strategy, "descriptors/0/", "descriptors/15000/"),
          1.15);
  for (const std::string& strategy : ratios.strategies())
    print("0 to 4 GiB resident, nothing kept: at most", ratios.growth(strategy, "memory/0/", "memory/4096/"), 1.10);
  print_throughput("sixteen threads, three kept, throughput of posix_spawn: at least",
                   ratios.best_against("threads/16/", "posix_spawn"), 1.0);
}

}  // namespace bench
