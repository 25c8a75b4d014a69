// SPDX-License-Identifier: MIT
#include "impl/peers/implementation.h"
#include "model/scenario/generate.h"
#include "model/scenario/words.h"

#include <algorithm>

namespace spawncheck {

namespace {

void keep_features(const sc_request& r, std::vector<std::string>& out) {
  bool has_swap = false, has_cycle = false, has_chain = false, has_identity = false, fans_out = false, is_duplicate = false;
  auto next = [&](std::int32_t number) -> std::int32_t {
    for (std::uint32_t i = 0; i < r.keep_count; ++i)
      if (!r.keep[i].source.variable && r.keep[i].source.value == number && r.keep[i].target != number) return r.keep[i].target;
    return -1;
  };
  for (std::uint32_t i = 0; i < r.keep_count; ++i) {
    const sc_keep& k = r.keep[i];
    if (k.source.variable) continue;
    has_identity |= k.source.value == k.target;
    if (k.source.value == k.target) continue;
    const std::int32_t second = next(k.target);
    has_chain |= second >= 0;
    has_swap |= second == k.source.value;
    has_cycle |= second >= 0 && next(second) == k.source.value;
    for (std::uint32_t j = 0; j < i; ++j) {
      fans_out |= r.keep[j].source.value == k.source.value;
      is_duplicate |= r.keep[j].target == k.target;
    }
  }
  if (has_swap) out.emplace_back("swap");
  if (has_cycle) out.emplace_back("cycle");
  if (has_chain) out.emplace_back("chain");
  if (has_identity) out.emplace_back("identity");
  if (fans_out) out.emplace_back("fan-out");
  if (is_duplicate) out.emplace_back("duplicate-target");
}

void request_features(const sc_request& r, std::vector<std::string>& out) {
  out.push_back("policy:" + std::string(policy_words()[r.policy]));
  out.push_back("program:" + std::string(program_rows()[r.program].word));
  constexpr std::string_view sets[] = {"set:mask", "set:default", "set:ignore", "set:pgroup", "set:session", "set:cwd", "set:pidfd"};
  for (std::size_t i = 0; i < std::size(sets); ++i)
    if (r.set >> i & 1) out.emplace_back(sets[i]);
  if (r.argument_count > 999) out.emplace_back("long-arguments");
  keep_features(r, out);
}

}  // namespace

std::vector<std::string> features(const Scenario& s) {
  std::vector<std::string> out;
  std::uint32_t spawning_threads = 0;
  for (const Thread& thread : s.threads) {
    bool spawns = false;
    for (const sc_operation& op : thread.operations) {
      out.emplace_back(row_of(op).word);
      if (op.kind != SC_OP_SPAWN) continue;
      spawns = true;
      request_features(op.request, out);
    }
    spawning_threads += spawns;
  }
  for (std::uint32_t i = 0; i < s.world.line_count; ++i) {
    const WorldRow& row = world_rows()[s.world.line[i].kind];
    out.push_back("world:" + std::string(row.word.empty() ? row.line : row.word));
  }
  if (s.world.limit != 0) out.emplace_back("world:limit");
  if (s.threads.size() > 1 && spawning_threads > 0) out.emplace_back("race");
  if (spawning_threads > 1) out.emplace_back("two-spawns");
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace spawncheck
