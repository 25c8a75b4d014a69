// SPDX-License-Identifier: MIT
//
// Is there an order of the operations, consistent with real time, that the model allows and that explains
// every result and every child? (Herlihy and Wing 1990; the search with memory of dead ends is Lowe's,
// 2017, on Wing and Gong's.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/explore/window.h"
#include "model/kernel/call.h"

namespace spawncheck::explore {

struct LinearizeOptions {
  Clauses enforced;               // evidence for the other clauses is ignored
  bool reference_errors = false;  // err.exact holds as the reference promises it
  bool resource_errors = true;    // such errors are accepted when few numbers are free
  std::uint32_t habits = 0;       // of the implementation: model/contract/habits.h
  bool steps = false;             // operations may interleave at the kernel's own steps
  std::uint64_t work_max = 200'000;
  bool explain = false;  // fill in observed, allowed and rule
  // Explain with the evidence of this clause if some order is refused for it, else with that of any clause.
  std::optional<Clause> explained_by;
  model::Kernel kernel{};  // the kernel that made the history
};

enum class Explained : std::uint8_t { yes, no, unknown };

struct Linearization {
  Explained explained = Explained::unknown;
  std::uint64_t work = 0;               // states visited
  std::string observed, allowed, rule;  // of the order that got furthest; with LinearizeOptions::explain
};

// Searches first with whole operations, which explains nearly all histories at once, then with steps.
Linearization linearize(const Scenario&, const sc_history&, const LinearizeOptions&);

}  // namespace spawncheck::explore
