// SPDX-License-Identifier: MIT
//
// Breadth first, so that the first path to a violation is a shortest one. Of a state that has been seen only its hash and the
// step that led to it are kept; a path is made again from the beginning.
#include "model/explore/explorer.h"

#include "model/explore/world.h"

#include <algorithm>
#include <unordered_map>

namespace spawncheck::explore {

namespace {

struct Came {
  std::uint64_t from = 0;
  std::uint8_t actor = 0, outcome = 0;
  bool is_first = false;
};

constexpr std::uint64_t bytes_of_seen = 56;      // a hash table's node
constexpr std::uint64_t bytes_of_world = 4096;  // with all that its vectors hold, generously

class Search {
 public:
  Search(const Scenario& scenario, const Planner& planner, const ExploreOptions& options)
      : scenario_(scenario), options_(options), first_(scenario, planner, options.kernel) {}

  Exploration run() {
    std::vector<Found> level{{first_, first_.hash()}};
    seen_.emplace(level[0].hash, Came{0, 0, 0, true});
    while (!level.empty() && !is_over_) {
      ++result_.depth;
      std::vector<Found> next;
      for (const Found& found : level) {
        expand(found, next);
        if (is_over_) break;
      }
      level = std::move(next);
      level_bytes_ = level.size() * bytes_of_world;
    }
    result_.states = seen_.size();
    return std::move(result_);
  }

 private:
  struct Found {
    World world;
    std::uint64_t hash;
  };

  void expand(const Found& found, std::vector<Found>& next) {
    if (options_.reduce)
      for (unsigned actor = 0; actor < found.world.actors(); ++actor)
        if (found.world.is_private(actor) && go(found, actor, 0, next)) return;  // nobody else can notice it: it is made alone
    unsigned went = 0;
    for (unsigned actor = 0; actor < found.world.actors() && !is_over_; ++actor)
      for (unsigned outcome = 0; outcome < found.world.choices(actor) && !is_over_; ++outcome) went += go(found, actor, outcome, next);
    if (went == 0) end(found.world, found.hash);
  }

  // Makes the step. False: it cannot be made.
  bool go(const Found& found, unsigned actor, unsigned outcome, std::vector<Found>& next) {
    World after = found.world;
    std::optional<Violated> violated;
    if (!after.step(actor, outcome, violated, nullptr)) return false;
    ++result_.steps;
    arrive(std::move(after), {found.hash, static_cast<std::uint8_t>(actor), static_cast<std::uint8_t>(outcome), false}, violated, next);
    return true;
  }

  void arrive(World after, const Came& came, const std::optional<Violated>& violated, std::vector<Found>& next) {
    if (violated) {
      report(*violated, path_to(came.from), &came);
      return;
    }
    const std::uint64_t hash = after.hash();
    if (!seen_.emplace(hash, came).second) return;
    if (!result_.references_dropped && after.references_dropped()) {
      result_.references_dropped = true;
      result_.reference_trace = told(path_to(came.from), &came);
    }
    next.push_back({std::move(after), hash});
    check_limits(next.back().world, next.size());
  }

  void check_limits(const World& world, std::size_t width) {
    const std::uint64_t bytes = seen_.size() * bytes_of_seen + level_bytes_ + width * bytes_of_world;
    if (world.is_too_large()) give_up("more than 64 files, or a number over 127,");
    else if (seen_.size() >= options_.states_max) give_up("the bound of " + std::to_string(options_.states_max) + " states");
    else if (bytes >= options_.bytes_max) give_up("the bound of memory");
    else if (seen_.size() % 4096 == 0 && options_.is_over && options_.is_over()) give_up("the bound of time");
  }

  void give_up(const std::string& why) {
    is_over_ = true;
    result_.verdict.status = Status::inconclusive;
    result_.verdict.observed = why + " was reached at depth " + std::to_string(result_.depth) + ", after " + std::to_string(seen_.size()) + " states";
  }

  void end(const World& world, std::uint64_t hash) {
    ++result_.ends;
    if (options_.collect_ends) result_.end_hashes.insert(world.hash(true));
    if (const auto violated = world.at_end(!world.all_finished())) report(*violated, path_to(hash), nullptr);
  }

  void report(const Violated& violated, const std::vector<Came>& path, const Came* last) {
    is_over_ = true;
    result_.verdict = Verdict{Status::violated, violated.clause, violated.observed, violated.allowed, violated.rule, 0};
    result_.trace = told(path, last);
  }

  std::vector<Came> path_to(std::uint64_t hash) const {
    std::vector<Came> path;
    for (Came came = seen_.at(hash); !came.is_first; came = seen_.at(came.from)) path.push_back(came);
    std::reverse(path.begin(), path.end());
    return path;
  }

  std::vector<std::string> told(std::vector<Came> path, const Came* last) const {
    if (last != nullptr) path.push_back(*last);
    std::vector<std::string> lines;
    World world = first_;
    for (const Came& came : path) {
      std::string text;
      std::optional<Violated> violated;
      const unsigned threads = static_cast<unsigned>(scenario_.threads.size());
      world.step(came.actor, came.outcome, violated, &text);
      lines.push_back((came.actor < threads ? "thread " + std::to_string(came.actor) : "spawn " + std::to_string(came.actor - threads)) + ": " + text);
    }
    return lines;
  }

  const Scenario& scenario_;
  const ExploreOptions& options_;
  const World first_;
  Exploration result_;
  std::unordered_map<std::uint64_t, Came> seen_;
  std::uint64_t level_bytes_ = 0;
  bool is_over_ = false;
};

}  // namespace

Exploration explore(const Scenario& scenario, const Planner& planner, const ExploreOptions& options) { return Search(scenario, planner, options).run(); }

}  // namespace spawncheck::explore
