// SPDX-License-Identifier: MIT
//
// spawncheck reproduce: a stand-alone C program that shows what a scenario shows.
#pragma once

#include <string>

#include "impl/tool/tool.h"

namespace spawncheck::tool {

struct ReproduceOptions {
  Common common;
  std::string file, output;  // output: empty or "-": standard output
  unsigned orders = 64;      // tried for a violation if the scenario has several threads and no schedule
  bool calls = false;        // write the recorded system calls even if the program could call the implementation
};

// Returns 0 if the program was written; 2 for bad usage; 4 if no program can show the same, or no run is possible here;
// 5 if something is missing or the file cannot be written. Prints the reason.
int reproduce(const ReproduceOptions&);

}  // namespace spawncheck::tool
