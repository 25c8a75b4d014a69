// SPDX-License-Identifier: MIT
//
// A hash that is equal for states that differ only in names: files, tables and the like are named in the order of first
// use, children by their spawns. The content behind a name is mixed in at its first use.
#pragma once

#include "model/explore/driver.h"

namespace spawncheck::explore {

// Each function takes the hash so far and returns it with one more value mixed in: passing it in registers saves
// a tenth of an explorer's step.
class Canonical {
 public:
  using Hash = model::Hash128;
  explicit Canonical(const Driver& driver) : driver_(driver), state_(driver.state()) {}

  Hash add(Hash, const model::Task&);
  Hash add(Hash, const model::Process&) const;
  Hash add(Hash, const SimulatedSpawn&);
  Hash add_files(Hash, std::uint64_t set);  // one bit for each file

 private:
  // Names in the order of first use.
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
