// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "peer.h"

namespace bench {

// Every peer of this build, in the order in which tables name them.
std::vector<const bench_peer*> all_peers();

// Libraries that were not there when this was built, one line each.
std::vector<std::string> peers_not_built();

// A peer made ready for a job, which must outlive it. Null when the peer is not available.
using Prepared = std::unique_ptr<void, void (*)(void*)>;
inline Prepared prepare(const bench_peer& peer, const bench_job& job) { return {peer.prepare(&job), peer.release}; }

// What the program that is started must answer (impl/children: spawncheck-exit).
constexpr int status_expected = 7 << 8;

}  // namespace bench
