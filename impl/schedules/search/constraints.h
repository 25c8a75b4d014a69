// SPDX-License-Identifier: MIT
//
// Schedules by reads-from constraints, after RFF (Wolff, Shi, Duck, Mathur, Roychoudhury, ASPLOS 2024): a set of "this
// read sees that write" and "this read does not see that write". A run raises or delays tasks so that the constraints
// come true, and is otherwise POS. A set that gave a pair never seen before, or a finding, is kept; the next one is
// made from a kept one by inserting, swapping, deleting or negating a constraint.
//
// Beyond RFF: there, events of different threads can be the same place of a program; here they never are. So a
// constraint may be widened to every event of the same call. Widened, "this fork(2) sees what that open(2) made" lets
// every fork(2) see as many newly opened descriptors, not yet marked close-on-exec, as it can.
#pragma once

#include <optional>
#include <set>

#include "impl/schedules/search/reads_from.h"
#include "impl/schedules/search/walks.h"

namespace spawncheck {

struct Constraint {
  AbstractEvent write, read;
  bool is_positive = true;
  auto operator<=>(const Constraint&) const = default;
};

class ConstraintSearch : public Scheduler {
 public:
  void begin(std::uint64_t seed) override;
  void did(const Event&) override;
  std::size_t choose(const std::vector<Event>& can) override;
  void end(bool is_finding) override;

  // Sets the constraints of the next run, which begin() would choose otherwise.
  void demand(std::vector<Constraint> constraints) { demanded_ = std::move(constraints); }
  const std::vector<Constraint>& constraints() const { return constraints_; }  // of this run
  const std::vector<std::vector<Constraint>>& kept() const { return kept_; }   // the first set is empty
  const std::set<ReadsFrom>& seen() const { return seen_; }                    // in all runs

 private:
  std::vector<Constraint> mutated(std::vector<Constraint>);
  std::optional<Constraint> drawn();
  bool sees(const Constraint&, const Event&) const;
  bool overwrites(const Constraint&, const Event&) const;
  int urgency(const Constraint&, const Event&) const;

  Random random_{0};
  PosWalk pos_;
  std::vector<Constraint> constraints_;
  std::optional<std::vector<Constraint>> demanded_;
  std::vector<bool> is_over_;  // of each constraint: its read has happened
  std::vector<Event> run_;
  WriteLog writes_;
  std::vector<std::vector<Constraint>> kept_{{}};
  std::set<ReadsFrom> seen_;
  std::map<std::pair<Access::Kind, std::int32_t>, std::set<ReadsFrom>> possible_;  // by variable
};

}  // namespace spawncheck
