// SPDX-License-Identifier: MIT
//
// The claims of corpus/seeds/claims: scenarios whose expectations name ways to start a process, each explored on the
// model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/explore/explorer.h"

namespace spawncheck {

// "reference", "reference:" with a strategy, or a way of model/explore/claims.h. Empty if unknown.
explore::Planner planner_named(const std::string& way);
std::string ways();  // all of them, for messages

// Returns the default kernel to explore a way on, as a text for model::behaviours_in(): 6.18, or 7.4 if 6.18 lacks a
// behaviour that the way needs, plus the needed behaviours that 7.4 lacks too.
std::string kernel_of(const std::string& way);

struct ClaimResult {
  std::string claim, way;
  std::string kernel;                         // its name
  std::uint32_t threads = 0, operations = 0;  // of the scenario: they bound the claim
  explore::Exploration exploration;
  double seconds = 0;
  bool is_as_expected = false;
};

// Returns a result for each expectation that names a way. The kernel is `on`; if that is null, the one that the
// expectation names; else kernel_of(). Throws std::invalid_argument if an expectation of a way names an unknown kernel.
// Ignores the kernel of the options.
std::vector<ClaimResult> check_claims(const std::string& claim, const Scenario&, const explore::ExploreOptions&,
                                      const model::Kernel* on = nullptr);

// A table in Markdown, a line for each row.
std::string markdown(const std::vector<ClaimResult>&);

}  // namespace spawncheck
