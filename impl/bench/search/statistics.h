// SPDX-License-Identifier: MIT
//
// Statistics of the time until an event. A trial that ends before the event is censored, and never counted as if the
// event had happened at its end.
#pragma once

#include <optional>
#include <vector>

namespace spawncheck {

struct Trial {
  double time = 0;  // until the event, or until the trial ended
  bool has_happened = false;
};

// A step of the Kaplan-Meier estimate (1958) of the share without the event: where it falls, and to what value.
struct Fall {
  double time, left;
};
std::vector<Fall> kaplan_meier(const std::vector<Trial>&);

// Returns the time at which the estimate falls to one half or below; nothing if it never does.
std::optional<double> median_of(const std::vector<Trial>&);

// The log-rank test (Mantel 1966): observed minus expected events of the first group, and the variance. Results of
// several strata are added.
struct LogRank {
  double less = 0, variance = 0;
  double p() const;  // two-sided: the probability of such a difference between equal groups
  LogRank& operator+=(const LogRank& other) {
    less += other.less;
    variance += other.variance;
    return *this;
  }
};
LogRank log_rank(const std::vector<Trial>& first, const std::vector<Trial>& second);

// Returns the p values of several simultaneous tests after Holm's correction (1979), in the same order.
std::vector<double> holm(const std::vector<double>& ps);

// The geometric mean of the times. Censored times count as they are, so with censored trials the mean is too small.
double geometric_mean(const std::vector<Trial>&);

}  // namespace spawncheck
