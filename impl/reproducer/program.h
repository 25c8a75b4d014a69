// SPDX-License-Identifier: MIT
//
// A stand-alone C program that shows what a scenario shows: plain calls, nothing of spawncheck, compiled by
// `cc -o x x.c -pthread`. It makes the world, runs the threads in the order of a recorded run, looks at the children
// from outside and says what was observed against what is owed. Exit status: 0 holds, 1 violated, 3 it could not tell.
#pragma once

#include <string>

#include "impl/reproducer/recorded.h"

namespace spawncheck {

struct ProgramOptions {
  unsigned orders_max = 64;   // of a scenario with several threads and no schedule
  bool writes_calls = false;  // write the recorded system calls even if the program could call the implementation
  std::string name = "x";     // in the header's command
};

struct Program {
  std::string text;     // empty: refused
  std::string refused;  // why no program can show the same
  Recorded recorded;
};

Program program_of(Session&, const Scenario&, const ProgramOptions& = {});

}  // namespace spawncheck
