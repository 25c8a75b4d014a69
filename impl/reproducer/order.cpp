// SPDX-License-Identifier: MIT
#include "impl/reproducer/order.h"

#include <algorithm>

#include "impl/reproducer/calls.h"

namespace spawncheck {

namespace {

using Key = std::pair<unsigned, unsigned>;

// Replaces the steps of each spawn by one library call and, if other tasks went during it, its return.
std::vector<RecordedEvent> with_library_calls(const std::vector<RecordedEvent>& events, const Scenario& scenario) {
  std::vector<RecordedEvent> out;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const RecordedEvent& e = events[i];
    if (!is_spawn(scenario, e.thread, e.operation)) {
      out.push_back(e);
      continue;
    }
    const Key key{e.thread, e.operation};
    const auto is_same = [&](const RecordedEvent& other) { return Key{other.thread, other.operation} == key; };
    const bool is_begin = std::none_of(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(i), is_same);
    const bool is_end = std::none_of(events.begin() + static_cast<std::ptrdiff_t>(i) + 1, events.end(), is_same);
    RecordedEvent call = e;
    call.task = e.thread;
    call.step = nullptr;
    if (is_begin) {
      call.kind = RecordedKind::library_call;
      out.push_back(call);
    }
    if (!is_end) continue;
    const auto begun = std::find_if(out.begin(), out.end(), [&](const RecordedEvent& o) {
      return o.kind == RecordedKind::library_call && is_same(o);
    });
    if (begun + 1 == out.end()) continue;
    begun->is_open = true;
    call.kind = RecordedKind::library_return;
    out.push_back(call);
  }
  return out;
}

}  // namespace

bool is_spawn(const Scenario& scenario, unsigned thread, unsigned operation) {
  const auto& operations = scenario.threads[thread].operations;
  return operation < operations.size() && operations[operation].kind == SC_OP_SPAWN;
}

std::vector<RecordedEvent> order_of(const Recorded& recorded, bool by_library) {
  std::vector<RecordedEvent> events;
  for (unsigned i = 0; i < recorded.trace->step_count; ++i) {
    const sc_step& step = recorded.trace->step[i];
    const sc_task& task = recorded.trace->task[step.task];
    if (!is_written(step)) continue;
    if (is_spawn(recorded.scenario, task.thread, step.operation) && only_asks(step)) continue;
    RecordedEvent e;
    e.task = step.task;
    e.thread = task.thread;
    e.operation = step.operation;
    e.step = &step;
    events.push_back(e);
  }
  if (by_library) events = with_library_calls(events, recorded.scenario);
  unsigned block = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    RecordedEvent& e = events[i];
    // A library call during which other tasks go hands its turn on before it is made.
    const bool is_new = i == 0 || events[i - 1].task != e.task || events[i - 1].is_open || e.is_open ||
                        (events[i - 1].kind == RecordedKind::call && events[i - 1].step->outcome == SC_OUTCOME_SLEEPS);
    if (i != 0 && is_new) {
      events[i - 1].is_last = true;
      ++block;
    }
    e.is_first = is_new;
    e.block = block;
  }
  if (!events.empty()) events.back().is_last = true;
  return events;
}

}  // namespace spawncheck
