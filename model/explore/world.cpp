// SPDX-License-Identifier: MIT
#include "model/explore/world.h"

#include "model/explore/describe.h"
#include "model/kernel/operation_call.h"
#include "model/scenario/words.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace spawncheck::explore {

using model::Call;
using model::CallKind;
using model::Entry;
using model::Index;
using model::Result;
using model::State;
using model::Step;
using model::Table;

namespace {

constexpr const char* step_words[] = {
#define SPAWN_ROW(id, word, meaning) word,
    SPAWN_STEPS(SPAWN_ROW)
#undef SPAWN_ROW
};

// By SimulatedSpawn::Stage.
constexpr const char* stage_words[] = {"check", "block", "stage", "clone", "suspended", "collect", "close-pidfd", "unstage", "restore", "returned"};
constexpr const char* stage_meanings[] = {"checks the request", "blocks signals", "stages", "clone", "goes on after the clone", "waits for the child that failed", "closes the pidfd", "unstages", "restores the mask", "returned"};

// Equal from a number on but for pidfds: those a spawn may make and close.
bool same_but_pidfds(const State& state, const Table& a, const Table& b, std::int32_t from = 0) {
  const auto counts = [&](const Entry& e) { return e.last >= from && e.description != model::none && state.descriptions[e.description].key.kind != SC_FILE_PIDFD; };
  const auto is_same = [&](Entry p, Entry q) {
    p.number = std::max(p.number, from);
    q.number = std::max(q.number, from);
    return p == q;
  };
  auto x = a.entries().begin(), y = b.entries().begin();
  for (;;) {
    while (x != a.entries().end() && !counts(*x)) ++x;
    while (y != b.entries().end() && !counts(*y)) ++y;
    if (x == a.entries().end() || y == b.entries().end()) return x == a.entries().end() && y == b.entries().end();
    if (!is_same(*x++, *y++)) return false;
  }
}

std::string result_text(const Result& r) {
  if (r.error != 0) return explore::describe_error(r.error);
  return std::to_string(r.value[0]) + (r.value[1] >= 0 ? ", " + std::to_string(r.value[1]) : "");
}

std::string call_text(const Call& c) {
  std::string out(model::name(static_cast<CallKind>(c.kind)));
  for (const std::int32_t n : {c.a, c.b})
    if (n != -1) out += " " + std::to_string(n);
  if (static_cast<CallKind>(c.kind) == CallKind::close_range) out += (c.b == -1 ? " max" : "") + std::string(" flags ") + std::to_string(c.flags);
  return out;
}

}  // namespace

World::World(const Setting& setting) : setting_(&setting), threads_(setting.threads), state_(model::initial_state(setting.scenario.world, threads_, nullptr)), results_(setting.results) {}

bool World::all_finished() const {
  for (unsigned t = 0; t < threads_; ++t)
    if (!is_finished(t)) return false;
  for (const Spawned& s : spawns_)
    if (s.machine.child() != model::none && !s.machine.child_is_done()) return false;
  return true;
}

std::int32_t World::resolve(unsigned t, const sc_operand& operand) const {
  if (!operand.variable) return operand.value;
  for (std::size_t o = position_[t]; o-- > 0;)
    for (int i = 0; i < 2; ++i)
      if (setting_->scenario.threads[t].operations[o].result[i] == operand.value) return result(t, o).error == 0 ? result(t, o).value[i] : -1;
  return -1;
}

const Spawned* World::spawn_under_way(unsigned t) const {
  for (const Spawned& s : spawns_)
    if (s.thread == t && s.operation == position_[t]) return &s;
  return nullptr;
}

Spawned* World::spawn_under_way(unsigned t) { return const_cast<Spawned*>(std::as_const(*this).spawn_under_way(t)); }

unsigned World::choices(unsigned actor) const {
  if (actor >= threads_ || is_finished(actor) || !state_.tasks[actor].flight.active || operation(actor).kind == SC_OP_SPAWN) return 1;
  return model::outcome_count(setting_->kernel, state_, static_cast<Index>(actor));
}

TraceStep World::about(unsigned actor) const {
  TraceStep step;
  if (actor < threads_) {
    step.thread = static_cast<std::uint8_t>(actor);
    step.operation = position_[actor];
    const Spawned* s = operation(actor).kind == SC_OP_SPAWN ? spawn_under_way(actor) : nullptr;
    if (s != nullptr && s->machine.only_asks()) {
      step.call = "ask";
      return step;
    }
    step.call = operation(actor).kind == SC_OP_SPAWN ? std::string(stage_words[s == nullptr ? 0 : static_cast<std::size_t>(s->machine.stage())]) : std::string(row_of(operation(actor)).word);
    return step;
  }
  const Spawned& s = spawns_[actor - threads_];
  step.who = TraceStep::Who::child;
  step.thread = static_cast<std::uint8_t>(s.thread);
  step.operation = s.operation;
  const spawn_step* next = s.machine.next_step();
  step.call = s.machine.child_is_done() ? "program" : s.machine.is_exiting(state_) ? "exit" : next != nullptr ? step_words[next->kind] : "exit";
  return step;
}

