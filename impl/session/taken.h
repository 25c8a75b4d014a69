// SPDX-License-Identifier: MIT
//
// Which requests an implementation takes, learned from those that it declined (SPAWNCHECK_DECLINED).
//
// A request is described by its features: the policy, what its keep-list looks like, what it sets. Those features
// together are its shape. What was declined before is made rarer: a request of a shape that was never taken loses
// features until it has one that was.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "model/scenario/history.h"
#include "model/scenario/random.h"
#include "model/scenario/scenario.h"

namespace spawncheck {

struct TakenCount {
  std::uint64_t asked = 0, taken = 0;
};

class Taken {
 public:
  // policies: of the implementation; what a request asks for instead of a policy that is declined.
  explicit Taken(std::uint32_t policies);

  // Of one run: each spawn that has returned counts.
  void note(const Scenario&, const sc_history&);

  // Changes the requests of a scenario into some that are likely to be taken; one out of eight stays as it is, so that
  // what is never asked for again cannot be learned wrongly. Without a declined request nothing changes.
  void adapt(Scenario&, Random&) const;

  const TakenCount& all() const { return all_; }
  bool has_declined() const { return all_.taken < all_.asked; }
  // "requests taken: 61 % (policy only 0 %, keep-many 80 %)": of each feature that a declined request had.
  std::string text() const;
  nlohmann::json to_json() const;

 private:
  bool is_likely_declined(std::uint32_t shape) const;
  void drop_worst(sc_request&, std::uint32_t shape, Random&) const;

  std::uint32_t policies_;
  TakenCount all_;
  std::vector<TakenCount> by_feature_;
  std::map<std::uint32_t, TakenCount> by_shape_;
};

}  // namespace spawncheck
