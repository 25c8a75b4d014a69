// SPDX-License-Identifier: MIT
//
// Driver::step() for any observer: include it to call step() with an observer.
#pragma once

#include "model/explore/driver.h"

namespace spawncheck::explore {

// A task in a call continues it. Otherwise the task takes a signal (outcome 0, if one is pending for it) or begins
// its next call, if it may.
template <typename Observer>
bool Driver::step(unsigned actor, unsigned outcome, Observer& observer) {
  const model::Index task = task_of(actor);
  if (task == model::none || state_.tasks[task].ended) return false;
  if (is_exiting(task)) return exit(task, observer);
  if (!state_.tasks[task].flight.active) {
    if (outcome == 0 && model::next_signal(state_, task) != 0) {
      take_signal(task, observer);
      return true;
    }
    outcome = 0;
    if (!model::may_begin_call(state_, task)) return false;
  }
  if (actor < threads_ && is_finished(actor)) return false;
  const bool went = actor >= threads_                      ? step_child(actor - threads_, observer)
                    : operation(actor).kind == SC_OP_SPAWN ? step_spawn(actor, observer)
                                                           : step_call(actor, outcome, observer);
  if (went && !state_.tasks[task].flight.active) model::leave_kernel(state_, task);
  return went;
}

template <typename Observer>
void Driver::take_signal(model::Index task, Observer& observer) {
  const int signal = model::take_signal(state_, task);
  set_to_restart(task, false);
  const model::Delivery how = model::effect_of(state_, task, signal);
  observer.takes_signal(*this, task, signal, how);
  model::deliver(state_, task, signal);
  model::return_from_handlers(state_, task);
  model::leave_kernel(state_, task);
  if (how == model::Delivery::terminated) model::begin_exit(state_, task, -signal);
}

template <typename Observer>
bool Driver::exit(model::Index task, Observer& observer) {
  model::Result result;
  if (model::step(setting_->kernel, state_, task, 0, result) == model::Step::blocked) return false;
  observer.exits(*this, task);
  return true;
}

template <typename Observer>
void Driver::return_with(unsigned thread, const model::Result& result, Observer& observer) {
  const std::size_t operation = position_[thread]++;
  results_[setting_->first_result[thread] + operation] = result;
  observer.returns(*this, thread, operation);
}

template <typename Observer>
bool Driver::step_call(unsigned thread, unsigned outcome, Observer& observer) {
  const auto task = static_cast<model::Index>(thread);
  model::InFlightCall& flight = state_.tasks[task].flight;
  const bool begins = !flight.active;
  model::Result result;
  if (begins) {
    const std::optional<model::Call> call = call_of(thread, result);
    observer.begins(*this, thread);
    if (!call) {
      observer.finds_no_child(*this, thread, result);
      return_with(thread, result, observer);
      return true;
    }
    model::begin(state_, task, *call);
    set_to_restart(task, false);
  }
  const model::Call call = flight.call;
  model::Step made = model::step(setting_->kernel, state_, task, outcome, result);
  if (made == model::Step::blocked && begins) flight = {};
  if (made == model::Step::blocked &&
      (begins || model::next_signal(state_, task) == 0 || !model::interrupt(state_, task)))
    return false;
  if (made == model::Step::blocked) made = model::Step::advanced;  // the signal interrupts the sleep
  observer.makes(*this, task, call, made, result);
  if (made == model::Step::done && result.error == model::restart)
    set_to_restart(task, true);
  else if (made == model::Step::done)
    return_with(thread, result, observer);
  return true;
}

template <typename Observer>
bool Driver::step_spawn(unsigned thread, Observer& observer) {
  std::size_t spawn = index_of_spawn(thread);
  if (spawn == spawns_.size()) {
    observer.begins(*this, thread);
    spawn = begin_spawn(thread);
    observer.begins_spawn(*this, spawn);
  }
  SimulatedSpawn& machine = spawns_[spawn];
  const SimulatedSpawn::Stage stage = machine.stage();
  observer.before_caller(*this, machine);
  if (!machine.step_parent(setting_->kernel, state_)) return false;
  observer.after_caller(*this, spawn, stage);
  if (machine.stage() == SimulatedSpawn::Stage::returned)
    return_with(thread, {{machine.error() == 0 ? pid_of(machine) : -1, machine.pidfd()}, machine.error()}, observer);
  return true;
}

template <typename Observer>
bool Driver::step_child(std::size_t spawn, Observer& observer) {
  SimulatedSpawn& machine = spawns_[spawn];
  const model::Index child = machine.child();
  if (machine.runs_program()) {
    if (state_.process_of(child).program != SC_PROGRAM_EXIT) return false;
    model::begin_exit(state_, child, model::status_of_exit_program);
    return exit(child, observer);
  }
  observer.before_child(*this, machine);
  if (!machine.step_child(setting_->kernel, state_)) return false;
  observer.after_child(*this, spawn);
  if (machine.runs_program()) observer.begins_program(*this, spawn);
  return true;
}

}  // namespace spawncheck::explore