void World::tell(TraceStep& step) const {
  Index task = step.thread;
  if (step.who == TraceStep::Who::child)
    for (const Spawned& s : spawns_)
      if (s.thread == step.thread && s.operation == step.operation) task = s.machine.child();
  step.is_call_done = !state_.tasks[task].flight.active;
}

bool World::may_go(unsigned actor) const {
  if (actor < threads_) return !is_finished(actor) && !state_.tasks[actor].ended && state_.tasks[actor].vfork_child == model::none;
  const SimulatedSpawn& machine = spawns_[actor - threads_].machine;
  const Index child = machine.child();
  if (child == model::none || state_.tasks[child].ended) return false;
  return !machine.child_is_done() || state_.tasks[child].flight.active || state_.process_of(child).program == SC_PROGRAM_EXIT || model::deliverable(state_, child) != 0;
}

bool World::step(unsigned actor, unsigned outcome, std::optional<Violated>& violated, std::string* text) {
  const bool went = actor < threads_ ? step_thread(actor, outcome, violated, text) : step_child(spawns_[actor - threads_], violated, text);
  if (!went) return false;
  for (Spawned& s : spawns_) look(s);
  if (!violated) violated = check_state();
  return true;
}

// What the mask lets through is taken before the task goes on. False: it is no more.
bool World::deliver(Index task, std::optional<Violated>& violated, std::string* text) {
  while (const int signal = model::deliverable(state_, task)) {
    const bool in_child = state_.tasks[task].process != 0;
    if (text != nullptr) *text += "takes signal " + std::to_string(signal) + "; ";
    switch (model::deliver(state_, task, signal)) {
      case model::Delivery::dropped: break;
      case model::Delivery::handled:
        if (in_child && state_.process_of(task).program < 0)
          violated = Violated{Clause::sig_no_handler_in_child, "the parent's handler of " + describe_signals(model::bit(signal)) + " runs in the child", "never", "contract sig.no_handler_in_child"};
        break;
      case model::Delivery::terminated:
        if (!in_child) model::end_task(state_, task, -signal);
        else model::begin(state_, task, make_call(CallKind::exit, -signal));
        return false;
    }
  }
  return true;
}

// The spawn of the thread that gave this pid, null: none.
const Spawned* World::spawn_with_pid(unsigned t, std::int32_t pid) const {
  for (const Spawned& s : spawns_)
    if (s.thread == t && s.machine.error() == 0 && pid == pid_of(s)) return &s;
  return nullptr;
}

// What a thread's operation asks of the kernel; of a child that is none, nothing (its errno is in `result`).
std::optional<Call> World::call_of(unsigned t, Result& result) const {
  const sc_operation& op = operation(t);
  if (op.kind == SC_OP_WAIT || op.kind == SC_OP_KILL_CHILD) {
    const Spawned* s = spawn_with_pid(t, resolve(t, op.operand[0]));
    result.error = s != nullptr ? 0 : op.kind == SC_OP_WAIT ? ECHILD : ESRCH;
    if (s == nullptr) return std::nullopt;
    const Index process = state_.tasks[s->machine.child()].process;
    return op.kind == SC_OP_WAIT ? make_call(CallKind::wait, process) : make_call(CallKind::kill, process, op.operand[1].value);
  }
  model::Resolved resolved;
  resolved.identity = sc_identity_of_op(t, position_[t]);
  for (int i = 0; i < 2; ++i) resolved.operand[i] = resolve(t, op.operand[i]);
  return model::call_of(op, resolved);
}

bool World::step_thread(unsigned t, unsigned outcome, std::optional<Violated>& violated, std::string* text) {
  const auto task = static_cast<Index>(t);
  if (is_finished(t) || state_.tasks[task].ended) return false;
  if (!state_.tasks[task].flight.active && !deliver(task, violated, text)) return true;
  if (operation(t).kind == SC_OP_SPAWN) return step_spawn(t, violated, text);
  Result result;
  if (!state_.tasks[task].flight.active) {
    const std::optional<Call> call = call_of(t, result);
    if (!call) {
      if (text != nullptr) *text += "no such child = " + result_text(result);
      returns(t, result);
      return true;
    }
    model::begin(state_, task, *call);
  }
  if (text != nullptr) *text += call_text(state_.tasks[task].flight.call);
  const Step made = model::step(setting_->kernel, state_, task, outcome, result);
  if (made == Step::blocked) return false;
  if (text != nullptr) *text += made == Step::done ? " = " + result_text(result) : ", a step";
  if (made == Step::done) returns(t, result);
  return true;
}

