// SPDX-License-Identifier: MIT
#include "impl/schedules/search/reads_from.h"

#include <algorithm>
#include <set>

namespace spawncheck {

namespace {

AbstractEvent abstract(const Event& event, Access::Kind kind, std::int32_t slot) {
  return {event.name.thread, event.name.child, event.operation, event.call, kind, slot};
}

AbstractEvent at_first(Access::Kind kind, std::int32_t slot) {
  AbstractEvent none;
  none.kind = kind;
  none.slot = slot;
  return none;
}

struct Variable {
  Access::Kind kind;
  std::uint16_t id;
  std::int32_t slot;
  auto operator<=>(const Variable&) const = default;
};

bool covers(const Touched& t, const Variable& v) {
  return t.kind == v.kind && t.id == v.id && t.low <= v.slot && v.slot <= t.high;
}

}  // namespace

// A write to a number, a flag, a limit, a disposition or a directory reads nothing. Every access to another variable
// reads it.
Touched touched(const Access& a) {
  Touched t{a.kind, a.id, a.low, a.high, a.mode == Access::read, a.mode != Access::read};
  switch (a.kind) {
    case Access::occupancy:
    case Access::flags:
      return t;
    case Access::memory:
      t.low = t.high = a.id;
      break;
    default:
      t.low = t.high = 0;
  }
  if (a.kind != Access::dispositions && a.kind != Access::limit && a.kind != Access::place) t.is_read = true;
  return t;
}

bool AbstractEvent::is_of(const Event& event) const {
  if (call != event.call || (thread != any && thread != event.name.thread)) return false;
  if (operation != any && operation != event.operation) return false;
  return child == any ? event.name.child >= 0 : child == event.name.child;
}

AbstractEvent AbstractEvent::widened() const {
  AbstractEvent wide = *this;
  wide.thread = wide.operation = any;
  if (child >= 0) wide.child = any;
  wide.slot = any;
  return wide;
}

void WriteLog::add(const Event& event, int number) {
  for (const Access& a : event.accesses) {
    const Touched t = touched(a);
    if (!t.is_write) continue;
    if (t.low == t.high)
      last_[{t.kind, t.id, t.low}] = number;
    else
      ranges_.push_back({t, number});
  }
}

int WriteLog::last(Access::Kind kind, std::uint16_t id, std::int32_t slot) const {
  int number = -1;
  if (const auto at = last_.find({kind, id, slot}); at != last_.end()) number = at->second;
  for (const Range& r : ranges_)
    if (r.what.kind == kind && r.what.id == id && r.what.low <= slot && slot <= r.what.high)
      number = std::max(number, r.number);
  return number;
}

std::vector<std::int32_t> WriteLog::written(Access::Kind kind, std::uint16_t id, std::int32_t low,
                                            std::int32_t high) const {
  std::vector<std::int32_t> slots;
  for (auto at = last_.lower_bound({kind, id, low}); at != last_.end(); ++at) {
    if (at->first.kind != kind || at->first.id != id || at->first.slot > high) break;
    slots.push_back(at->first.slot);
  }
  return slots;
}

RunPairs pairs_of(const std::vector<Event>& run) {
  std::set<Variable> variables;
  for (const Event& event : run)
    for (const Access& a : event.accesses)
      if (const Touched t = touched(a); t.is_write && t.low == t.high) variables.insert({t.kind, t.id, t.low});
  std::set<ReadsFrom> seen, possible;
  for (const Variable& v : variables) {
    std::vector<const Event*> readers, writers;
    std::vector<const Event*> saw;  // of each reader: the last write, null: none yet
    for (const Event& event : run) {
      bool is_read = false, is_write = false;
      for (const Access& a : event.accesses)
        if (const Touched t = touched(a); covers(t, v)) is_read |= t.is_read, is_write |= t.is_write;
      if (is_read) readers.push_back(&event), saw.push_back(writers.empty() ? nullptr : writers.back());
      if (is_write) writers.push_back(&event);
    }
    for (std::size_t r = 0; r < readers.size(); ++r) {
      const AbstractEvent read = abstract(*readers[r], v.kind, v.slot);
      bool is_contested = false;
      for (const Event* writer : writers) {
        if (writer->task == readers[r]->task) continue;
        is_contested = true;
        possible.insert({abstract(*writer, v.kind, v.slot), read});
      }
      if (!is_contested) continue;
      possible.insert({at_first(v.kind, v.slot), read});
      if (saw[r] == nullptr)
        seen.insert({at_first(v.kind, v.slot), read});
      else if (saw[r]->task != readers[r]->task)
        seen.insert({abstract(*saw[r], v.kind, v.slot), read});
    }
  }
  return {{seen.begin(), seen.end()}, {possible.begin(), possible.end()}};
}

}  // namespace spawncheck
