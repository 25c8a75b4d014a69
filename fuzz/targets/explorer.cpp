// SPDX-License-Identifier: MIT
//
// The explorer against itself: it explores the scenario on the model with and without the reduction, for a way and a
// kernel drawn from the input; both results must agree. No system call is made.
#include <string>

#include "fuzz/target.h"
#include "impl/session/claims.h"
#include "model/kernel/behaviours.h"

namespace spawncheck::fuzz {

namespace {

constexpr std::uint64_t states_max = 2'000, bytes_max = 64u << 20;
constexpr const char* some_ways[] = {
    "reference:copy", "reference:unshare", "reference:staged", "reference:fetched", "fork", "vfork"};

bool is_same(const explore::Exploration& with, const explore::Exploration& without) {
  if (with.verdict.status != without.verdict.status) return false;
  if (with.verdict.status != Status::holds) return true;  // the shortest paths to a violation may differ
  for (const explore::ObservedRow& row : explore::observed_rows)
    if ((with.*row.what).is_broken != (without.*row.what).is_broken) return false;
  return with.end_hashes == without.end_hashes;
}

std::string told(const explore::Exploration& e) {
  return std::string(name(e.verdict.status)) + ", " + std::to_string(e.end_hashes.size()) + " ends";
}

}  // namespace

void start() {}

void one(const std::uint8_t* data, std::size_t size) {
  const std::optional<Scenario> scenario = scenario_of(data, size);
  if (!scenario || !explore::why_unexplorable(*scenario).empty()) return;
  const std::uint64_t seed = hash(*scenario);
  const explore::Planner planner = planner_named(some_ways[seed % std::size(some_ways)]);
  explore::ExploreOptions options;
  options.kernel = model::kernel_named(model::named_releases[seed / 8 % std::size(model::named_releases)]);
  options.workers = 1;
  options.states_max = states_max;
  options.bytes_max = bytes_max;
  options.collect_ends = true;
  const explore::Exploration with = explore::explore(*scenario, planner, options);
  options.reduce = false;
  const explore::Exploration without = explore::explore(*scenario, planner, options);
  if (without.verdict.status == Status::inconclusive || is_same(with, without)) return;  // equal, or beyond the bound
  Verdict wrong;
  wrong.status = Status::broken;
  wrong.observed = "with what commutes left out: " + told(with);
  wrong.allowed = told(without);
  finding("explorer", *scenario, wrong);
}

}  // namespace spawncheck::fuzz
