// SPDX-License-Identifier: MIT
#include "impl/session/shrink_schedule.h"

#include <algorithm>
#include <utility>

#include "impl/session/scheduled.h"

namespace spawncheck {

namespace {

struct Block {
  Turn who;
  std::size_t turns;
};

std::vector<Block> blocks_of(const std::vector<Turn>& turns) {
  std::vector<Block> blocks;
  for (const Turn& t : turns) {
    if (blocks.empty() || !(blocks.back().who == t)) blocks.push_back({t, 0});
    ++blocks.back().turns;
  }
  return blocks;
}

std::vector<Turn> turns_in(const std::vector<Block>& blocks, std::size_t count) {
  std::vector<Turn> turns;
  for (std::size_t b = 0; b < count; ++b) turns.insert(turns.end(), blocks[b].turns, blocks[b].who);
  return turns;
}

class ScheduleShrinker {
 public:
  ScheduleShrinker(Scenario scenario, const ScheduledTry& attempt, unsigned tries)
      : s_(std::move(scenario)), attempt_(attempt), tries_(tries) {}
  Scenario run() {
    if (!take(s_.schedule)) return s_;
    bool better = true;
    while (better && tries_ > 0) {
      better = false;
      const std::vector<Block> blocks = blocks_of(best_);
      for (std::size_t b = 1; b < blocks.size() && !better && tries_ > 0; ++b) better = join(blocks, b);
    }
    s_.schedule = best_;
    drop_the_rest();
    return std::move(s_);
  }

 private:
  // Returns true and keeps the run's turns if it violates with fewer context switches, or as many and fewer turns, than
  // the best so far.
  bool take(std::vector<Turn> schedule) {
    if (tries_ == 0) return false;
    --tries_;
    std::swap(s_.schedule, schedule);
    const auto went = attempt_(s_);
    std::swap(s_.schedule, schedule);
    if (!went) return false;
    const auto weight = std::pair(context_switches(*went), went->size());
    if (!best_.empty() && weight >= std::pair(context_switches(best_), best_.size())) return false;
    best_ = *went;
    return true;
  }

  // Joins block b to the last block of the same task before it, or to the first after it.
  bool join(const std::vector<Block>& blocks, std::size_t b) {
    for (const bool earlier : {true, false}) {
      std::vector<Block> moved = blocks;
      const Block block = moved[b];
      moved.erase(moved.begin() + static_cast<std::ptrdiff_t>(b));
      const auto is_same = [&](const Block& other) { return other.who == block.who; };
      const auto from = moved.begin() + static_cast<std::ptrdiff_t>(b);
      if (earlier) {
        const auto before = std::find_if(std::make_reverse_iterator(from), moved.rend(), is_same);
        if (before == moved.rend()) continue;
        before->turns += block.turns;
      } else {
        const auto after = std::find_if(from, moved.end(), is_same);
        if (after == moved.end()) continue;
        after->turns += block.turns;
      }
      if (take(turns_in(moved, moved.size()))) return true;
    }
    return false;
  }

  // Keeps the fewest leading blocks that RUN_ON completes to a violation with no more context switches.
  void drop_the_rest() {
    const std::vector<Block> blocks = blocks_of(best_);
    const unsigned switches = context_switches(best_);
    for (std::size_t count = 0; count < blocks.size() && tries_ > 0; ++count) {
      --tries_;
      s_.schedule = turns_in(blocks, count);
      const auto went = attempt_(s_);
      if (went && context_switches(*went) <= switches) return;
    }
    s_.schedule = best_;
  }

  Scenario s_;
  const ScheduledTry& attempt_;
  unsigned tries_;
  std::vector<Turn> best_;
};

}  // namespace

Scenario shrink_schedule(Scenario scenario, const ScheduledTry& attempt, unsigned tries_max) {
  return ScheduleShrinker(std::move(scenario), attempt, tries_max).run();
}

}  // namespace spawncheck
