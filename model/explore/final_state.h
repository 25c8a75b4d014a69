// SPDX-License-Identifier: MIT
//
// What a run left: the children that live, and the parent as it was at the end.
#pragma once

#include <utility>
#include <vector>

#include "model/explore/window.h"

namespace spawncheck::explore {

// A child after its spawn returned: a task of the model with the table it was seen to have.
struct SettledChild {
  std::int32_t pid = -1;
  model::Index task = model::none;  // none: not known to live
  const sc_process* observed = nullptr;
  std::vector<std::pair<std::int32_t, model::Index>> entries;  // which description each number refers to, where known
  model::Hash128 hash(model::Hash128 h) const;
};

// A number of the child may have several candidates: the source was closed during the spawn, and the same file opened
// again. Each way takes one candidate for each number; `way` is below ways_to_settle().
std::uint64_t ways_to_settle(const Window&);
SettledChild settle_child(model::State&, model::Index parent, const Window&, std::uint64_t way);

// Do the parent's table and dispositions agree with the state, and do the children's entries refer to the
// very descriptions (kcmp(2)) that the order gave them?
bool final_state_matches(const model::State&, model::Index main, const sc_history&, const std::vector<SettledChild>&,
                         Clauses enforced, Window::Reason*);

}  // namespace spawncheck::explore
