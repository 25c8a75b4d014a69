// SPDX-License-Identifier: MIT
#include "impl/session/taken.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "impl/peers/implementation.h"
#include "model/scenario/kept.h"

namespace spawncheck {

namespace {

constexpr std::uint32_t asked_before_never = 8;  // a feature that was declined so often, and never taken, is left out
constexpr std::uint32_t shape_tries = 2;         // likewise a shape
constexpr std::uint32_t unchanged_one_in = 8;
constexpr std::int32_t standard_last = 2;

// What a request may have, and what it is without.
struct Feature {
  std::string_view word;
  bool (*has)(const sc_request&);
  void (*drop)(sc_request&);
};

template <std::uint8_t policy>
bool has_policy(const sc_request& r) {
  return r.policy == policy;
}

template <std::uint32_t bit>
bool sets(const sc_request& r) {
  return (r.set & bit) != 0;
}

template <std::uint32_t bit>
void unset(sc_request& r) {
  r.set &= ~bit;
}

bool keeps(const sc_request& r) { return r.keep_count != 0; }
void keep_none(sc_request& r) { r.keep_count = 0; }

bool keeps_many(const sc_request& r) { return sc_kept_count(&r) > 3; }
void keep_few(sc_request& r) {
  r.keep_count = std::min<std::uint32_t>(r.keep_count, 3);
  for (std::uint32_t i = 0; i < r.keep_count; ++i) r.keep[i].more = 0;
}

bool is_standard(std::int32_t n) { return 0 <= n && n <= standard_last; }
bool keeps_beyond_standard(const sc_request& r) {
  for (const sc_keep& k : kept(r))
    if (!is_standard(k.target)) return true;
  return false;
}
void keep_at_standard(sc_request& r) {
  keep_few(r);
  for (std::uint32_t i = 0; i < r.keep_count; ++i) r.keep[i].target = static_cast<std::int32_t>(i);
}

bool is_identity(const sc_keep& k) { return k.source.variable == 0 && k.source.value == k.target; }
bool keeps_in_place(const sc_request& r) {
  for (const sc_keep& k : kept(r))
    if (is_identity(k)) return true;
  return false;
}
bool keeps_moved(const sc_request& r) {
  for (const sc_keep& k : kept(r))
    if (!is_identity(k)) return true;
  return false;
}
template <bool of_identity>
void keep_without(sc_request& r) {
  std::uint32_t left = 0;
  for (std::uint32_t i = 0; i < r.keep_count; ++i)
    if (is_identity(r.keep[i]) != of_identity) r.keep[left++] = r.keep[i];
  r.keep_count = left;
}

// What does not count is zero: operation.h.
void clear_unused(sc_request& r) {
  if (!sets<SPAWNCHECK_SET_MASK>(r)) r.mask = 0;
  if (!sets<SPAWNCHECK_SET_DEFAULT>(r)) r.dflt = 0;
  if (!sets<SPAWNCHECK_SET_IGNORE>(r)) r.ignore = 0;
  if (!sets<SPAWNCHECK_SET_PGROUP>(r)) r.pgroup = {};
  if (!sets<SPAWNCHECK_SET_CWD>(r)) r.cwd = 0;
  std::fill(std::begin(r.keep) + r.keep_count, std::end(r.keep), sc_keep{});
}

void nothing_instead(sc_request&) {}  // of a policy: drop_worst() chooses another

constexpr Feature features_of_request[] = {
    {"policy inherit", has_policy<SPAWNCHECK_FDS_INHERIT>, nothing_instead},
    {"policy drop", has_policy<SPAWNCHECK_FDS_DROP_CLOEXEC_EXCEPT>, nothing_instead},
    {"policy only", has_policy<SPAWNCHECK_FDS_ONLY>, nothing_instead},
    {"keep", keeps, keep_none},
    {"keep more than 3", keeps_many, keep_few},
    {"keep beyond 2", keeps_beyond_standard, keep_at_standard},
    {"keep in place", keeps_in_place, keep_without<true>},
    {"keep moved", keeps_moved, keep_without<false>},
    {"mask", sets<SPAWNCHECK_SET_MASK>, unset<SPAWNCHECK_SET_MASK>},
    {"default", sets<SPAWNCHECK_SET_DEFAULT>, unset<SPAWNCHECK_SET_DEFAULT>},
    {"ignore", sets<SPAWNCHECK_SET_IGNORE>, unset<SPAWNCHECK_SET_IGNORE>},
    {"pgroup", sets<SPAWNCHECK_SET_PGROUP>, unset<SPAWNCHECK_SET_PGROUP>},
    {"session", sets<SPAWNCHECK_NEW_SESSION>, unset<SPAWNCHECK_NEW_SESSION>},
    {"cwd", sets<SPAWNCHECK_SET_CWD>, unset<SPAWNCHECK_SET_CWD>},
    {"pidfd", sets<SPAWNCHECK_WANT_PIDFD>, unset<SPAWNCHECK_WANT_PIDFD>},
};
constexpr std::size_t feature_count = std::size(features_of_request);
constexpr std::size_t policy_count = 3;  // the first rows

std::uint32_t shape_of(const sc_request& r) {
  std::uint32_t shape = 0;
  for (std::size_t i = 0; i < feature_count; ++i)
    if (features_of_request[i].has(r)) shape |= 1u << i;
  return shape;
}

bool is_never_taken(const TakenCount& c, std::uint32_t tries) { return c.asked >= tries && c.taken == 0; }

double rate(const TakenCount& c) { return (static_cast<double>(c.taken) + 1) / (static_cast<double>(c.asked) + 2); }

unsigned percent(const TakenCount& c) { return c.asked == 0 ? 100 : static_cast<unsigned>(c.taken * 100 / c.asked); }

}  // namespace

Taken::Taken(std::uint32_t policies) : policies_(policies), by_feature_(feature_count) {}

void Taken::note(const Scenario& scenario, const sc_history& history) {
  for (std::size_t t = 0; t < scenario.threads.size(); ++t)
    for (std::size_t o = 0; o < scenario.threads[t].operations.size(); ++o) {
      const sc_operation& op = scenario.threads[t].operations[o];
      const sc_op_record& r = history.op[t][o];
      if (op.kind != SC_OP_SPAWN || r.end == 0) continue;
      const std::uint32_t shape = shape_of(op.request);
      const bool is_taken = r.error != SPAWNCHECK_DECLINED;
      const auto count = [&](TakenCount& c) {
        ++c.asked;
        c.taken += is_taken;
      };
      count(all_);
      count(by_shape_[shape]);
      for (std::size_t i = 0; i < feature_count; ++i)
        if ((shape >> i & 1) != 0) count(by_feature_[i]);
    }
}

// While fewer than half of all are taken, a shape that nobody knows is likely to be declined.
bool Taken::is_likely_declined(std::uint32_t shape) const {
  const auto known = by_shape_.find(shape);
  if (known != by_shape_.end() && known->second.taken * 2 >= known->second.asked) return false;
  if (known != by_shape_.end() && known->second.asked >= shape_tries) return true;
  for (std::size_t i = 0; i < feature_count; ++i)
    if ((shape >> i & 1) != 0 && is_never_taken(by_feature_[i], asked_before_never)) return true;
  return all_.taken * 2 < all_.asked;
}

void Taken::drop_worst(sc_request& r, std::uint32_t shape, Random& random) const {
  std::size_t worst = feature_count;
  std::uint32_t alike = 0;
  for (std::size_t i = 0; i < feature_count; ++i) {
    if ((shape >> i & 1) == 0) continue;
    const bool is_only_policy = i < policy_count && (policies_ & ~(1u << i)) == 0;
    if (is_only_policy) continue;
    if (worst == feature_count || rate(by_feature_[i]) < rate(by_feature_[worst])) {
      worst = i;
      alike = 1;
    } else if (rate(by_feature_[i]) == rate(by_feature_[worst]) && random.below(++alike) == 0) {
      worst = i;
    }
  }
  if (worst == feature_count) return;
  features_of_request[worst].drop(r);
  clear_unused(r);
  if (worst >= policy_count) return;
  double best = -1;
  for (std::size_t p = 0; p < policy_count; ++p)
    if (p != worst && (policies_ >> p & 1) != 0 && rate(by_feature_[p]) > best) {
      best = rate(by_feature_[p]);
      r.policy = static_cast<std::uint8_t>(p);
    }
}

void Taken::adapt(Scenario& scenario, Random& random) const {
  if (!has_declined()) return;
  for (Thread& thread : scenario.threads)
    for (sc_operation& op : thread.operations) {
      if (op.kind != SC_OP_SPAWN || random.below(unchanged_one_in) == 0) continue;
      for (std::size_t turn = 0; turn < 2 * feature_count && is_likely_declined(shape_of(op.request)); ++turn)
        drop_worst(op.request, shape_of(op.request), random);
    }
}

std::string Taken::text() const {
  std::string out = fmt::format("requests taken: {} %", percent(all_));
  std::string of_features;
  for (std::size_t i = 0; i < feature_count; ++i)
    if (by_feature_[i].taken < by_feature_[i].asked)
      of_features += fmt::format("{}{} {} %", of_features.empty() ? "" : ", ", features_of_request[i].word,
                                 percent(by_feature_[i]));
  return of_features.empty() ? out : out + " (" + of_features + ")";
}

nlohmann::json Taken::to_json() const {
  nlohmann::json features = nlohmann::json::object();
  for (std::size_t i = 0; i < feature_count; ++i)
    if (by_feature_[i].asked != 0)
      features[std::string(features_of_request[i].word)] = {{"asked", by_feature_[i].asked},
                                                            {"taken", by_feature_[i].taken}};
  return {{"asked", all_.asked}, {"taken", all_.taken}, {"features", features}};
}

}  // namespace spawncheck
