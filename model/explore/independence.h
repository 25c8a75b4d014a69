// SPDX-License-Identifier: MIT
//
// The partial-order reduction: which next steps commute with everything that any other actor can still do. Such a step
// is made at once and alone. Where signals are sent, or where somebody asks who holds a file, nothing is left out.
#pragma once

#include "model/explore/driver.h"

namespace spawncheck::explore {

class Reduction {
 public:
  explicit Reduction(const Setting&);

  // Nobody else can notice the actor's next step, nor prevent it.
  bool is_private(const Driver&, unsigned actor) const;
  bool has_dispositions() const { return has_dispositions_; }  // some thread changes them
  bool has_pipes() const { return has_pipes_; }                // there is a close-on-exec pipe: is it at end of file?

 private:
  bool is_private_thread(const Driver&, unsigned thread) const;
  bool is_private_child(const Driver&, const SimulatedSpawn&) const;
  bool keeps_its_sources(const Driver&, unsigned thread) const;
  bool is_stable(const Driver&, unsigned thread, std::int32_t number) const;
  bool is_watched(const model::State&, model::Index child) const;

  bool has_signals_ = false, has_busy_files_ = false, has_limits_ = false, has_dispositions_ = false,
       has_pipes_ = false, defers_before_wake_ = false;
  bool leaves_tables_alone_ = true;  // so do the plans of all spawns, as far as it is known before they begin
};

}  // namespace spawncheck::explore
