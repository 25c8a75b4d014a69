// SPDX-License-Identifier: MIT
//
// Which requests an implementation takes, learned from those that it declined (SPAWNCHECK_DECLINED).
//
// A request is described by its features (request_features.h): what its keep-list looks like, what it sets, what its
// caller has open. A library mostly declines a request for one feature, whatever else it asks for; which features these
// are depends on the policy. So this class counts for each policy the features that no taken request had, and leaves
// them out of later requests. Until a request of the policy has been taken, it leaves out features by chance.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "impl/session/request_features.h"
#include "model/scenario/history.h"
#include "model/scenario/random.h"
#include "model/scenario/scenario.h"

namespace spawncheck {

struct TakenCount {
  std::uint64_t asked = 0, taken = 0;
  void add(bool is_taken) {
    ++asked;
    taken += is_taken;
  }
};

class Taken {
 public:
  // policies: of the implementation.
  explicit Taken(std::uint32_t policies) : policies_(policies) {}

  // Counts each spawn of a run that has returned.
  void note(const Scenario&, const sc_history&);

  // Changes the requests of a scenario, and if necessary what the caller has open, so that they are likely to be taken.
  // One request in eight stays as it is, and some of the others keep one feature that was always declined, so that
  // nothing is learned wrongly for good. A changed policy is one of `policies`. Changes nothing until a request was
  // declined.
  void adapt(Scenario&, Random&, std::uint32_t policies = ~0u) const;

  const TakenCount& all() const { return all_; }
  bool has_declined() const { return all_.taken < all_.asked; }
  // "requests taken: 61 % (policy only 0 %, keep more than 3 80 %)", with each feature that a declined request had.
  std::string text() const;
  nlohmann::json to_json() const;

 private:
  struct OfPolicy {
    TakenCount all;
    std::array<TakenCount, request_features_max> by_feature;  // of the requests that had it
    // Declined requests whose only never-taken feature was this one.
    std::array<std::uint64_t, request_features_max> alone{};
    std::map<std::uint32_t, TakenCount> by_shape;
  };

  TakenCount of_feature(std::size_t i) const;  // the sum over all policies
  std::uint32_t never_taken(const OfPolicy&, std::uint32_t shape) const;
  void adapt_request(Request, std::uint32_t policies, Random&) const;
  void leave_out_by_chance(Request, Random&) const;
  void leave_out_never_taken(Request, const OfPolicy&, Random&) const;
  void leave_out_worst(Request, const OfPolicy&, Random&) const;

  std::uint32_t policies_;
  TakenCount all_;
  std::array<OfPolicy, policy_features> of_policy_;
};

}  // namespace spawncheck
