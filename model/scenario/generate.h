// SPDX-License-Identifier: MIT
//
// Random scenarios with a purpose: valid, small, and about one subject each.
//
// A scenario belongs to a family, which decides what its threads do; then some variations are applied, each of which
// adds one thing that every subject should meet: another mask, a tight limit, a closed source. Families, variations
// and chances are tables (generate/tables.h); features() says what a scenario contains, so that a test can show the
// distribution and require every feature, and `check --coverage` shows which features met.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/scenario/random.h"
#include "model/scenario/request_fields.h"
#include "model/scenario/scenario.h"

namespace spawncheck {

// Columns: enumerator (and member function of the generator), word, weight, what its scenarios are about.
#define SPAWNCHECK_FAMILIES(X)                                                                              \
  X(keep_list, "keep-list", 4, "keep-lists with swaps, cycles, chains, fan-out")                            \
  X(policies, "policies", 3, "what each policy does with descriptors that are opened and closed around it") \
  X(close_range, "close_range", 2, "close_range(2) in the caller, and a spawn after it")                    \
  X(calls, "calls", 2, "descriptor calls without a spawn: the model against the kernel")                    \
  X(signals, "signals", 4, "masks, dispositions, and signals sent while spawns run")                        \
  X(errors, "errors", 3, "programs that cannot run, bad keep-lists")                                        \
  X(attributes, "attributes", 3, "mask, dispositions, group, session, directory, arguments, pidfd")         \
  X(races, "races", 5, "other threads open, close and replace what a spawn keeps and drops")                \
  X(two_spawns, "two-spawns", 3, "several spawns at once")                                                  \
  X(released, "released", 3, "what is taken, given back and taken again right after a spawn")               \
  X(limits, "limits", 2, "few numbers below RLIMIT_NOFILE")                                                 \
  X(long_lists, "long-lists", 2, "keep-lists of hundreds of entries")                                       \
  X(groups, "groups", 2, "process groups: own, of another child, foreign, gone")                            \
  X(children, "children", 2, "children that end while others are started; SIGCHLD")

enum class Family : std::uint8_t {
#define SPAWNCHECK_ROW(id, word, weight, what) id,
  SPAWNCHECK_FAMILIES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};
#define SPAWNCHECK_ROW(id, word, weight, what) +1
inline constexpr int family_count = 0 SPAWNCHECK_FAMILIES(SPAWNCHECK_ROW);
#undef SPAWNCHECK_ROW
std::string_view name(Family);

// The family of the i-th scenario of a search: every family as often as its weight says, spread evenly.
Family family_in_turn(std::uint64_t i);

struct GenerateOptions {
  std::uint32_t policies = 7;         // bit (1 << SPAWNCHECK_FDS_*): policies that requests may have
  std::uint32_t sets = request_bits;  // SPAWNCHECK_SET_*: fields that requests may set
  std::uint32_t families = ~0u;       // bit per Family
  std::uint32_t threads_max = 3;
  bool varies = true;            // variations are applied
  bool own_descriptors = false;  // threads touch only their own descriptors: own.h
  bool waits = true;             // threads wait for their children
};

// Removes from a scenario, for example a mutated one, what the options exclude.
void suit(Scenario&, const GenerateOptions&);

// With no family or no policy allowed: the keep-list family, the policy `only`.
Scenario generate(Random&, const GenerateOptions& = {});

// What a scenario contains: words of feature_words(), ascending, without duplicates.
std::vector<std::string> features(const Scenario&);
// Every word that features() can return, ascending: operations, "policy:only", "program:hold", "world:memfd", swap,
// race, ...
const std::vector<std::string>& feature_words();

}  // namespace spawncheck
