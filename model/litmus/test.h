// SPDX-License-Identifier: MIT
//
// A scenario as a litmus test: whether it can be one, and what is looked at.
#pragma once

#include <optional>
#include <string>

#include "model/litmus/outcome.h"
#include "model/scenario/scenario.h"

namespace spawncheck::litmus {

struct Test {
  std::string name;   // world: operations of thread 0 | of thread 1, ...
  std::string shape;  // pair, chain, triple, or file
  Scenario scenario;
  sc_litmus_test data{};  // of the scenario; allowed() sets the numbers and SC_LITMUS_FRESH
};

// Returns nullopt if the scenario cannot be a test; `why` gets the reason: a spawn, too many threads or operations,
// or a number that the arena itself needs.
std::optional<Test> make_test(const Scenario&, const std::string& name, const std::string& shape, std::string& why);

// Outcomes are equal when they are equal byte by byte.
struct OutcomeHash {
  std::size_t operator()(const sc_litmus_outcome&) const;
};
struct OutcomeEqual {
  bool operator()(const sc_litmus_outcome&, const sc_litmus_outcome&) const;
};

// On one line: the results by thread, the table, then what differs from the test's start.
std::string describe(const Test&, const sc_litmus_outcome&);

}  // namespace spawncheck::litmus
