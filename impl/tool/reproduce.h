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
  unsigned orders = 64;      // of a scenario with several threads and no schedule: so many are tried
  bool calls = false;        // the recorded system calls also where the implementation itself can be called
};

// Returns 0 if it was written, 2 for bad usage, 4, with the reason, if no program can show the same.
int reproduce(const ReproduceOptions&);

}  // namespace spawncheck::tool
