// SPDX-License-Identifier: MIT
#include "model/litmus/execution.h"

#include <algorithm>

#include "model/kernel/operation_call.h"
#include "model/kernel/signals.h"
#include "model/scenario/words.h"

namespace spawncheck::litmus {

using model::Flight;
using model::Index;
using model::Result;
using model::Step;

namespace {

bool sends_signals(const Scenario& s) {
  for (const Thread& thread : s.threads)
    for (const sc_operation& op : thread.operations)
      if (row_of(op).operands.find_first_of("sS") != std::string_view::npos) return true;
  return false;
}

bool same(const Result& a, const Result& b) {
  return a.error == b.error && a.value[0] == b.value[0] && a.value[1] == b.value[1];
}

}  // namespace

Execution::Execution(const Scenario& scenario, const model::Kernel& kernel)
    : scenario_(&scenario),
      kernel_(&kernel),
      threads_(static_cast<unsigned>(scenario.threads.size())),
      has_signals_(sends_signals(scenario)),
      state_(model::initial_state(scenario.world, static_cast<std::uint32_t>(scenario.threads.size()), nullptr)) {
  mode_.fill(Mode::user);
}

const Result* Execution::result(unsigned thread, std::size_t operation) const {
  return operation < results_[thread].size() ? &results_[thread][operation] : nullptr;
}

std::int32_t Execution::resolve(unsigned t, const sc_operand& operand) const {
  if (!operand.variable) return operand.value;
  for (std::size_t o = position_[t]; o-- > 0;)
    for (int i = 0; i < 2; ++i)
      if (scenario_->threads[t].operations[o].result[i] == operand.value)
        return results_[t][o].error == 0 ? results_[t][o].value[i] : -1;
  return -1;
}

// Before the thread is back in user mode it takes all that is pending for it alone. What was sent to the process and
// may as well be taken by another thread can wait for that one (kernel/signal.c complete_signal wakes one thread).
bool Execution::must_take_first(unsigned t) const {
  const model::Task& own = state_.tasks[t];
  std::uint64_t shared = state_.processes[own.process].shared_pending.set;
  for (unsigned other = 0; other < threads_; ++other)
    if (other != t && !state_.tasks[other].ended) shared &= model::blocked_signals(state_, static_cast<Index>(other));
  return ((own.pending.set | shared) & ~model::blocked_signals(state_, static_cast<Index>(t))) != 0;
}

model::Few<Execution::Way, 4> Execution::ways(unsigned t) const {
  model::Few<Way, 4> ways;
  if (ended_by_ != 0) return ways;
  const bool may_take = has_signals_ && model::next_signal(state_, static_cast<Index>(t)) != 0;
  if (state_.tasks[t].flight.active) {
    ways.push_back(Way::go_on);
    if (may_take || is_stopped()) ways.push_back(Way::interrupt);
    return ways;
  }
  if (may_take) ways.push_back(Way::take);
  if (is_finished(t)) return ways;
  if (mode_[t] == Mode::user)
    ways.push_back(Way::begin);
  else if (!is_stopped() && !must_take_first(t) && (mode_[t] == Mode::leaving || !may_take))
    ways.push_back(Way::leave);
  if (is_stopped() && mode_[t] == Mode::user) ways.push_back(Way::notice);
  return ways;
}

unsigned Execution::choices(unsigned t) const {
  const auto all = ways(t);
  if (!all.empty() && all[0] == Way::go_on)
    return static_cast<unsigned>(all.size()) - 1 + model::outcome_count(*kernel_, state_, static_cast<Index>(t));
  return static_cast<unsigned>(all.size());
}

bool Execution::step(unsigned t, unsigned choice) {
  const auto all = ways(t);
  if (all[0] == Way::go_on) {
    const unsigned outcomes = model::outcome_count(*kernel_, state_, static_cast<Index>(t));
    if (choice < outcomes) return go_on(t, choice);
    choice -= outcomes - 1;
  }
  switch (all[choice]) {
    case Way::begin:
      return begin(t);
    case Way::take:
      take(t);
      return true;
    case Way::leave:
      mode_[t] = Mode::user;
      return true;
    case Way::interrupt:
      return model::interrupt(state_, static_cast<Index>(t));
    default:
      mode_[t] = Mode::taking;
      return true;  // it notices that the process stops
  }
}

bool Execution::begin(unsigned t) {
  model::Resolved resolved;
  resolved.identity = sc_identity_of_op(t, position_[t]);
  for (int i = 0; i < 2; ++i) resolved.operand[i] = resolve(t, operation(t).operand[i]);
  const std::optional<model::Call> call = model::call_of(operation(t), resolved);
  if (!call) return false;
  model::begin(state_, static_cast<Index>(t), *call);
  return go_on(t, 0);
}

bool Execution::go_on(unsigned t, unsigned outcome) {
  Result result;
  switch (model::step(*kernel_, state_, static_cast<Index>(t), outcome, result)) {
    case Step::blocked:
      return false;
    case Step::advanced:
      return true;
    default:
      returns(t, result);
      return true;
  }
}

// A call that a signal has interrupted is made again once the signal has been taken, or without one where another
// thread took it.
void Execution::returns(unsigned t, const Result& result) {
  mode_[t] = result.error == model::restart ? Mode::taking : has_signals_ ? Mode::leaving : Mode::user;
  if (result.error == model::restart) return;
  results_[t].push_back(result);
  ++position_[t];
}

void Execution::take(unsigned t) {
  const auto task = static_cast<Index>(t);
  const int signal = model::take_signal(state_, task);
  const model::Delivery how = model::deliver(state_, task, signal);
  model::return_from_handlers(state_, task);
  if (how == model::Delivery::handled) ++handled_[static_cast<std::size_t>(signal)];
  if (how == model::Delivery::terminated) ended_by_ = static_cast<std::uint8_t>(signal);
  mode_[t] = Mode::taking;
}

bool Execution::operator==(const Execution& o) const {
  for (unsigned t = 0; t < threads_; ++t)
    if (!std::equal(results_[t].begin(), results_[t].end(), o.results_[t].begin(), o.results_[t].end(), same))
      return false;
  return position_ == o.position_ && mode_ == o.mode_ && handled_ == o.handled_ && ended_by_ == o.ended_by_ &&
         state_ == o.state_;
}

std::uint64_t Execution::hash() const {
  std::uint64_t h = model::hash(state_);
  for (unsigned t = 0; t < threads_; ++t) {
    h = model::mix(h, position_[t] * 4u + static_cast<unsigned>(mode_[t]));
    for (const Result& r : results_[t])
      h = model::mix(h, static_cast<std::uint32_t>(r.value[0]) + (static_cast<std::uint64_t>(r.error) << 32));
  }
  for (const std::uint8_t runs : handled_) h = h * 31 + runs;
  return model::mix(h, ended_by_);
}

}  // namespace spawncheck::litmus
