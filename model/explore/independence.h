// SPDX-License-Identifier: MIT
//
// The partial-order reduction: a next step that commutes with every step that others can still make is made at once,
// without alternatives. It is off if signals are sent, or if a result depends on who holds a file.
#pragma once

#include "model/explore/driver.h"

namespace spawncheck::explore {

class Reduction {
 public:
  explicit Reduction(const Setting&);

  // Returns true if no other actor can notice or prevent the actor's next step.
  bool is_private(const Driver&, unsigned actor) const;
  bool has_dispositions() const { return has_dispositions_; }  // some thread changes them
  bool has_pipes() const { return has_pipes_; }                // a close-on-exec pipe: its EOF is observed

 private:
  bool is_private_thread(const Driver&, unsigned thread) const;
  bool is_private_child(const Driver&, const SimulatedSpawn&) const;
  bool keeps_its_sources(const Driver&, unsigned thread) const;
  bool is_stable(const Driver&, unsigned thread, std::int32_t number) const;
  bool is_watched(const model::State&, model::Index child) const;

  bool has_signals_ = false, has_busy_files_ = false, has_limits_ = false, has_dispositions_ = false,
       has_pipes_ = false, defers_before_wake_ = false;
  bool leaves_tables_alone_ = true;  // the plans of all spawns, as far as known before they begin
};

}  // namespace spawncheck::explore
