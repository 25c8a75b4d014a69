// SPDX-License-Identifier: MIT
//
// Which requests an implementation takes, learned from those that it declined (SPAWNCHECK_DECLINED).
//
// A request is described by its features (request_features.h): what its keep-list looks like, what it sets, what its
// caller has open. What a library has no word for is mostly one of them, whatever else is asked for, and depends on the
// policy. So of each policy the features are known that no request taken so far had, and requests are made without
// them. While nothing of a policy was taken, each is left out by chance, until something is.
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

  // Of one run: each spawn that has returned counts.
  void note(const Scenario&, const sc_history&);

  // Changes the requests of a scenario, and where it must what the caller has open, into some that are likely to be
  // taken; one out of eight stays as it is, and another may keep one thing that was always declined, so that nothing is
  // learned wrongly for good. Of these policies alone. Without a declined request nothing changes.
  void adapt(Scenario&, Random&, std::uint32_t policies = ~0u) const;

  const TakenCount& all() const { return all_; }
  bool has_declined() const { return all_.taken < all_.asked; }
  // "requests taken: 61 % (policy only 0 %, keep more than 3 80 %)": of each feature that a declined request had.
  std::string text() const;
  nlohmann::json to_json() const;

 private:
  struct OfPolicy {
    TakenCount all;
    std::array<TakenCount, request_features_max> by_feature;  // of the requests that had it
    // Requests with this one as the only feature that was never taken before: all were declined.
    std::array<std::uint64_t, request_features_max> alone{};
    std::map<std::uint32_t, TakenCount> by_shape;
  };

  TakenCount of_feature(std::size_t i) const;  // whatever the policy
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
