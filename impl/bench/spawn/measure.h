// SPDX-License-Identifier: MIT
//
// Measures the peers in turn, so that all run under the same load: the ratio of two peers comes from the same period.
#pragma once

#include <string>
#include <vector>

#include "peers.h"

namespace bench {

struct Effort {
  double seconds_per_peer_max;  // at one point; a peer that costs more takes part in fewer rounds
  unsigned rounds_max;          // one turn per peer
};

struct Figure {
  double median_us = 0, p99_us = 0;  // with threads: of a round's time between two ends, over all threads
  unsigned samples = 0;
};

// Percentiles by nearest rank. The list must not be empty.
Figure figure_of(std::vector<double> values_us);

// One list per peer, in their order; empty: not available.
using Samples = std::vector<std::vector<double>>;

// Adds to the samples of each peer, so that a point can be measured in several passes. Returns false if a peer did not
// run the program; `error` says which. The order within a round is drawn anew each time, and each turn begins with
// spawns that do not count: no peer pays for the after-effects of the previous one.
bool measure_latency(const std::vector<const bench_peer*>& peers, const bench_job& job, const Effort& effort,
                     Samples* samples, std::string* error);

// The same with `threads` threads that start at once and spawn equally often; a round of one peer is one sample.
bool measure_threads(const std::vector<const bench_peer*>& peers, const bench_job& job, unsigned threads,
                     const Effort& effort, Samples* samples, std::string* error);

}  // namespace bench
