// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "peer.h"

namespace bench {

// Every peer of this build, in the order in which tables name them.
std::vector<const bench_peer*> all_peers();

// Libraries that were missing at build time, one line each.
std::vector<std::string> peers_not_built();

// A peer prepared for a job, which must outlive it. Null if the peer is not available.
using Prepared = std::unique_ptr<void, void (*)(void*)>;
inline Prepared prepare(const bench_peer& peer, const bench_job& job) { return {peer.prepare(&job), peer.release}; }

// The wait status that the started program must have (impl/children: spawncheck-exit).
constexpr int status_expected = 7 << 8;

}  // namespace bench
