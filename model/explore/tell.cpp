// SPDX-License-Identifier: MIT
#include "model/explore/tell.h"

#include "model/contract/describe.h"
#include "model/explore/driver_step.h"
#include "model/scenario/words.h"

namespace spawncheck::explore {

using model::Call;
using model::CallKind;
using model::Index;
using model::Result;
using model::Step;

namespace {

constexpr const char* step_words[] = {
#define SPAWN_ROW(id, table, word, meaning) word,
    SPAWN_STEPS(SPAWN_ROW)
#undef SPAWN_ROW
};

const char* word_of(const spawn_step& step) { return step.kind < SPAWN_STEP_COUNT ? step_words[step.kind] : "?"; }

// Indexed by SimulatedSpawn::Stage.
constexpr const char* stage_words[] = {"check",   "block",       "stage",   "clone",   "suspended",
                                       "collect", "close-pidfd", "unstage", "restore", "returned"};
constexpr const char* stage_meanings[] = {"checks the request",
                                          "blocks signals",
                                          "stages",
                                          "clone",
                                          "goes on after the clone",
                                          "waits for the child that failed",
                                          "closes the pidfd",
                                          "unstages",
                                          "restores the mask",
                                          "returned"};

std::string result_text(const Result& r) {
  if (r.error == model::restart) return "interrupted by a signal, to be made again";
  if (r.error != 0) return describe_error(r.error);
  return std::to_string(r.value[0]) + (r.value[1] >= 0 ? ", " + std::to_string(r.value[1]) : "");
}

std::string call_text(const Call& c) {
  std::string out(model::name(static_cast<CallKind>(c.kind)));
  for (const std::int32_t n : {c.a, c.b})
    if (n != -1) out += " " + std::to_string(n);
  if (static_cast<CallKind>(c.kind) == CallKind::close_range)
    out += (c.b == -1 ? " max" : "") + std::string(" flags ") + std::to_string(c.flags);
  return out;
}

class Teller : public NoObserver {
 public:
  void finds_no_child(const Driver&, unsigned, const Result& result) {
    text = "no such child = " + result_text(result);
  }
  void makes(const Driver&, Index, const Call& call, Step made, const Result& result) {
    text = call_text(call) + (made == Step::done ? " = " + result_text(result) : ", a step");
  }
  void takes_signal(const Driver&, Index, int signal, model::Delivery how) {
    constexpr const char* effects[] = {"", ", runs its handler", ", which stops it", ", which ends it"};
    text = "takes signal " + std::to_string(signal) + effects[static_cast<std::size_t>(how)];
  }
  void after_caller(const Driver& driver, std::size_t spawn, SimulatedSpawn::Stage stage) {
    const SimulatedSpawn& s = driver.spawns()[spawn];
    text = std::string("spawn: ") + stage_meanings[static_cast<std::size_t>(stage)];
    if (driver.state().tasks[s.parent()].flight.active) text += ", a step";
    if (s.has_returned()) text += s.error() != 0 ? ", which returns " + describe_error(s.error()) : ", and it returns";
  }
  void before_child(const Driver& driver, const SimulatedSpawn& s) {
    const spawn_step* next = s.next_step();
    text = "child: " + std::string(next != nullptr ? word_of(*next) : "ends") +
           (driver.state().tasks[s.child()].flight.active ? ", a further step" : "");
    had_released_ = driver.state().tasks[s.child()].has_released_memory;
  }
  void after_child(const Driver& driver, std::size_t spawn) {
    const bool has_released = driver.state().tasks[driver.spawns()[spawn].child()].has_released_memory;
    if (has_released == had_released_) return;
    text += has_released ? ": lets go of the old memory" : ": takes its own memory, and is the new program";
  }
  void exits(const Driver& driver, Index task) {
    const bool is_program = driver.state().tasks[task].process != 0 && driver.state().process_of(task).program >= 0;
    const bool has_ended = driver.state().tasks[task].ended;
    if (is_program)
      text = has_ended ? "the program has ended" : "the program exits";
    else
      text = has_ended ? "has ended" : "exit";
  }
  std::string text;

 private:
  bool had_released_ = false;
};

// The thread and operation that the actor's next step belongs to.
TraceStep about(const Driver& driver, unsigned actor) {
  const Index task = driver.task_of(actor);
  const model::InFlightCall& flight = driver.state().tasks[task].flight;
  const bool is_exiting = flight.active && static_cast<CallKind>(flight.call.kind) == CallKind::exit;
  const bool takes_signal = !flight.active && model::next_signal(driver.state(), task) != 0;
  TraceStep step;
  if (actor < driver.threads()) {
    step.thread = static_cast<std::uint8_t>(actor);
    step.operation = static_cast<std::uint8_t>(driver.position(actor));
    if (!driver.is_finished(actor)) {
      const bool is_spawn = driver.operation(actor).kind == SC_OP_SPAWN;
      const SimulatedSpawn* s = is_spawn ? driver.spawn_under_way(actor) : nullptr;
      if (s != nullptr && s->only_asks())
        step.call = "ask";
      else
        step.call = is_spawn ? std::string(stage_words[s == nullptr ? 0 : static_cast<std::size_t>(s->stage())])
                             : std::string(row_of(driver.operation(actor)).word);
    }
  } else {
    const SimulatedSpawn& s = driver.spawns()[actor - driver.threads()];
    step.who = TraceStep::Who::child;
    step.thread = static_cast<std::uint8_t>(s.parent());
    step.operation = s.operation();
    step.call = s.runs_program() ? "program" : s.next_step() != nullptr ? word_of(*s.next_step()) : "exit";
  }
  if (takes_signal) step.call = "signal";
  if (is_exiting && step.call != "program") step.call = "exit";
  return step;
}

}  // namespace

TraceStep tell_step(Driver& driver, unsigned actor, unsigned outcome) {
  TraceStep step = about(driver, actor);
  Teller teller;
  driver.step(actor, outcome, teller);
  step.is_call_done = !driver.state().tasks[driver.task_of(actor)].flight.active;
  step.text = (step.who == TraceStep::Who::thread ? "thread " : "child of thread ") + std::to_string(step.thread) +
              ": " + teller.text;
  return step;
}

}  // namespace spawncheck::explore
