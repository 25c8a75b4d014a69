// SPDX-License-Identifier: MIT
#include "model/kernel/invariants.h"

namespace spawncheck::model {

namespace {

SmallVector<std::uint32_t, 12> references_of(const State& state) {
  SmallVector<std::uint32_t, 12> count(state.descriptions.size());
  for (const Table& table : state.tables)
    for (const Entry& e : table.entries())
      if (e.description != none) count[e.description] += static_cast<std::uint32_t>(e.last - e.number + 1);
  for (const Task& task : state.tasks) {
    if (!task.flight.active) continue;
    if (task.flight.held != none) ++count[task.flight.held];
    for (const Index description : task.flight.deferred) ++count[description];
  }
  return count;
}

SmallVector<std::uint16_t, 4> users_of(const State& state) {
  SmallVector<std::uint16_t, 4> users(state.tables.size());
  for (const Task& task : state.tasks) {
    if (task.ended) continue;
    ++users[task.table];
    if (task.flight.active && task.flight.table != none && task.flight.table != task.table) ++users[task.flight.table];
  }
  return users;
}

}  // namespace

std::optional<std::string> broken_invariant(const State& state) {
  const auto count = references_of(state);
  for (Index d = 0; d < state.descriptions.size(); ++d)
    if (count[d] != state.descriptions[d].count)
      return "description " + std::to_string(d) + " counts " + std::to_string(state.descriptions[d].count) +
             " references, there are " + std::to_string(count[d]);
  const auto users = users_of(state);
  for (Index t = 0; t < state.tables.size(); ++t) {
    if (users[t] != state.tables[t].users())
      return "table " + std::to_string(t) + " counts " + std::to_string(state.tables[t].users()) +
             " users, there are " + std::to_string(users[t]);
    if (users[t] == 0 && !state.tables[t].entries().empty())
      return "table " + std::to_string(t) + " has entries and no user";
  }
  for (Index t = 0; t < state.tasks.size(); ++t) {
    const Index child = state.tasks[t].vfork_child;
    if (child != none && (state.tasks[child].ended || state.tasks[child].has_released_memory))
      return "task " + std::to_string(t) + " waits for a child that has released the memory";
  }
  for (Index m = 0; m < state.memories.size(); ++m)
    if (state.memories[m].written_by != state.memories[m].owner)
      return "memory " + std::to_string(m) + " was written by process " + std::to_string(state.memories[m].written_by);
  return std::nullopt;
}

}  // namespace spawncheck::model
