// SPDX-License-Identifier: MIT
//
// What the model says is owed in the order of a recorded run: the result of each operation, and the caller's table at
// each instant of each spawn and at the end.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "impl/reproducer/recorded.h"

namespace spawncheck {

struct OwedEntry {
  bool cloexec = false;
  std::string file;  // as tail.c names it
  bool operator==(const OwedEntry&) const = default;
};
using OwedTable = std::map<int, OwedEntry>;

struct OwedSpawn {
  std::vector<OwedTable>
      instants;           // the child's table if all of it were taken at one instant; no two in a row are equal
  std::vector<int> kept;  // targets
  std::set<int> errors;   // it may fail with these; -1: with any
  bool may_succeed = true;
  std::uint64_t mask = 0, ignored_always = 0, ignored_maybe = 0;
};

struct Owed {
  std::optional<long> result[SC_THREADS_MAX][SC_OPS_MAX][2];  // value or -errno; nullopt: nothing is owed
  std::map<std::pair<unsigned, unsigned>, OwedSpawn> spawns;  // by thread and operation
  OwedTable final_table;
  std::string why_unknown;  // not empty: the model cannot say
};

Owed owed_of(const Recorded&, const Session&);

}  // namespace spawncheck
