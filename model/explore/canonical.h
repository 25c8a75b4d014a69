// SPDX-License-Identifier: MIT
//
// A hash that is equal for states that differ in names only: files, tables and the like are named in the order in which
// they are met, and children by their spawns. What a name stands for is mixed in where it is met first.
#pragma once

#include "model/explore/driver.h"

namespace spawncheck::explore {

// Each takes the hash so far and gives it with what it was asked to add: kept in registers, that is a tenth of an
// explorer's step.
class Canonical {
 public:
  using Hash = model::Hash128;
  explicit Canonical(const Driver& driver) : driver_(driver), state_(driver.state()) {}

  Hash add(Hash, const model::Task&);
  Hash add(Hash, const model::Process&) const;
  Hash add(Hash, const SimulatedSpawn&);
  Hash add_files(Hash, std::uint64_t set);  // a bit each

 private:
  // Names in the order in which they are met.
  class Names {
   public:
    std::uint64_t of(model::Index);
    std::size_t met() const { return met_.size(); }

   private:
    model::SmallVector<model::Index, 16> met_;
  };

  Hash add_file(Hash, model::Index, std::uint64_t more);
  Hash add_table(Hash, const model::Table&);
  Hash add_flight(Hash, const model::InFlightCall&);
  Hash add_memory(Hash, const model::Memory&) const;

  const Driver& driver_;
  const model::State& state_;
  Names tables_, files_, dispositions_, memories_;
};

}  // namespace spawncheck::explore