void World::begin_spawn(unsigned t) {
  KeepList keep;
  const sc_request& request = operation(t).request;
  for (std::uint32_t k = 0; k < request.keep_count; ++k) keep.emplace_back(resolve(t, request.keep[k].source), request.keep[k].target);
  Spawned s{SimulatedSpawn(setting_->plans, request, keep, static_cast<Index>(t)), static_cast<Index>(t), position_[t]};
  s.source.resize(keep.size());
  look(s);
  // By thread and operation, so that which began first does not matter.
  const auto at = std::find_if(spawns_.begin(), spawns_.end(), [&](const Spawned& o) { return std::pair(o.thread, o.operation) > std::pair(s.thread, s.operation); });
  spawns_.insert(at, std::move(s));
}

// The caller's table and what it was before a step of its spawn: nothing but slots of the window that are nobody else's.
bool World::differs_in_own_slots(const SimulatedSpawn& machine, const Table& before) const {
  constexpr std::int32_t window_end = 64;
  const Table& now = state_.table_of(machine.parent());
  const auto counted = [&](const Table& table, std::int32_t n) {
    const Entry* e = table.find(n);
    const bool is_nothing = e == nullptr || e->description == model::none || state_.descriptions[e->description].key.kind == SC_FILE_PIDFD || machine.is_own_slot(state_, n, e->description);
    return is_nothing ? Entry{n, n, model::none, false} : Entry{n, n, e->description, e->cloexec};
  };
  for (std::int32_t n = 0; n < window_end; ++n)
    if (!(counted(before, n) == counted(now, n))) return false;
  return same_but_pidfds(state_, before, now, window_end);
}

bool World::step_spawn(unsigned t, std::optional<Violated>& violated, std::string* text) {
  if (spawn_under_way(t) == nullptr) begin_spawn(t);
  Spawned* s = spawn_under_way(t);
  const auto before = state_.table_of(static_cast<Index>(t));
  const SimulatedSpawn::Stage stage = s->machine.stage();
  if (!s->machine.step_parent(setting_->kernel, state_)) return false;
  if (text != nullptr) {
    *text += std::string("spawn: ") + stage_meanings[static_cast<std::size_t>(stage)];
    if (state_.tasks[t].flight.active) *text += ", a step";
  }
  if (!same_but_pidfds(state_, before, state_.table_of(static_cast<Index>(t))) && !differs_in_own_slots(s->machine, before))
    violated = Violated{Clause::fd_untouched, "the spawn changes the caller's table", "nothing of ours is visible in it", "contract fd.untouched"};
  if (s->machine.stage() != SimulatedSpawn::Stage::returned) return true;
  if (s->machine.leaves_what_it_staged(state_))
    violated = Violated{Clause::fd_untouched, "what the spawn has staged is left in the caller's window", "its placeholders are there again", "contract fd.untouched"};
  s->returned_unreleased = s->machine.error() == 0 && references_dropped(*s);
  if (!violated) violated = returned(*s);
  if (text != nullptr) *text += s->machine.error() != 0 ? ", which returns " + describe_error(s->machine.error()) : ", and it returns";
  returns(t, Result{{s->machine.child() == model::none ? -1 : pid_of(*s), s->machine.pidfd()}, s->machine.error()});
  return true;
}

// The program's own: it exits by itself, or a signal ends it.
bool World::step_program(Index child, std::optional<Violated>& violated, std::string* text) {
  const bool is_exiting = state_.tasks[child].flight.active;
  if (!is_exiting && !deliver(child, violated, text)) return true;
  if (!is_exiting && state_.process_of(child).program != SC_PROGRAM_EXIT) return false;
  if (!is_exiting) model::begin(state_, child, make_call(CallKind::exit, 7));
  Result result;
  model::step(setting_->kernel, state_, child, 0, result);
  if (text != nullptr) *text += state_.tasks[child].ended ? "the program has ended" : "the program exits";
  return true;
}

bool World::step_child(Spawned& s, std::optional<Violated>& violated, std::string* text) {
  const Index child = s.machine.child();
  if (child == model::none || state_.tasks[child].ended) return false;
  if (s.machine.child_is_done()) return step_program(child, violated, text);
  if (!state_.tasks[child].flight.active && !deliver(child, violated, text)) return true;
  const bool shares = state_.tasks[child].table == state_.tasks[s.thread].table;
  Table before;
  if (shares) before = state_.table_of(s.thread);
  const spawn_step* next = s.machine.next_step();
  const bool is_within = state_.tasks[child].flight.active, is_exiting = s.machine.is_exiting(state_);
  if (!s.machine.step_child(setting_->kernel, state_)) return false;
  if (text != nullptr) *text += "child: " + std::string(is_exiting ? "exit" : next != nullptr ? step_words[next->kind] : "ends") + (is_within ? ", a further step" : "");
  if (shares && !same_but_pidfds(state_, before, state_.table_of(s.thread)))
    violated = Violated{Clause::fd_untouched, "the child changes the caller's table", "nothing of ours is visible in it, not even for a moment", "contract fd.untouched"};
  if (!violated && s.machine.child_is_done() && !state_.tasks[child].ended && !s.child_checked) {
    s.child_checked = true;
    violated = check_child(s);
  }
  return true;
}

}  // namespace spawncheck::explore
