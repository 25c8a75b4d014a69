// SPDX-License-Identifier: MIT
#include "model/kernel/families.h"

namespace spawncheck::model {

namespace {

constexpr std::string_view names[] = {
#define SPAWNCHECK_ROW(id, fields) #id,
    SPAWNCHECK_CALLS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

std::span<const StepRow> rows_of(const InFlightCall& flight) {
  return model::rows_of(static_cast<CallKind>(flight.call.kind));
}

// The row that makes the task's next step: if no limit changes, reading the limit is part of the step after it.
const StepRow& next_row(const State& state, const InFlightCall& flight) {
  const auto rows = rows_of(flight);
  const bool is_skipped = rows[flight.row].reads_limit && !state.has_limit_changes;
  return rows[flight.row + (is_skipped ? 1u : 0u)];
}

// A call makes at most two steps for each number it closes; no scenario needs more steps than this.
constexpr unsigned steps_max = 4u * SC_NUMBER_MAX;

}  // namespace

Kernel kernel_named(std::string_view text) {
  Kernel kernel;
  kernel.name = text;
  kernel.does = std::get<Behaviours>(behaviours_in(text));
  return kernel;
}

std::string_view name(CallKind kind) { return names[static_cast<std::size_t>(kind)]; }

void begin(State& state, Index task, const Call& call) {
  InFlightCall& flight = state.tasks[task].flight;
  flight = InFlightCall{};
  flight.call = call;
  flight.active = true;
}

unsigned outcome_count(const Kernel& kernel, const State& state, Index task) {
  const StepRow& row = next_row(state, state.tasks[task].flight);
  return row.outcomes == nullptr ? 1 : row.outcomes(kernel, state, task);
}

bool only_releases(const State& state, Index task) {
  const InFlightCall& flight = state.tasks[task].flight;
  if (!flight.active) return false;
  auto* const make = rows_of(flight)[flight.row].make;
  return make == release_closed || make == release_replaced;
}

namespace {

// Returns true if another task holds the lock of this task's table across steps.
bool is_locked(const State& state, Index task) {
  for (const Task& other : state.tasks)
    if (other.flight.holds_lock && other.table == state.tasks[task].table && &other != &state.tasks[task]) return true;
  return false;
}

Step make(const Kernel& kernel, State& state, Index task, unsigned outcome, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const Step made = rows_of(flight)[flight.row].make(kernel, state, task, outcome, result);
  if (made != Step::next) return made;
  ++state.tasks[task].flight.row;
  return Step::advanced;
}

}  // namespace

void end_call(State& state, Index task) {
  InFlightCall& flight = state.tasks[task].flight;
  let_go(state, flight);
  for (const Index description : flight.deferred) state.release(description);
  if (flight.table != none && flight.table != state.tasks[task].table) state.leave_table(flight.table);
  flight = InFlightCall{};
}

Step step(const Kernel& kernel, State& state, Index task, unsigned outcome, Result& result) {
  if (next_row(state, state.tasks[task].flight).lock == Lock::table && is_locked(state, task)) return Step::blocked;
  const InFlightCall& flight = state.tasks[task].flight;
  const bool only_reads = rows_of(flight)[flight.row].reads_limit && !state.has_limit_changes;
  Step made = make(kernel, state, task, outcome, result);
  if (only_reads && made == Step::advanced) made = make(kernel, state, task, outcome, result);
  if (made == Step::done) end_call(state, task);
  return made;
}

Step run_call(const Kernel& kernel, State& state, Index task, const Call& call, Result& result) {
  begin(state, task, call);
  for (unsigned i = 0; i < steps_max; ++i) {
    const Step made = step(kernel, state, task, 0, result);
    if (made != Step::advanced) return made;
  }
  return Step::blocked;
}

std::vector<Outcome> outcomes(const Kernel& kernel, const State& state, Index task) {
  std::vector<Outcome> all;
  const unsigned count = outcome_count(kernel, state, task);
  for (unsigned i = 0; i < count; ++i) {
    Outcome outcome{state, Step::blocked, {}};
    outcome.step = step(kernel, outcome.state, task, i, outcome.result);
    if (outcome.step != Step::blocked) all.push_back(std::move(outcome));
  }
  return all;
}

}  // namespace spawncheck::model
