// SPDX-License-Identifier: MIT
//
// The peers in turn, so that all of them meet the same machine: a ratio of two of them comes from one stretch of time.
#pragma once

#include <string>
#include <vector>

#include "peers.h"

namespace bench {

struct Effort {
  double seconds_per_peer_max;  // of one point; what costs more than its share takes part in fewer rounds
  unsigned rounds_max;          // a turn of each
};

struct Figure {
  double median_us = 0, p99_us = 0;  // of threads: of the time between two ends, over all threads, of a round
  unsigned samples = 0;
};

// Nearest rank. Not empty.
Figure figure_of(std::vector<double> values_us);

// By peer, in their order; no samples: not available.
using Samples = std::vector<std::vector<double>>;

// Adds to the samples of each peer, so that a point can be measured in several passes. False: a peer did not run the
// program, `error` says which. The order within a round is drawn anew each time, and each turn begins with spawns that
// do not count: nobody pays for what the one before left behind.
bool measure_latency(const std::vector<const bench_peer*>& peers, const bench_job& job, const Effort& effort,
                     Samples* samples, std::string* error);

// The same, `threads` of them start at once and spawn the same number each; a round of one peer is one sample.
bool measure_threads(const std::vector<const bench_peer*>& peers, const bench_job& job, unsigned threads,
                     const Effort& effort, Samples* samples, std::string* error);

}  // namespace bench
