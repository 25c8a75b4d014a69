// SPDX-License-Identifier: MIT
//
// The end of a run: the children that live, and the parent's final state.
#pragma once

#include <utility>
#include <vector>

#include "model/explore/window.h"

namespace spawncheck::explore {

// A child after its spawn has returned: a task of the model with the observed table.
struct SettledChild {
  std::int32_t pid = -1;
  model::Index task = model::none;  // none: the child is not known to live
  const sc_process* observed = nullptr;
  std::vector<std::pair<std::int32_t, model::Index>> entries;  // number and its description, where known
  model::Hash128 hash(model::Hash128 h) const;
};

// A number of the child may have several candidates: the source was closed during the spawn, and the same file opened
// again. Each way picks one candidate for each number; the caller must pass a `way` below ways_to_settle().
std::uint64_t ways_to_settle(const Window&);
SettledChild settle_child(model::State&, model::Index parent, const Window&, std::uint64_t way);

// Returns true if the parent's observed table and dispositions agree with the state, and the children's
// entries refer to the descriptions (kcmp(2)) that the order gave them.
bool final_state_matches(const model::State&, model::Index main, const sc_history&, const std::vector<SettledChild>&,
                         Clauses enforced, Window::Reason*);

}  // namespace spawncheck::explore
