// SPDX-License-Identifier: MIT
#include "model/explore/claims.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include "impl/peers/implementation.h"
#include "model/explore/simulated_spawn.h"
#include "model/kernel/call.h"

namespace spawncheck::explore {

namespace {

using Keep = std::vector<std::pair<std::int32_t, std::int32_t>>;
using Steps = std::vector<spawn_step>;

spawn_step make(spawn_step_kind kind, std::int32_t a = -1, std::int32_t b = -1) {
  spawn_step s{};
  s.kind = kind;
  s.a = a;
  s.b = b;
  return s;
}

void close_range(Steps& steps, std::uint32_t first, std::uint32_t last, std::uint32_t flags) {
  spawn_step s = make(SPAWN_STEP_CLOSE_RANGE);
  s.first = first;
  s.last = last;
  s.flags = static_cast<std::uint16_t>(flags);
  steps.push_back(s);
}

// The gaps between the sources, from the highest down: the first makes the table private.
void close_gaps(Steps& steps, const Keep& keep, bool unshare_first) {
  std::vector<std::uint32_t> sources;
  for (const auto& k : keep) sources.push_back(static_cast<std::uint32_t>(k.first));
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  const std::size_t begin = steps.size();
  std::uint32_t last = ~0u;
  for (auto s = sources.rbegin(); s != sources.rend(); ++s) {
    if (*s < last) close_range(steps, *s + 1, last, 0);
    if (*s == 0) {
      last = 0;
      break;
    }
    last = *s - 1;
  }
  if (sources.empty() || sources.front() != 0) close_range(steps, 0, last, 0);
  if (steps.size() > begin) steps[unshare_first ? begin : steps.size() - 1].flags = model::close_range_unshare;
}

void move(Steps& steps, const Keep& keep, bool closes_sources) {
  for (const auto& [source, target] : keep)
    steps.push_back(source == target ? make(SPAWN_STEP_CLEAR_CLOEXEC, source) : make(SPAWN_STEP_DUP, source, target));
  if (!closes_sources) return;
  for (const auto& k : keep)
    if (std::none_of(keep.begin(), keep.end(), [&](const auto& other) { return other.second == k.first; }))
      steps.push_back(make(SPAWN_STEP_CLOSE, k.first));
}

void end(Steps& steps, const PlanRequest& r) {
  spawn_step mask = make(SPAWN_STEP_MASK);
  mask.flags = SPAWN_MASK_OF_CALLER;
  steps.push_back(mask);
  spawn_step exec = make(SPAWN_STEP_EXEC);
  exec.path = r.program;
  steps.push_back(exec);
}

// Fetches each kept descriptor from the caller's table and moves it to its target. The child's own table is empty
// except for the pidfd, so each new number is known: the lowest unused one.
void fetch(Steps& steps, Keep keep, bool has_pidfd) {
  std::vector<std::int32_t> used;
  if (has_pidfd) used.push_back(0);
  std::stable_sort(keep.begin(), keep.end(), [](const auto& a, const auto& b) {
    return (a.second != 0) > (b.second != 0);
  });  // 0 last: it has the pidfd
  for (const auto& [source, target] : keep) {
    std::int32_t got = 0;
    while (std::find(used.begin(), used.end(), got) != used.end()) ++got;
    steps.push_back(make(SPAWN_STEP_FETCH, source, got));
    used.push_back(target);
    if (got == target) {
      steps.push_back(make(SPAWN_STEP_CLEAR_CLOEXEC, target));
      continue;
    }
    steps.push_back(make(SPAWN_STEP_DUP, got, target));
    steps.push_back(make(SPAWN_STEP_CLOSE, got));
  }
  if (has_pidfd && (keep.empty() || keep.back().second != 0)) steps.push_back(make(SPAWN_STEP_CLOSE, 0));
}

constexpr std::uint32_t on_our_memory = SPAWN_START_VM | SPAWN_START_VFORK | SPAWN_START_CLEAR_SIGHAND;

// Returns 0, or an errno if the way cannot express the request.
int build(Way way, const PlanRequest& r, Steps& steps, std::uint32_t& start, std::vector<std::uint32_t>& array) {
  const bool only = r.request->policy == SPAWNCHECK_FDS_ONLY, has_one = r.keep.size() == 1;
  start = on_our_memory | SPAWN_START_FILES;
  switch (way) {
    case Way::FORK:
    case Way::VFORK:
      start = way == Way::FORK ? std::uint32_t{SPAWN_START_CLEAR_SIGHAND | SPAWN_START_VFORK} : on_our_memory;
      if (only) close_gaps(steps, r.keep, true);
      move(steps, r.keep, only);
      break;
    case Way::SHARED_UNSHARE:
      if (!r.keep.empty()) return EOPNOTSUPP;
      close_range(steps, 0, ~0u, model::close_range_unshare);
      break;
    case Way::SHARED_CLEAR_FIRST:
      for (const auto& k : r.keep) steps.push_back(make(SPAWN_STEP_CLEAR_CLOEXEC, k.first));
      close_gaps(steps, r.keep, true);
      move(steps, r.keep, true);
      break;
    case Way::SHARED_GAPS:
    case Way::SHARED_GAPS_LATE:
    case Way::NO_VFORK:
      if (way == Way::NO_VFORK) start &= ~static_cast<std::uint32_t>(SPAWN_START_VFORK);
      close_gaps(steps, r.keep, way != Way::SHARED_GAPS_LATE);
      move(steps, r.keep, true);
      break;
    case Way::SHARED_EXEC:
      break;
    case Way::NOT_BLOCKED: {
      start = SPAWN_START_VM | SPAWN_START_VFORK | SPAWN_START_FILES;
      spawn_step mask = make(SPAWN_STEP_MASK);
      mask.flags = SPAWN_MASK_OF_CALLER;
      steps.push_back(mask);
      close_gaps(steps, r.keep, true);
      move(steps, r.keep, true);
      break;
    }
    case Way::EXCEPT:
    case Way::EXCEPT_CLOEXEC: {
      if (!has_one) return EOPNOTSUPP;
      const auto number = static_cast<std::uint32_t>(r.keep[0].first);
      close_range(steps, number, number,
                  model::close_range_unshare | model::close_range_except |
                      (way == Way::EXCEPT_CLOEXEC ? model::close_range_cloexec_only : 0u));
      move(steps, r.keep, way == Way::EXCEPT);
      break;
    }
    case Way::FETCHED:
      close_range(steps, 0, ~0u, model::close_range_unshare);
      steps.push_back(make(SPAWN_STEP_CALLER, 0));
      fetch(steps, r.keep, true);
      break;
    case Way::EMPTY:
      start = on_our_memory | model::start_empty;
      fetch(steps, r.keep, false);
      break;
    case Way::ARRAY: {
      spawn_step but = make(SPAWN_STEP_CLOSE_RANGE);
      but.flags = keeps_an_array;
      for (const auto& k : r.keep) {
        but.bits |= k.first < 64 ? 1ull << k.first : 0;  // read by the model
        array.push_back(static_cast<std::uint32_t>(k.first));
      }
      but.data = array.data();
      but.a = static_cast<std::int32_t>(array.size());
      steps.push_back(but);
      move(steps, r.keep, true);
      break;
    }
    case Way::count:
      return EINVAL;
  }
  end(steps, r);
  return 0;
}

struct Row {
  std::string_view word, needs;
};
constexpr Row rows[] = {
#define SPAWNCHECK_ROW(id, word, needs, what) {word, needs},
    SPAWNCHECK_WAYS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

}  // namespace

std::string_view word(Way way) { return rows[static_cast<std::size_t>(way)].word; }
std::string_view needs(Way way) { return rows[static_cast<std::size_t>(way)].needs; }

Planner planner_of(std::string_view name) {
  for (int w = 0; w < static_cast<int>(Way::count); ++w) {
    const Way way = static_cast<Way>(w);
    if (word(way) != name) continue;
    return [way, steps = std::make_shared<Steps>(), array = std::make_shared<std::vector<std::uint32_t>>()](
               const PlanRequest& r, spawn_plan& plan) {
      steps->clear();
      array->clear();
      plan = spawn_plan{};
      if (const int error = build(way, r, *steps, plan.start, *array)) return error;
      plan.step = steps->data();
      plan.step_count = static_cast<std::uint32_t>(steps->size());
      return 0;
    };
  }
  return {};
}

}  // namespace spawncheck::explore
