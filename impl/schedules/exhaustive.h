// SPDX-License-Identifier: MIT
//
// Every schedule of a scenario, depth first, by running it again and again.
//
// With reduction: source-DPOR (Abdulla, Aronsson, Jonsson, Sagonas, POPL 2014) and sleep sets (Godefroid, 1996), with
// independence.h's relation. Schedules that differ only in the order of commuting steps end alike: the search runs one
// of them, rarely more. Without reduction it runs every schedule, to check the relation and to count what it saves.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "impl/schedules/independence.h"
#include "impl/session/session.h"

namespace spawncheck {

struct SearchLimits {
  std::uint64_t runs = 0;      // 0: no bound
  unsigned preemptions = ~0u;  // exhaustive: schedules with more are left out, and nothing is reduced then
  bool reduce = true;
  std::function<bool()> is_over;                                                   // asked between two runs
  std::function<void(const Scenario&, const Session&, const Verdict&)> after_run;  // may be empty
  std::function<void(std::uint64_t runs)> progress;                                // may be empty

  bool are_reached(std::uint64_t runs_made) const { return (runs != 0 && runs_made >= runs) || (is_over && is_over()); }
};

struct SearchResult {
  std::uint64_t schedules = 0, pruned = 0, diverged = 0;
  std::uint64_t by_status[5] = {};
  bool is_complete = false;
  unsigned tasks = 0, steps = 0;     // the most seen
  std::optional<Verdict> violation;  // the first; the search ends with it
  std::vector<Turn> schedule;        // the schedule that shows it
};

class ExhaustiveSearch {
 public:
  ExhaustiveSearch(Session&, const Scenario&, SearchLimits);

  // Runs until the space is exhausted, a violation is found or a limit is reached; may be called again.
  SearchResult run();

  // What run() needs to continue in another process. The scenario and the implementation must be the same. load()
  // returns in one line what is wrong; empty on success.
  std::string checkpoint() const;
  std::string load(const std::string& text);

 private:
  struct Asleep {
    std::uint32_t tasks;
    std::vector<Access> accesses;
  };
  struct Node {
    Turn turn;  // the name of `task`
    std::uint8_t task = 0;
    std::uint32_t enabled = 0, backtrack = 0, done = 0;
    std::map<std::uint8_t, Asleep> sleep;
  };

  bool run_once();
  bool advance();
  void follow(const sc_trace&, std::size_t from);
  std::map<std::uint8_t, Asleep> sleep_after(std::size_t i) const;
  void find_races(std::size_t from);
  void add_backtrack(std::size_t i, std::size_t j, const std::vector<std::uint64_t>& after);
  unsigned preemptions_before(std::size_t i, std::uint8_t next) const;
  std::uint32_t choices(std::size_t i) const;

  Session& session_;
  Scenario scenario_;
  SearchLimits limits_;
  SearchResult result_;
  std::vector<Node> nodes_;
  std::vector<Transition> steps_;
  std::vector<Turn> names_;  // of tasks, in the last run
  bool has_begun_ = false;
};

}  // namespace spawncheck
