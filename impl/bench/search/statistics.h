// SPDX-License-Identifier: MIT
//
// How long until it happens, where some trials end before it has: those are censored, and never counted as if it had
// happened then.
#pragma once

#include <optional>
#include <vector>

namespace spawncheck {

struct Trial {
  double time = 0;  // until it happened, or as long as it was waited for
  bool has_happened = false;
};

// The estimate by Kaplan and Meier (1958) of the share that has not happened yet: where it falls, and to what.
struct Fall {
  double time, left;
};
std::vector<Fall> kaplan_meier(const std::vector<Trial>&);

// Where the estimate falls to a half or below. Nothing: it never does.
std::optional<double> median_of(const std::vector<Trial>&);

// The log-rank test (Mantel 1966): observed less expected events of the first group, and its variance. Those of several
// strata add up.
struct LogRank {
  double less = 0, variance = 0;
  double p() const;  // two-sided: how likely a difference of this size is where there is none
  LogRank& operator+=(const LogRank& other) {
    less += other.less;
    variance += other.variance;
    return *this;
  }
};
LogRank log_rank(const std::vector<Trial>& first, const std::vector<Trial>& second);

// Of several tests made at once: each p as it counts then (Holm 1979), in the same order.
std::vector<double> holm(const std::vector<double>& ps);

// The geometric mean of the times; censored ones count as they are, so that it is too small where there are some.
double geometric_mean(const std::vector<Trial>&);

}  // namespace spawncheck
