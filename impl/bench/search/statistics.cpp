// SPDX-License-Identifier: MIT
#include "impl/bench/search/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace spawncheck {

namespace {

double count(const std::vector<Trial>& trials, double time) {
  return static_cast<double>(
      std::count_if(trials.begin(), trials.end(), [&](const Trial& t) { return t.has_happened && t.time == time; }));
}
double at_risk(const std::vector<Trial>& trials, double time) {
  return static_cast<double>(
      std::count_if(trials.begin(), trials.end(), [&](const Trial& t) { return t.time >= time; }));
}

std::vector<double> times_of(const std::vector<Trial>& trials) {
  std::vector<double> times;
  for (const Trial& t : trials)
    if (t.has_happened) times.push_back(t.time);
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  return times;
}

}  // namespace

std::vector<Fall> kaplan_meier(const std::vector<Trial>& trials) {
  std::vector<Fall> falls;
  double left = 1;
  for (const double time : times_of(trials)) {
    left *= 1 - count(trials, time) / at_risk(trials, time);
    falls.push_back({time, left});
  }
  return falls;
}

std::optional<double> median_of(const std::vector<Trial>& trials) {
  for (const Fall& fall : kaplan_meier(trials))
    if (fall.left <= 0.5 + 1e-9) return fall.time;
  return std::nullopt;
}

// Chi-squared with one degree of freedom.
double LogRank::p() const { return variance <= 0 ? 1 : std::erfc(std::abs(less) / std::sqrt(2 * variance)); }

LogRank log_rank(const std::vector<Trial>& first, const std::vector<Trial>& second) {
  std::vector<Trial> both = first;
  both.insert(both.end(), second.begin(), second.end());
  LogRank sum;
  for (const double time : times_of(both)) {
    const double n = at_risk(both, time), of_first = at_risk(first, time), events = count(both, time);
    sum.less += count(first, time) - events * of_first / n;
    if (n > 1) sum.variance += events * (of_first / n) * (1 - of_first / n) * (n - events) / (n - 1);
  }
  return sum;
}

std::vector<double> holm(const std::vector<double>& ps) {
  std::vector<std::size_t> order(ps.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return ps[a] < ps[b]; });
  std::vector<double> corrected(ps.size());
  double least = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    least = std::max(least, std::min(1.0, ps[order[i]] * static_cast<double>(order.size() - i)));
    corrected[order[i]] = least;
  }
  return corrected;
}

double geometric_mean(const std::vector<Trial>& trials) {
  double sum = 0;
  for (const Trial& t : trials) sum += std::log(std::max(t.time, 1.0));
  return trials.empty() ? 0 : std::exp(sum / static_cast<double>(trials.size()));
}

}  // namespace spawncheck
