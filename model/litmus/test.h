// SPDX-License-Identifier: MIT
//
// A scenario as a litmus test: what is looked at, and whether it can be one.
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
  sc_litmus_test data{};  // of it; the numbers and SC_LITMUS_FRESH are set by allowed()
};

// Null: it cannot be one, and `why` says what is in the way: a spawn, too many threads or operations, a number among
// those that the arena needs for itself.
std::optional<Test> make_test(const Scenario&, const std::string& name, const std::string& shape, std::string& why);

// Outcomes are equal when they are equal byte by byte.
struct OutcomeHash {
  std::size_t operator()(const sc_litmus_outcome&) const;
};
struct OutcomeEqual {
  bool operator()(const sc_litmus_outcome&, const sc_litmus_outcome&) const;
};

// On one line: results by thread, the table, then what differs from what the test began with.
std::string describe(const Test&, const sc_litmus_outcome&);

}  // namespace spawncheck::litmus
