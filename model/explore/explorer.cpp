// SPDX-License-Identifier: MIT
//
// Breadth first, so that the first path to a violation is a shortest one. Several threads expand the states of a level,
// a batch at a time; of a seen state only its hash and the step that led to it are kept, and a path is replayed from
// the beginning. States are numbered level by level in the order in which one thread would have found them: the result
// is the same for any number of threads.
#include "model/explore/explorer.h"

#include <algorithm>
#include <array>
#include <thread>

#include "model/contract/rules.h"
#include "model/explore/independence.h"
#include "model/explore/livelock.h"
#include "model/explore/seen.h"
#include "model/explore/world.h"

namespace spawncheck::explore {

using model::Hash128;

namespace {

constexpr std::size_t batch_size = 2048;        // states between two checks of the bounds
constexpr std::size_t of_one_worker_min = 128;  // a smaller batch is not worth a thread
constexpr std::uint64_t children_of_state_max = 2 * (SC_THREADS_MAX + 8);
constexpr std::uint64_t bytes_of_world = sizeof(World) + 512;  // plus its heap memory

constexpr bool (World::*breaks[])() const = {
#define SPAWNCHECK_ROW(id, word, holds, broken) &World::breaks_##id,
    SPAWNCHECK_OBSERVED(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

struct Found {
  std::uint64_t edge;
  Hash128 hash;
  std::unique_ptr<World> world;
};

struct Hit {  // a step that breaks something
  std::uint64_t edge = ~0ull;
  std::uint64_t end_of = ~0ull;  // or the number of a state in which no actor can make a step
  Violation violation;
  std::uint64_t order() const { return end_of != ~0ull ? ParentEdge::pack(end_of, 0xff, 0xff) : edge; }
};

struct HashEdge {
  std::uint32_t from;
  Hash128 to;
};

// What one thread finds in a batch.
struct Finds {
  std::vector<Found> next;
  std::vector<HashEdge> edges;
  Hit hit;
  std::uint64_t steps = 0, ends = 0;
  std::array<std::vector<Hash128>, observed_count> without;  // states without the property, by observed_rows
  std::vector<Hash128> end_hashes;
  bool is_too_large = false;
  std::unique_ptr<World> spare;  // storage for the next state

  void note(Hit&& h) {
    if (h.order() < hit.order()) hit = std::move(h);
  }
};

class Search {
 public:
  Search(const Scenario& scenario, const Planner& planner, const ExploreOptions& options)
      : options_(options),
        setting_(scenario, planner, options.kernel),
        reduction_(setting_),
        workers_(options.workers != 0 ? options.workers : std::max(1u, std::thread::hardware_concurrency())),
        seen_(1 << 12) {
    result_.program_at_eof.is_asked = reduction_.has_pipes();
  }

  Exploration run() {
    std::vector<Found> level;
    level.push_back({ParentEdge::root,
                     {},
                     std::make_unique<World>(setting_, reduction_.has_dispositions(), reduction_.has_pipes())});
    level[0].hash = level[0].world->hash();
    seen_.insert(level[0].hash, ParentEdge::root);
    while (!level.empty() && !is_over_) {
      ++result_.depth;
      number(level);
      std::vector<Found> next;
      for (std::size_t at = 0; at < level.size() && !is_over_; at += batch_size) {
        const std::size_t end = std::min(level.size(), at + batch_size);
        if (!has_room(level.size() + next.size(), end - at)) break;
        expand_batch(level, at, end, next);
        for (std::size_t i = at; i < end; ++i) level[i].world.reset();
      }
      for (Found& f : next) f.edge = seen_.edge(f.hash);
      std::sort(next.begin(), next.end(), [](const Found& a, const Found& b) { return a.edge < b.edge; });
      level = std::move(next);
    }
    result_.states = seen_.size();
    if (!is_over_) look_for_livelock();
    return std::move(result_);
  }

 private:
  // Numbers the states of a level, and records the step that led to each.
  void number(const std::vector<Found>& level) {
    level_number_ = parent_edges_.size();
    for (const Found& f : level) {
      seen_.set_number(f.hash, parent_edges_.size());
      parent_edges_.push_back(f.edge);
    }
  }

  bool has_room(std::size_t worlds, std::size_t batch) {
    const std::uint64_t more = batch * children_of_state_max;
    const std::uint64_t kept = seen_.bytes_for(more) + parent_edges_.size() * 8 + edges_.size() * sizeof(HashEdge) +
                               (worlds + more / 4) * bytes_of_world;
    result_.bytes = std::max(result_.bytes, kept);
    if (kept >= options_.bytes_max) return give_up("the bound of memory");
    if (options_.is_over && options_.is_over()) return give_up("the bound of time");
    seen_.make_room(more);
    return true;
  }

  bool give_up(const std::string& why) {
    is_over_ = true;
    result_.verdict.status = Status::inconclusive;
    result_.verdict.observed = why + " was reached at depth " + std::to_string(result_.depth) + ", after " +
                               std::to_string(seen_.size()) + " states";
    return false;
  }

  void expand_batch(const std::vector<Found>& level, std::size_t begin, std::size_t end, std::vector<Found>& next) {
    const std::size_t count =
        std::min<std::size_t>(workers_, std::max<std::size_t>(1, (end - begin) / of_one_worker_min));
    std::vector<Finds> finds(count);
    const auto work = [&](std::size_t w) {
      for (std::size_t i = begin + (end - begin) * w / count; i < begin + (end - begin) * (w + 1) / count; ++i) {
        expand(level[i], level_number_ + i, finds[w]);
        if (finds[w].hit.violation) break;
      }
    };
    std::vector<std::thread> others;
    for (std::size_t w = 1; w < count; ++w) others.emplace_back(work, w);
    work(0);
    for (std::thread& other : others) other.join();
    for (Finds& f : finds) collect(f, next);
    conclude(finds);
    if (!is_over_ && seen_.size() >= options_.states_max)
      give_up("the bound of " + std::to_string(options_.states_max) + " states");
  }

  void collect(Finds& f, std::vector<Found>& next) {
    std::move(f.next.begin(), f.next.end(), std::back_inserter(next));
    if (edges_.size() + f.edges.size() <= options_.edges_max)
      edges_.insert(edges_.end(), f.edges.begin(), f.edges.end());
    else
      has_all_edges_ = false;
    result_.steps += f.steps;
    result_.ends += f.ends;
    result_.end_hashes.insert(f.end_hashes.begin(), f.end_hashes.end());
  }

  // Keeps the batch's first finds, in the order in which one thread would find them.
  void conclude(const std::vector<Finds>& finds) {
    std::array<std::uint64_t, observed_count> first;
    first.fill(~0ull);
    const Hit* hit = nullptr;
    for (const Finds& f : finds) {
      for (std::size_t i = 0; i < observed_count; ++i)
        for (const Hash128& hash : f.without[i]) first[i] = std::min(first[i], seen_.edge(hash));
      if (f.hit.violation && (hit == nullptr || f.hit.order() < hit->order())) hit = &f.hit;
      if (f.is_too_large && !is_over_) give_up("more than 64 files");
    }
    for (std::size_t i = 0; i < observed_count; ++i) observe(result_.*observed_rows[i].what, first[i]);
    if (hit == nullptr) return;
    is_over_ = true;
    result_.verdict = *hit->violation;
    result_.trace = told(hit->end_of != ~0ull ? path_to(hit->end_of) : path_by(hit->edge));
  }

  void observe(Observed& what, std::uint64_t edge) const {
    if (what.is_broken || edge == ~0ull) return;
    what.is_broken = true;
    what.trace = told(path_by(edge));
  }

  void expand(const Found& found, std::uint64_t number, Finds& finds) const {
    const Driver& driver = found.world->driver();
    if (options_.reduce)
      for (unsigned actor = 0; actor < driver.actors(); ++actor)
        if (reduction_.is_private(driver, actor) && go(*found.world, number, actor, 0, finds))
          return;  // no other actor can notice the step: no alternatives
    unsigned went = 0;
    for (unsigned actor = 0; actor < driver.actors(); ++actor)
      for (unsigned outcome = 0; driver.may_go(actor) && outcome < driver.choices(actor); ++outcome)
        went += go(*found.world, number, actor, outcome, finds);
    if (went == 0) end(*found.world, number, finds);
  }

  // Makes the step. Returns false if the actor cannot make it.
  bool go(const World& world, std::uint64_t number, unsigned actor, unsigned outcome, Finds& finds) const {
    if (seen_.size() >= options_.states_max) return true;  // expand_batch() says so
    std::unique_ptr<World>& after = finds.spare;
    if (after)
      *after = world;
    else
      after = std::make_unique<World>(world);
    Violation violation;
    if (!after->step(actor, outcome, violation)) return false;
    ++finds.steps;
    const std::uint64_t edge = ParentEdge::pack(number, actor, outcome);
    if (violation) {
      finds.note({edge, ~0ull, std::move(violation)});
      return true;
    }
    const Hash128 hash = after->hash();
    if (has_all_edges_) finds.edges.push_back({static_cast<std::uint32_t>(number), hash});
    if (!seen_.insert(hash, edge)) return true;
    for (std::size_t i = 0; i < observed_count; ++i)
      if (const Observed& o = result_.*observed_rows[i].what; o.is_asked && !o.is_broken && ((*after).*breaks[i])())
        finds.without[i].push_back(hash);
    finds.is_too_large |= after->is_too_large();
    finds.next.push_back({edge, hash, std::move(after)});
    return true;
  }

  void end(const World& world, std::uint64_t number, Finds& finds) const {
    ++finds.ends;
    if (options_.collect_ends) finds.end_hashes.push_back(world.driver().hash());
    if (Violation violation = world.at_end(!world.driver().all_finished()))
      finds.note({~0ull, number, std::move(violation)});
  }

  // ---- livelock ---------------------------------------------------------------------------------

  void look_for_livelock() {
    if (!has_all_edges_ || result_.verdict.status != Status::holds) return;
    result_.looked_for_livelock = true;
    std::vector<Edge> edges;
    edges.reserve(edges_.size());
    for (const HashEdge& e : edges_) edges.push_back({e.from, static_cast<std::uint32_t>(seen_.number(e.to))});
    const auto state = state_on_cycle(static_cast<std::uint32_t>(parent_edges_.size()), edges);
    if (!state) return;
    result_.verdict =
        violated(Clause::live_returns, "from this state on, steps can be made for ever that lead back to it",
                 "every call returns", rule(Rule::returns));
    result_.trace = told(path_to(*state));
  }

  // ---- paths ------------------------------------------------------------------------------------

  std::vector<std::uint64_t> path_to(std::uint64_t number) const {
    std::vector<std::uint64_t> path;
    for (std::uint64_t edge = parent_edges_[number]; edge != ParentEdge::root;
         edge = parent_edges_[ParentEdge::from(edge)])
      path.push_back(edge);
    std::reverse(path.begin(), path.end());
    return path;
  }

  std::vector<std::uint64_t> path_by(std::uint64_t edge) const {
    std::vector<std::uint64_t> path = path_to(ParentEdge::from(edge));
    path.push_back(edge);
    return path;
  }

  std::vector<TraceStep> told(const std::vector<std::uint64_t>& path) const {
    std::vector<TraceStep> steps;
    Driver driver(setting_);
    for (const std::uint64_t edge : path)
      steps.push_back(tell_step(driver, ParentEdge::actor(edge), ParentEdge::outcome(edge)));
    return steps;
  }

  const ExploreOptions& options_;
  const Setting setting_;
  const Reduction reduction_;
  const unsigned workers_;
  Exploration result_;
  mutable Seen seen_;
  std::vector<std::uint64_t> parent_edges_;  // by state number
  std::vector<HashEdge> edges_;
  std::uint64_t level_number_ = 0;
  bool has_all_edges_ = true, is_over_ = false;
};

}  // namespace

// A set of files is one word (facts.cpp).
std::string why_unexplorable(const Scenario& scenario) {
  constexpr std::int32_t files_max = 40;
  std::int32_t files = 0;
  bool has_memfds = false;
  for (std::uint32_t i = 0; i < scenario.world.line_count; ++i) {
    const sc_world_line& line = scenario.world.line[i];
    has_memfds |= line.kind == SC_WORLD_MEMFDS;
    files += line.kind == SC_WORLD_MEMFDS ? line.second - line.number + 1 : 1;
  }
  if (scenario.world.refusal_count != 0)
    return "the scenario refuses system calls, and the model cannot express refusals";
  if (scenario.fault.kind != SC_FAULT_NONE) return "the scenario has a fault, and on the model nothing goes wrong";
  return has_memfds && files > files_max ? "the scenario opens more than " + std::to_string(files_max) + " files"
                                         : std::string();
}

Exploration explore(const Scenario& scenario, const Planner& planner, const ExploreOptions& options) {
  Exploration none;
  none.verdict.status = Status::unsupported;
  none.verdict.observed = why_unexplorable(scenario);
  return none.verdict.observed.empty() ? Search(scenario, planner, options).run() : none;
}

}  // namespace spawncheck::explore
