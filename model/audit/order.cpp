// SPDX-License-Identifier: MIT
#include "model/audit/order.h"

#include <algorithm>

namespace spawncheck::audit {

namespace {

std::uint32_t known_of(const Clock& clock, TaskId task) {
  const auto at = std::lower_bound(clock.begin(), clock.end(), std::pair(task, 0u));
  return at != clock.end() && at->first == task ? at->second : 0;
}

bool is_within(const Clock& a, const Clock& b) {
  return std::all_of(a.begin(), a.end(), [&](const auto& e) { return known_of(b, e.first) >= e.second; });
}

// For each task the later of both.
std::shared_ptr<const Clock> joined(const std::shared_ptr<const Clock>& a, const std::shared_ptr<const Clock>& b) {
  if (a == b || is_within(*b, *a)) return a;
  if (is_within(*a, *b)) return b;
  auto out = std::make_shared<Clock>();
  out->reserve(a->size() + b->size());
  auto x = a->begin();
  auto y = b->begin();
  while (x != a->end() || y != b->end()) {
    if (y == b->end() || (x != a->end() && x->first < y->first))
      out->push_back(*x++);
    else if (x == a->end() || y->first < x->first)
      out->push_back(*y++);
    else {
      out->emplace_back(x->first, std::max(x->second, y->second));
      ++x;
      ++y;
    }
  }
  return out;
}

std::shared_ptr<const Clock> with(const std::shared_ptr<const Clock>& clock, TaskId task, std::uint32_t count) {
  return joined(clock, std::make_shared<const Clock>(Clock{{task, count}}));
}

}  // namespace

bool is_before(const Instant& a, const Instant& b) {
  if (a.task == b.task) return a.count < b.count;
  return b.seen && known_of(*b.seen, a.task) >= a.count;
}

void Order::born(TaskId parent, TaskId child) {
  Task born;
  if (parent >= 0) {
    Task& from = tasks_[parent];
    born.seen = with(from.seen, parent, from.count);
    ++from.count;
  }
  tasks_[child] = std::move(born);
}

void Order::release(TaskId task, std::uint64_t object) {
  Task& from = tasks_[task];
  const auto carried = with(from.seen, task, from.count);
  ++from.count;
  auto& at = objects_[object];
  at = at ? joined(at, carried) : carried;
}

void Order::acquire(TaskId task, std::uint64_t object) {
  const auto at = objects_.find(object);
  if (at == objects_.end()) return;
  Task& to = tasks_[task];
  to.seen = joined(to.seen, at->second);
  ++to.count;
}

Instant Order::now(TaskId task) {
  Task& of = tasks_[task];
  return {task, of.count++, of.seen};
}

}  // namespace spawncheck::audit
