// SPDX-License-Identifier: MIT
#include "impl/schedules/exhaustive.h"

#include <algorithm>
#include <bit>

#include "impl/session/scheduled.h"

namespace spawncheck {

namespace {

constexpr unsigned divergences_max = 100;

std::uint32_t bit(unsigned task) { return 1u << task; }

}  // namespace

ExhaustiveSearch::ExhaustiveSearch(Session& session, const Scenario& scenario, SearchLimits limits)
    : session_(session), scenario_(scenario), limits_(std::move(limits)) {
  if (limits_.preemptions != ~0u) limits_.reduce = false;
}

SearchResult ExhaustiveSearch::run() {
  for (std::uint64_t runs = 0; !result_.is_complete && !result_.violation; ++runs) {
    if (limits_.are_reached(runs)) break;
    if (limits_.progress && runs % 64 == 0) limits_.progress(result_.schedules);
    if (!run_once() || result_.violation) continue;
    result_.is_complete = !advance();
  }
  return result_;
}

// Makes a run by the turns of the nodes, then by RUN_ON. Returns false if the turns did not do the same as last time:
// the caller must try again.
bool ExhaustiveSearch::run_once() {
  sc_policy policy = policy_of(Turns::strict);
  scenario_.schedule.clear();
  for (const Node& n : nodes_) scenario_.schedule.push_back(n.turn);
  if (!nodes_.empty())  // a hint: tasks asleep at the last node go only if no other task can
    for (const auto& [task, unused] : nodes_.back().sleep) policy.avoid |= bit(task);
  Verdict verdict = session_.run_scheduled(scenario_, policy);
  const sc_trace& trace = session_.trace();
  const std::vector<Turn> went = turns_of(trace);
  const bool is_replayed =
      went.size() >= nodes_.size() &&
      std::equal(nodes_.begin(), nodes_.end(), went.begin(), [](const Node& n, const Turn& t) { return n.turn == t; });
  if (session_.history().end == SC_RUN_MISLED || !is_replayed) {
    if (++result_.diverged > divergences_max) {
      verdict.status = Status::inconclusive;
      verdict.observed = "the same turns do not do the same again: the search cannot go on";
      result_.violation = std::move(verdict);
    }
    return false;
  }
  ++result_.by_status[static_cast<int>(verdict.status)];
  result_.tasks = std::max(result_.tasks, trace.task_count);
  result_.steps = std::max(result_.steps, static_cast<unsigned>(went.size()));
  if (limits_.after_run) limits_.after_run(scenario_, session_, verdict);
  if (verdict.status == Status::violated) {
    result_.violation = std::move(verdict);
    result_.schedule = went;
    ++result_.schedules;
    return true;
  }
  names_.clear();
  for (unsigned i = 0; i < trace.task_count; ++i) names_.push_back({trace.task[i].thread, trace.task[i].child});
  const std::size_t from = has_begun_ ? nodes_.size() - 1 : 0;
  has_begun_ = true;
  follow(trace, from);
  if (limits_.reduce) find_races(from);
  return true;
}

// Adds nodes for the steps after the given turns, up to the first step of a sleeping task: what follows has been run.
void ExhaustiveSearch::follow(const sc_trace& trace, std::size_t from) {
  steps_ = transitions_of(scenario_, trace);
  for (std::size_t i = from < nodes_.size() ? nodes_.size() : from; i < steps_.size(); ++i) {
    Node node;
    node.task = steps_[i].task;
    node.turn = names_[node.task];
    node.enabled = steps_[i].enabled;
    if (limits_.reduce && i > 0) node.sleep = sleep_after(i - 1);
    if (node.sleep.contains(node.task)) {
      steps_.resize(i);
      std::uint32_t awake = node.enabled;
      for (const auto& [task, unused] : node.sleep) awake &= ~bit(task);
      if (awake != 0) {  // the run went on with a sleeper although another could go
        node.done = bit(node.task);
        node.backtrack = awake & -awake;
        nodes_.push_back(std::move(node));
      }
      ++result_.pruned;
      return;
    }
    node.backtrack = limits_.reduce ? bit(node.task) : node.enabled;
    nodes_.push_back(std::move(node));
  }
  ++result_.schedules;
}

// Returns the tasks asleep at node i, those that it has gone through included, that its present step leaves asleep.
std::map<std::uint8_t, ExhaustiveSearch::Asleep> ExhaustiveSearch::sleep_after(std::size_t i) const {
  std::map<std::uint8_t, Asleep> left;
  if (i >= nodes_.size() || i >= steps_.size()) return left;
  for (const auto& [task, asleep] : nodes_[i].sleep) {
    const Transition sleeper{task, 0, asleep.tasks, asleep.accesses};
    if (task != nodes_[i].task && commute(sleeper, steps_[i])) left.emplace(task, asleep);
  }
  return left;
}

// Finds the races (i, j): j could have come right before i, so the other order must be run too.
void ExhaustiveSearch::find_races(std::size_t from) {
  const std::size_t n = steps_.size();
  std::vector<std::vector<std::uint64_t>> before(n);  // bit i of before[j]: i happens before j
  const std::size_t words = n / 64 + 1;
  for (std::size_t j = 0; j < n; ++j) {
    before[j].assign(words, 0);
    for (std::size_t i = j; i-- > 0;) {
      if ((before[j][i / 64] >> (i % 64) & 1) != 0 || commute(steps_[i], steps_[j])) continue;
      const bool is_race = steps_[i].task != steps_[j].task && (steps_[i].tasks >> steps_[j].task & 1) == 0;
      if (is_race && j >= from) {
        std::vector<std::uint64_t> after(words, 0);  // of i, among those before j
        for (std::size_t m = i + 1; m < j; ++m)
          if (before[m][i / 64] >> (i % 64) & 1) after[m / 64] |= 1ull << (m % 64);
        add_backtrack(i, j, after);
      }
      for (std::size_t w = 0; w < words; ++w) before[j][w] |= before[i][w];
      before[j][i / 64] |= 1ull << (i % 64);
    }
  }
}

// Adds an initial to node i: a task that can begin the steps between i and j that do not happen after i, then j.
void ExhaustiveSearch::add_backtrack(std::size_t i, std::size_t j, const std::vector<std::uint64_t>& after) {
  Node& node = nodes_[i];
  for (const Transition* t : {&steps_[i], &steps_[j]})
    for (const Access& a : t->accesses)
      if (a.kind == Access::everything) {  // the step may have ended the task that would have gone
        node.backtrack |= node.enabled;
        return;
      }
  std::vector<std::size_t> rest;
  for (std::size_t m = i + 1; m < j; ++m)
    if ((after[m / 64] >> (m % 64) & 1) == 0) rest.push_back(m);
  rest.push_back(j);
  std::uint32_t initials = 0, seen = 0;
  for (std::size_t k = 0; k < rest.size(); ++k) {
    const Transition& t = steps_[rest[k]];
    bool is_first = (seen >> t.task & 1) == 0;
    for (std::size_t e = 0; e < k && is_first; ++e) is_first = commute(steps_[rest[e]], t);
    seen |= t.tasks;
    if (is_first) initials |= bit(t.task);
  }
  if ((initials & node.backtrack) != 0) return;
  for (const auto& [task, unused] : node.sleep)
    if (initials >> task & 1) return;
  const std::uint32_t can = initials & node.enabled;
  if (can == 0)
    node.backtrack |= node.enabled;
  else
    node.backtrack |= (can >> steps_[j].task & 1) != 0 ? bit(steps_[j].task) : can & -can;
}

unsigned ExhaustiveSearch::preemptions_before(std::size_t i, std::uint8_t next) const {
  unsigned count = 0;
  for (std::size_t k = 1; k <= i; ++k) {
    const std::uint8_t last = nodes_[k - 1].task, now = k == i ? next : nodes_[k].task;
    count += last != now && (nodes_[k].enabled >> last & 1) != 0;
  }
  return count;
}

std::uint32_t ExhaustiveSearch::choices(std::size_t i) const {
  const Node& n = nodes_[i];
  std::uint32_t set = n.backtrack & n.enabled & ~n.done;
  for (const auto& [task, unused] : n.sleep) set &= ~bit(task);
  if (limits_.preemptions != ~0u)
    for (unsigned t = 0; t < SC_TASKS_MAX; ++t)
      if ((set >> t & 1) != 0 && preemptions_before(i, static_cast<std::uint8_t>(t)) > limits_.preemptions)
        set &= ~bit(t);
  return set;
}

// Goes to the next schedule. Returns false if there is none.
bool ExhaustiveSearch::advance() {
  while (!nodes_.empty()) {
    const std::size_t i = nodes_.size() - 1;
    Node& node = nodes_[i];
    node.done |= bit(node.task);
    if (limits_.reduce && i < steps_.size())
      node.sleep.insert_or_assign(node.task, Asleep{steps_[i].tasks, steps_[i].accesses});
    const std::uint32_t next = choices(i);
    if (next == 0) {
      nodes_.pop_back();
      continue;
    }
    node.task = static_cast<std::uint8_t>(std::countr_zero(next));
    node.turn = names_[node.task];
    steps_.resize(std::min(steps_.size(), i));
    return true;
  }
  return false;
}

}  // namespace spawncheck
