// SPDX-License-Identifier: MIT
//
// What is varied. A panel is one picture and one table: a quantity, its values, and what is fixed.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

struct Point {
  unsigned descriptors, memory_mib, kept, threads;
};

struct Panel {
  const char* name;      // also of its data file
  const char* quantity;  // with its unit
  const char* fixed;
  unsigned Point::*varied;
  Point base;
  std::vector<unsigned> values;
};

inline const std::vector<Panel>& panels() {
  static const std::vector<Panel> all = {
      {"descriptors", "open descriptors", "three kept", &Point::descriptors, {0, 0, 3, 1}, {0, 100, 1000, 5000, 15000}},
      {"memory",
       "resident memory, MiB",
       "nothing kept, no more open",
       &Point::memory_mib,
       {0, 0, 0, 1},
       {0, 256, 1024, 4096}},
      {"kept", "kept descriptors", "no more open", &Point::kept, {0, 0, 0, 1}, {0, 1, 3, 16, 64}},
      {"threads", "threads that spawn", "three kept, no more open", &Point::threads, {0, 0, 3, 1}, {1, 2, 4, 8, 16}},
  };
  return all;
}

}  // namespace bench
