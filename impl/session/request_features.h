// SPDX-License-Identifier: MIT
//
// A table of features of requests that some implementation cannot express: how to see a feature, and how to change the
// scenario so that the request no longer has it. What an implementation insists on is a feature by its absence: a
// library that always redirects 0, 1 and 2 cannot express "not all of 0 to 2".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "model/scenario/random.h"
#include "model/scenario/scenario.h"

namespace spawncheck {

// A request and the scenario that contains it, which says what the caller has open.
struct Request {
  Scenario& scenario;
  sc_request& request;
};

struct RequestFeature {
  std::string_view word;
  bool (*has)(const Scenario&, const sc_request&);
  void (*drop)(Request, Random&);
};

// The first policy_features rows are the policies, in their order. Dropping a policy changes nothing: the caller must
// choose another one.
std::span<const RequestFeature> request_features();
inline constexpr std::size_t policy_features = 3;
inline constexpr std::size_t request_features_max = 32;  // a shape has a bit for each

// Returns the features that the request has: bit i for row i.
std::uint32_t shape_of(const Scenario&, const sc_request&);

// Drops the feature of row i, i >= policy_features. Sets fields that no longer count to zero.
void drop_feature(std::size_t i, Request, Random&);

}  // namespace spawncheck
