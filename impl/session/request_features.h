// SPDX-License-Identifier: MIT
//
// What a request may have that some implementation has no word for, as a table: how it is seen, and how a scenario is
// changed so that the request has it no more. What an implementation insists on is here as its absence: "not all of 0
// to 2" is what a library that always redirects the three has no word for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "model/scenario/random.h"
#include "model/scenario/scenario.h"

namespace spawncheck {

// The scenario that a request stands in: what its caller has, and what becomes of it.
struct Request {
  Scenario& scenario;
  sc_request& request;
};

struct RequestFeature {
  std::string_view word;
  bool (*has)(const Scenario&, const sc_request&);
  void (*drop)(Request, Random&);
};

// The first policy_features of them are the policies, in their order. A policy is dropped by nothing: another one is
// chosen instead.
std::span<const RequestFeature> request_features();
inline constexpr std::size_t policy_features = 3;
inline constexpr std::size_t request_features_max = 32;  // a shape has a bit for each

// Which of them it has: bit i for row i.
std::uint32_t shape_of(const Scenario&, const sc_request&);

// Row i is dropped, i >= policy_features; what does not count any more becomes zero.
void drop_feature(std::size_t i, Request, Random&);

}  // namespace spawncheck
