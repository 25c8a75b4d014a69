// SPDX-License-Identifier: MIT
#include "peers.h"

namespace bench {

std::vector<const bench_peer*> all_peers() {
  const bench_peer* const tables[] = {
      bench_peers_reference, bench_peers_system,
#ifdef BENCH_LIBUV
      bench_peers_libuv,
#endif
#ifdef BENCH_GLIB
      bench_peers_glib,
#endif
#ifdef BENCH_BOOST
      bench_peers_boost,
#endif
  };
  std::vector<const bench_peer*> peers;
  for (const bench_peer* table : tables)
    for (; table->name != nullptr; ++table) peers.push_back(table);
  return peers;
}

std::vector<std::string> peers_not_built() {
  std::vector<std::string> missing;
#ifndef BENCH_LIBUV
  missing.push_back("libuv: not built (libuv1-dev)");
#endif
#ifndef BENCH_GLIB
  missing.push_back("glib: not built (libglib2.0-dev)");
#endif
#ifndef BENCH_BOOST
  missing.push_back("boost: not built (libboost-dev, libboost-filesystem-dev)");
#endif
  return missing;
}

}  // namespace bench
