// SPDX-License-Identifier: MIT
#include "impl/schedules/search/walks.h"

#include <algorithm>
#include <numeric>

namespace spawncheck {

// ---- PCT ---------------------------------------------------------------------------------------

void PctWalk::begin(std::uint64_t seed) {
  random_ = Random(seed);
  steps_ = 0;
  priorities_.clear();
  changes_.clear();
  for (unsigned i = 1; i < depth_; ++i) changes_.push_back(1 + random_.below(steps_most_));
}

// The first priorities are above all that change points give.
std::uint64_t PctWalk::priority(std::uint8_t task) {
  return priorities_.try_emplace(task, depth_ + (random_.next() >> 32)).first->second;
}

void PctWalk::did(const Event& event) {
  ++steps_;
  priority(event.task);
  for (std::size_t i = 0; i < changes_.size(); ++i)
    if (changes_[i] == steps_) priorities_[event.task] = changes_.size() - i;
}

std::size_t PctWalk::choose(const std::vector<Event>& can) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < can.size(); ++i)
    if (priority(can[i].task) > priority(can[best].task)) best = i;
  return best;
}

void PctWalk::end(bool) { steps_most_ = std::max(steps_most_, steps_); }

// ---- POS ---------------------------------------------------------------------------------------

void PosWalk::begin(std::uint64_t seed) {
  random_ = Random(seed);
  priorities_.clear();
  pending_.clear();
}

void PosWalk::did(const Event& event) {
  priorities_.erase(event.task);
  for (const Event& other : pending_)
    if (conflict(event, other)) priorities_.erase(other.task);
}

std::size_t PosWalk::choose(const std::vector<Event>& can) {
  std::vector<std::size_t> all(can.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return choose_of(can, all);
}

std::size_t PosWalk::choose_of(const std::vector<Event>& can, const std::vector<std::size_t>& may) {
  for (const Event& event : can) priorities_.try_emplace(event.task, random_.next());
  pending_ = can;
  return *std::max_element(may.begin(), may.end(), [&](std::size_t a, std::size_t b) {
    return priorities_[can[a].task] < priorities_[can[b].task];
  });
}

// ---- SURW --------------------------------------------------------------------------------------

SurwWalk::Kinds SurwWalk::kinds_of(const Event& event) {
  Kinds kinds = 0;
  for (const Access& a : event.accesses) kinds |= 1u << a.kind;
  return kinds;
}

bool SurwWalk::counts(const Event& event) const { return !kind_ || (kinds_of(event) >> *kind_ & 1) != 0; }

void SurwWalk::begin(std::uint64_t seed) {
  random_ = Random(seed);
  done_.clear();
  left_.clear();
  meetings_.clear();
  picked_.reset();
  kind_.reset();
  if (!contested_.empty()) kind_ = contested_[random_.below(static_cast<std::uint32_t>(contested_.size()))];
  for (const auto& [name, events] : last_)
    left_[name] = static_cast<std::uint32_t>(
        std::count_if(events.begin(), events.end(), [&](Kinds kinds) { return !kind_ || (kinds >> *kind_ & 1) != 0; }));
}

void SurwWalk::did(const Event& event) {
  const Name name{event.name.thread, event.name.child};
  done_[name].push_back(kinds_of(event));
  for (const Access& a : event.accesses) {
    Meeting& meeting = meetings_[{a.kind, a.id}];
    meeting.tasks |= 1u << event.task;
    meeting.has_write |= a.mode == Access::write;
  }
  if (!counts(event)) return;
  if (auto left = left_.find(name); left != left_.end() && left->second > 0) --left->second;
  if (picked_ == name) picked_.reset();
}

// Returns how many counted events the event's task has left, a thread's with those of its children that have done
// nothing yet; at least one.
std::uint32_t SurwWalk::left(const Event& event) const {
  std::uint32_t sum = 0;
  for (const auto& [name, count] : left_) {
    const bool is_it = name == Name{event.name.thread, event.name.child};
    const bool is_to_come = event.name.child < 0 && name.first == event.name.thread && !done_.contains(name);
    if (is_it || is_to_come) sum += count;
  }
  return std::max(sum, 1u);
}

std::size_t SurwWalk::pick(const std::vector<Event>& can) {
  std::uint32_t sum = 0;
  for (const Event& event : can) sum += left(event);
  std::uint32_t at = random_.below(sum);
  for (std::size_t i = 0; i < can.size(); ++i) {
    if (at < left(can[i])) return i;
    at -= left(can[i]);
  }
  return 0;
}

std::size_t SurwWalk::choose(const std::vector<Event>& can) {
  std::vector<std::size_t> may;
  for (int tries = 0; tries < 2 && may.empty(); ++tries) {
    if (!picked_) {
      const Event& it = can[pick(can)];
      picked_ = Name{it.name.thread, it.name.child};
    }
    for (std::size_t i = 0; i < can.size(); ++i)
      if (!counts(can[i]) || picked_ == Name{can[i].name.thread, can[i].name.child}) may.push_back(i);
    if (may.empty()) picked_.reset();  // the picked task cannot go: picks another
  }
  return may[random_.below(static_cast<std::uint32_t>(may.size()))];
}

void SurwWalk::end(bool) {
  last_ = done_;
  std::vector<Access::Kind> contested;
  for (const auto& [what, meeting] : meetings_)
    if (meeting.has_write && (meeting.tasks & (meeting.tasks - 1)) != 0)
      contested.push_back(static_cast<Access::Kind>(what.first));
  std::sort(contested.begin(), contested.end());
  contested.erase(std::unique(contested.begin(), contested.end()), contested.end());
  contested_ = std::move(contested);
}

}  // namespace spawncheck
