// SPDX-License-Identifier: MIT
#include "impl/session/taken.h"

#include <fmt/format.h>

#include <bit>
#include <nlohmann/json.hpp>

#include "impl/peers/implementation.h"

namespace spawncheck {

namespace {

constexpr std::uint64_t asked_before_never = 8;    // a feature asked for so often and never taken is left out
constexpr std::uint64_t alone_before_never = 8;    // one declined so often as the only one of these is never kept
constexpr std::uint64_t asked_before_other = 128;  // a policy asked for so often and never taken is replaced
constexpr std::uint64_t shape_tries = 4;           // a shape asked for so often and mostly declined loses a feature
constexpr std::uint32_t unchanged_one_in = 8, one_is_left_one_in = 4;
constexpr unsigned passes_max = 4;  // leaving one feature out may bring in another

constexpr std::uint32_t bit(std::size_t i) { return 1u << i; }

double rate(const TakenCount& c) { return (static_cast<double>(c.taken) + 1) / (static_cast<double>(c.asked) + 2); }

unsigned percent(const TakenCount& c) { return c.asked == 0 ? 100 : static_cast<unsigned>(c.taken * 100 / c.asked); }

// Calls `with(i)` for each feature of the shape but the policies, beginning at one that is drawn.
template <typename With>
void for_each_feature(std::uint32_t shape, Random& random, With with) {
  const std::size_t count = request_features().size();
  const std::size_t from = random.below(static_cast<std::uint32_t>(count));
  for (std::size_t n = 0; n < count; ++n)
    if (const std::size_t i = (from + n) % count; i >= policy_features && (shape & bit(i)) != 0) with(i);
}

}  // namespace

std::uint32_t Taken::never_taken(const OfPolicy& p, std::uint32_t shape) const {
  std::uint32_t out = 0;
  for (std::size_t i = policy_features; i < request_features().size(); ++i)
    if ((shape & bit(i)) != 0 && p.by_feature[i].taken == 0 && p.by_feature[i].asked >= asked_before_never)
      out |= bit(i);
  return out;
}

void Taken::note(const Scenario& scenario, const sc_history& history) {
  for (std::size_t t = 0; t < scenario.threads.size(); ++t)
    for (std::size_t o = 0; o < scenario.threads[t].operations.size(); ++o) {
      const sc_operation& op = scenario.threads[t].operations[o];
      const sc_op_record& r = history.op[t][o];
      if (op.kind != SC_OP_SPAWN || r.end == 0 || op.request.policy >= policy_features) continue;
      const bool is_taken = r.error != SPAWNCHECK_DECLINED;
      const std::uint32_t shape = shape_of(scenario, op.request);
      OfPolicy& p = of_policy_[op.request.policy];
      const std::uint32_t never = never_taken(p, shape);
      if (!is_taken && std::has_single_bit(never)) ++p.alone[static_cast<std::size_t>(std::countr_zero(never))];
      all_.add(is_taken);
      p.all.add(is_taken);
      p.by_shape[shape].add(is_taken);
      for (std::size_t i = 0; i < request_features().size(); ++i)
        if ((shape & bit(i)) != 0) p.by_feature[i].add(is_taken);
    }
}

// No request of this policy was taken yet: leaves out each feature by chance, so that every combination is tried.
void Taken::leave_out_by_chance(Request at, Random& random) const {
  for (unsigned pass = 0; pass < 2; ++pass)
    for_each_feature(shape_of(at.scenario, at.request), random, [&](std::size_t i) {
      if (request_features()[i].has(at.scenario, at.request) && random.chance(1, 2)) drop_feature(i, at, random);
    });
}

void Taken::leave_out_never_taken(Request at, const OfPolicy& p, Random& random) const {
  std::uint32_t left = 0;  // sometimes keeps one feature that is not yet certain to be declined
  if (random.chance(1, one_is_left_one_in))
    for_each_feature(never_taken(p, shape_of(at.scenario, at.request)), random, [&](std::size_t i) {
      if (left == 0 && p.alone[i] < alone_before_never) left = bit(i);
    });
  for (unsigned pass = 0; pass < passes_max; ++pass) {
    const std::uint32_t never = never_taken(p, shape_of(at.scenario, at.request)) & ~left;
    if (never == 0) return;
    for_each_feature(never, random, [&](std::size_t i) {
      if (request_features()[i].has(at.scenario, at.request)) drop_feature(i, at, random);
    });
  }
}

void Taken::leave_out_worst(Request at, const OfPolicy& p, Random& random) const {
  for (std::size_t turn = 0; turn < passes_max; ++turn) {
    const std::uint32_t shape = shape_of(at.scenario, at.request);
    const auto known = p.by_shape.find(shape);
    if (known == p.by_shape.end() || known->second.asked < shape_tries ||
        known->second.taken * 2 >= known->second.asked)
      return;
    std::size_t worst = 0;
    for_each_feature(shape, random, [&](std::size_t i) {
      if (worst == 0 || rate(p.by_feature[i]) < rate(p.by_feature[worst])) worst = i;
    });
    if (worst == 0) return;
    drop_feature(worst, at, random);
  }
}

void Taken::adapt_request(Request at, std::uint32_t policies, Random& random) const {
  sc_request& r = at.request;
  const auto is_hopeless = [&](std::size_t p) {
    return of_policy_[p].all.taken == 0 && of_policy_[p].all.asked >= asked_before_other;
  };
  if (is_hopeless(r.policy))
    for (std::size_t p = 0; p < policy_features; ++p)
      if ((policies & policies_ & bit(p)) != 0 && of_policy_[p].all.taken != 0 &&
          (is_hopeless(r.policy) || random.chance(1, 2)))
        r.policy = static_cast<std::uint8_t>(p);
  const OfPolicy& p = of_policy_[r.policy];
  if (p.all.taken == p.all.asked) return;
  if (p.all.taken == 0) return leave_out_by_chance(at, random);
  leave_out_never_taken(at, p, random);
  leave_out_worst(at, p, random);
}

void Taken::adapt(Scenario& scenario, Random& random, std::uint32_t policies) const {
  if (!has_declined()) return;
  for (std::size_t t = 0; t < scenario.threads.size(); ++t)
    for (sc_operation& op : scenario.threads[t].operations)
      if (op.kind == SC_OP_SPAWN && op.request.policy < policy_features && random.below(unchanged_one_in) != 0)
        adapt_request({scenario, op.request}, policies, random);
}

TakenCount Taken::of_feature(std::size_t i) const {
  TakenCount sum;
  for (const OfPolicy& p : of_policy_) {
    sum.asked += p.by_feature[i].asked;
    sum.taken += p.by_feature[i].taken;
  }
  return sum;
}

std::string Taken::text() const {
  std::string out = fmt::format("requests taken: {} %", percent(all_)), of_features;
  for (std::size_t i = 0; i < request_features().size(); ++i) {
    const TakenCount sum = of_feature(i);
    if (sum.taken < sum.asked)
      of_features +=
          fmt::format("{}{} {} %", of_features.empty() ? "" : ", ", request_features()[i].word, percent(sum));
  }
  return of_features.empty() ? out : out + " (" + of_features + ")";
}

nlohmann::json Taken::to_json() const {
  nlohmann::json features = nlohmann::json::object();
  for (std::size_t i = 0; i < request_features().size(); ++i) {
    const TakenCount sum = of_feature(i);
    if (sum.asked != 0)
      features[std::string(request_features()[i].word)] = {{"asked", sum.asked}, {"taken", sum.taken}};
  }
  return {{"asked", all_.asked}, {"taken", all_.taken}, {"features", features}};
}

}  // namespace spawncheck
