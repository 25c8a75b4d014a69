// SPDX-License-Identifier: MIT
//
// Replays a counterexample of the model on the kernel: its path becomes a schedule of whole calls, which a scheduled
// run of the same plan obeys.
#pragma once

#include <string>
#include <vector>

#include "impl/session/session.h"
#include "model/explore/explorer.h"

namespace spawncheck {

struct Reproduction {
  bool is_reproduced = false;
  unsigned times = 0, runs = 0;          // it was seen `times` times in `runs` runs with that schedule
  std::vector<Turn> schedule;            // the path's turns; after them each task runs on
  std::string implementation, strategy;  // what ran: the reference, or a way's shared object
  std::string text;                      // what was seen, or why the kernel cannot show it, as a sentence
};

// `way` as for planner_named(). Only for a violation.
Reproduction reproduce(const Scenario&, const std::string& way, const model::Kernel&, const explore::Exploration&);

}  // namespace spawncheck
