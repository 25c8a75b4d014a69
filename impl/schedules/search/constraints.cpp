// SPDX-License-Identifier: MIT
#include "impl/schedules/search/constraints.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace spawncheck {

namespace {

constexpr std::size_t kept_max = 64, constraints_max = 8;

// How soon a task goes, by one constraint. A task that would undo what a read waits for goes last, after the read
// itself. A wide constraint's read goes after every task that no constraint delays, so that it sees as much as it can.
enum Urgency : int { undoes = -3, too_early = -2, may_see_more = -1, whatever = 0, now = 1 };

template <typename Set>
const auto& any_of(const Set& set, Random& random) {
  return *std::next(set.begin(), random.below(static_cast<std::uint32_t>(set.size())));
}

}  // namespace

// ---- which constraints -------------------------------------------------------------------------

void ConstraintSearch::begin(std::uint64_t seed) {
  random_ = Random(seed);
  pos_.begin(random_.next());
  run_.clear();
  writes_ = {};
  if (demanded_) {
    constraints_ = *std::exchange(demanded_, std::nullopt);
  } else {
    constraints_ = any_of(kept_, random_);
    do constraints_ = mutated(std::move(constraints_));
    while (random_.chance(1, 3));
  }
  is_over_.assign(constraints_.size(), false);
}

// Draws a pair that some run could have had: first a variable, then a pair of it, preferably one never seen. Returns
// nullopt before the first run.
std::optional<Constraint> ConstraintSearch::drawn() {
  if (possible_.empty()) return std::nullopt;
  const std::set<ReadsFrom>& pairs = any_of(possible_, random_).second;
  const ReadsFrom* pair = &any_of(pairs, random_);
  for (int tries = 0; tries < 2 && seen_.contains(*pair); ++tries) pair = &any_of(pairs, random_);
  Constraint made{pair->write, pair->read, !random_.chance(1, 4)};
  if (random_.chance(1, 2)) {
    made.write = made.write.widened();
    made.read = made.read.widened();
  }
  return made;
}

std::vector<Constraint> ConstraintSearch::mutated(std::vector<Constraint> set) {
  const auto other = drawn();
  const std::size_t at = set.empty() ? 0 : random_.below(static_cast<std::uint32_t>(set.size()));
  const std::uint32_t how = set.empty() ? 0 : random_.below(5);
  if (how == 2)
    set.erase(set.begin() + static_cast<std::ptrdiff_t>(at));
  else if (how == 3)
    set[at].is_positive = !set[at].is_positive;
  else if (other && (how == 4 || set.size() >= constraints_max))
    set[at] = *other;
  else if (other)
    set.push_back(*other);
  return set;
}

void ConstraintSearch::end(bool is_finding) {
  const RunPairs pairs = pairs_of(run_);
  bool is_new = is_finding;
  for (const ReadsFrom& pair : pairs.seen) is_new |= seen_.insert(pair).second;
  for (const ReadsFrom& pair : pairs.possible) possible_[{pair.read.kind, pair.read.slot}].insert(pair);
  if (!is_new || constraints_.empty()) return;
  if (kept_.size() >= kept_max) kept_.erase(kept_.begin() + 1);
  kept_.push_back(constraints_);
}

// ---- how they come true ------------------------------------------------------------------------

void ConstraintSearch::did(const Event& event) {
  for (std::size_t i = 0; i < constraints_.size(); ++i) is_over_[i] = is_over_[i] || constraints_[i].read.is_of(event);
  pos_.did(event);
  writes_.add(event, static_cast<int>(run_.size()));
  run_.push_back(event);
}

// Returns true if the event, made now, would be a read that sees the constraint's write.
bool ConstraintSearch::sees(const Constraint& c, const Event& event) const {
  const auto is_it = [&](const Touched& t, std::int32_t slot) {
    const int last = writes_.last(t.kind, t.id, slot);
    return last < 0 ? c.write.call == AbstractEvent::nothing : c.write.is_of(run_[static_cast<std::size_t>(last)]);
  };
  for (const Access& a : event.accesses) {
    const Touched t = touched(a);
    if (t.kind != c.read.kind || !t.is_read) continue;
    if (c.read.slot != AbstractEvent::any) {
      if (t.low <= c.read.slot && c.read.slot <= t.high && is_it(t, c.read.slot)) return true;
      continue;
    }
    const auto slots = writes_.written(t.kind, t.id, t.low, t.high);
    if (c.write.call == AbstractEvent::nothing && slots.empty()) return true;
    if (std::any_of(slots.begin(), slots.end(), [&](std::int32_t slot) { return is_it(t, slot); })) return true;
  }
  return false;
}

// Returns true if the event, made now, would keep the constraint's later read from seeing the write.
bool ConstraintSearch::overwrites(const Constraint& c, const Event& event) const {
  for (const Access& a : event.accesses) {
    const Touched t = touched(a);
    if (t.kind != c.read.kind || !t.is_write) continue;
    if (c.write.call == AbstractEvent::nothing) {
      if (c.read.slot == AbstractEvent::any) return true;
      if (t.low <= c.read.slot && c.read.slot <= t.high && writes_.last(t.kind, t.id, c.read.slot) < 0) return true;
      continue;
    }
    for (const std::int32_t slot : writes_.written(t.kind, t.id, t.low, t.high))
      if (c.write.takes(slot) && c.write.is_of(run_[static_cast<std::size_t>(writes_.last(t.kind, t.id, slot))]))
        return true;
  }
  return false;
}

int ConstraintSearch::urgency(const Constraint& c, const Event& event) const {
  const bool is_read = c.read.is_of(event), is_write = c.write.is_of(event);
  if (!c.is_positive) return (is_read && sees(c, event)) || (is_write && !is_read) ? too_early : whatever;
  if (is_read) {
    const bool is_wide = c.read.slot == AbstractEvent::any;
    if (c.write.call == AbstractEvent::nothing) return sees(c, event) ? now : whatever;
    return !sees(c, event) ? too_early : is_wide ? may_see_more : now;
  }
  return !is_write && overwrites(c, event) ? undoes : whatever;
}

std::size_t ConstraintSearch::choose(const std::vector<Event>& can) {
  std::vector<int> urgencies;
  for (const Event& event : can) {
    int least = 0, most = 0;
    for (std::size_t i = 0; i < constraints_.size(); ++i) {
      if (is_over_[i]) continue;
      const int one = urgency(constraints_[i], event);
      least = std::min(least, one);
      most = std::max(most, one);
    }
    urgencies.push_back(least < 0 ? least : most);
  }
  const int most = *std::max_element(urgencies.begin(), urgencies.end());
  std::vector<std::size_t> may;
  for (std::size_t i = 0; i < can.size(); ++i)
    if (urgencies[i] == most) may.push_back(i);
  return pos_.choose_of(can, may);
}

}  // namespace spawncheck
