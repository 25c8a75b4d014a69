// SPDX-License-Identifier: MIT
//
// The habits that an implementation may declare (impl/peers/implementation.h), and the rule of the contract that each
// lifts. Clauses ask lifts(), and no other code decides: a habit that is not declared lifts nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/contract/rules.h"

namespace spawncheck {

// Columns: SPAWNCHECK_*, word, the rule that it lifts ("none": only the executor uses it), what is accepted then.
#define SPAWNCHECK_HABITS(X)                                                                                           \
  X(REAPS, "reaps", Rule::status_once,                                                                                 \
    "a wait for a child gives ECHILD, its group may be gone, and its pidfd may name nobody")                           \
  X(STARTS_THREADS, "starts-threads", std::nullopt,                                                                    \
    "the caller has threads besides the scenario's; they are no stray processes, and no schedule stops them")          \
  X(RESETS_MASK, "resets-mask", Rule::mask_inherited, "a child blocks nothing where no mask was asked for")            \
  X(RESETS_SIGNALS, "resets-signals", Rule::ignored_as_asked,                                                          \
    "a signal that the caller ignores is default in the child where SET_IGNORE does not name it")                      \
  X(TELLS_NO_ERRNO, "tells-no-errno", Rule::no_error_without_reason,                                                   \
    "any errno, where some error is right; never one where none is")                                                   \
  X(RUNS_SCRIPTS, "runs-scripts", Rule::error_where_owed,                                                              \
    "success for a program that exec refuses with ENOEXEC; what sh makes of it, and what it writes, is not looked at") \
  X(HOLDS_DESCRIPTORS, "holds-descriptors", Rule::table_at_end,                                                        \
    "what it holds after prepare() is in the caller's table, and without close-on-exec in that of a child which gets " \
    "all such")                                                                                                        \
  X(WRITES_ERRNO, "writes-errno", Rule::errno_unwritten, "the caller's errno may change")

struct HabitRow {
  std::uint32_t bit;  // SPAWNCHECK_*
  std::string_view word;
  std::optional<Rule> lifts;
  std::string_view accepted;
};
std::span<const HabitRow> habits();

// Returns true if one of these habits lifts the rule.
bool lifts(std::uint32_t habits, Rule);
std::string habit_words(std::uint32_t habits);  // their words, separated by spaces; "none"

}  // namespace spawncheck
