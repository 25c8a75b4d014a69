// SPDX-License-Identifier: MIT
#include "model/explore/world.h"

#include "impl/peers/implementation.h"
#include "model/explore/describe.h"
#include "model/kernel/operation_call.h"

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

constexpr std::int32_t numbers_max = 128;  // two words: what every copy has, and what need not be in one
constexpr std::size_t files_max = 64;

std::uint64_t file_bit(Index description) { return description == model::none || description >= files_max ? 0 : 1ull << description; }

std::uint64_t file_at(const Table& table, std::int32_t number) {
  const Entry* e = number < 0 ? nullptr : table.find(number);
  return e == nullptr ? 0 : file_bit(e->description);
}

// Equal but for pidfds: those a spawn may make and close.
bool same_but_pidfds(const State& state, const Table& a, const Table& b) {
  const auto counts = [&](const Entry& e) { return e.description != model::none && state.descriptions[e.description].key.kind != SC_FILE_PIDFD; };
  auto x = a.entries().begin(), y = b.entries().begin();
  for (;;) {
    while (x != a.entries().end() && !counts(*x)) ++x;
    while (y != b.entries().end() && !counts(*y)) ++y;
    if (x == a.entries().end() || y == b.entries().end()) return x == a.entries().end() && y == b.entries().end();
    if (!(*x++ == *y++)) return false;
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

bool sends(std::uint8_t kind) { return kind == SC_OP_KILL || kind == SC_OP_KILL_GROUP || kind == SC_OP_TGKILL || kind == SC_OP_KILL_CHILD; }

bool asks_who_holds_files(std::uint8_t kind) {
  return kind == SC_OP_FLOCK || kind == SC_OP_LISTEN || kind == SC_OP_PROGRAM || kind == SC_OP_FIFO || kind == SC_OP_WAIT;
}

}  // namespace

World::World(const Scenario& s, const Planner& planner, const model::Kernel& kernel)
    : scenario_(&s), planner_(&planner), kernel_(&kernel), threads_(static_cast<unsigned>(s.threads.size())),
      state_(model::initial_state(s.world, threads_, nullptr)), position_(threads_), results_(threads_) {
  for (unsigned t = 0; t < threads_; ++t) {
    results_[t].resize(s.threads[t].operations.size());
    for (const sc_operation& op : s.threads[t].operations) {
      has_signals_ |= sends(op.kind);
      has_busy_files_ |= asks_who_holds_files(op.kind) || op.request.program == SC_PROGRAM_WRITTEN;
    }
  }
}

bool World::is_finished(unsigned thread) const { return position_[thread] >= scenario_->threads[thread].operations.size(); }

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
      if (scenario_->threads[t].operations[o].result[i] == operand.value) return results_[t][o].error == 0 ? results_[t][o].value[i] : -1;
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
  return model::outcome_count(*kernel_, state_, static_cast<Index>(actor));
}

bool World::step(unsigned actor, unsigned outcome, std::optional<Violated>& violated, std::string* text) {
  const bool went = actor < threads_ ? step_thread(actor, outcome, violated, text) : step_child(spawns_[actor - threads_], violated, text);
  if (went) look_all();
  return went;
}

// ---- what the contract asks for -----------------------------------------------------------------

// One instant of the call: what its caller's table has.
void World::look(Spawned& s) {
  if (s.machine.stage() == SimulatedSpawn::Stage::returned) return;
  const Table& table = state_.table_of(s.thread);
  const auto& keep = s.machine.keep();
  for (std::size_t k = 0; k < keep.size(); ++k) {
    const std::uint64_t file = file_at(table, keep[k].first);
    s.source[k] |= file;
    s.source_was_closed |= file == 0;
  }
  for (std::size_t n = 0; n < s.ever.size(); ++n) {
    const Entry* e = table.find(static_cast<std::int32_t>(n));
    const std::uint64_t crosses = e == nullptr || e->cloexec ? 0 : file_bit(e->description);
    s.ever[n] |= crosses;
    s.always[n] &= crosses;
  }
}

void World::look_all() {
  for (Spawned& s : spawns_) look(s);
}

std::optional<Violated> World::check_child(const Spawned& s) const {
  const Table& table = state_.table_of(s.machine.child());
  const auto& keep = s.machine.keep();
  const auto target = [&](std::int32_t n) { return std::find_if(keep.begin(), keep.end(), [&](const auto& k) { return k.second == n; }); };
  for (const Entry& e : table.entries()) {
    if (e.description == model::none) continue;
    const std::string file = describe(state_.descriptions[e.description].key);
    for (std::int32_t n = e.number; n <= e.last; ++n) {
      const auto k = target(n);
      if (k != keep.end()) {
        const std::uint64_t allowed = s.source[static_cast<std::size_t>(k - keep.begin())];
        if ((allowed & file_bit(e.description)) == 0)
          return Violated{Clause::fd_kept, "the child's " + std::to_string(n) + " is " + file, "what the parent's " + std::to_string(k->first) + " was during the call", "contract fd.kept"};
      } else if (s.machine.request().policy == SPAWNCHECK_FDS_ONLY) {
        return Violated{Clause::fd_exact, "the child has " + std::to_string(n) + ", " + file, "only what is kept", "contract fd.exact"};
      } else if ((s.ever[static_cast<std::size_t>(n)] & file_bit(e.description)) == 0) {
        return Violated{Clause::fd_exact, "the child has " + std::to_string(n) + ", " + file, "no such descriptor was without close-on-exec during the call", "contract fd.exact"};
      }
    }
  }
  for (const auto& [source, number] : keep)
    if (file_at(table, number) == 0)
      return Violated{Clause::fd_kept, "the child's " + std::to_string(number) + " is closed", "what the parent's " + std::to_string(source) + " was during the call", "contract fd.kept"};
  for (std::size_t n = 0; n < s.always.size(); ++n)
    if (s.always[n] != 0 && target(static_cast<std::int32_t>(n)) == keep.end() && file_at(table, static_cast<std::int32_t>(n)) == 0)
      return Violated{Clause::fd_exact, "the child lacks " + std::to_string(n), "it was open without close-on-exec during the whole call", "contract fd.exact"};
  return std::nullopt;
}

std::optional<Violated> World::returned(const Spawned& s) {
  const std::string where = "spawn of thread " + std::to_string(s.thread);
  const std::int32_t error = s.machine.error(), program = model::error_of_program(s.machine.request().program);
  if (s.machine.memory_shared_at_return())
    return Violated{Clause::mm_released, where + " returned while its child ran on the caller's memory", "not before exec or exit", "contract mm.released; vfork(2)"};
  if (error == 0) return std::nullopt;
  if (s.machine.child() != model::none && state_.process_of(s.machine.child()).life != model::Life::reaped)
    return Violated{Clause::proc_unzombied, where + " failed and left a child", "none", "contract proc.unzombied"};
  bool allowed = error == program || (error == EBADF && s.source_was_closed);
  for (const auto& [source, target] : s.machine.keep()) allowed |= error == EBADF && (source < 0 || target < 0 || target >= state_.process_of(s.thread).limit);
  if (allowed || error == EINVAL || error == EMFILE) return std::nullopt;  // a refused request, no number left
  return Violated{Clause::err_exact, where + " failed with " + describe_error(error), "success", "contract err.exact"};
}

std::optional<Violated> World::at_end(bool is_deadlock) const {
  if (!is_deadlock) return std::nullopt;
  for (unsigned t = 0; t < threads_; ++t)
    if (const Spawned* s = is_finished(t) ? nullptr : spawn_under_way(t); s != nullptr)
      return Violated{Clause::live_returns, "spawn of thread " + std::to_string(t) + " never returns", "it returns", "contract live.returns"};
  return std::nullopt;  // the scenario's own operations wait for each other
}

// A copy of the child's, or of a call of it under way, refers to what its program is not to get.
bool World::references_dropped() const {
  for (const Spawned& s : spawns_) {
    const Index child = s.machine.child();
    if (child == model::none || s.machine.child_is_done() || state_.tasks[child].ended) continue;
    const model::Task& task = state_.tasks[child];
    const Index table = task.flight.active && task.flight.table != model::none ? task.flight.table : task.table != state_.tasks[s.thread].table ? task.table : model::none;
    if (table == model::none) continue;
    std::uint64_t kept = 0;
    for (const std::uint64_t source : s.source) kept |= source;
    for (const std::uint64_t crossing : s.ever) kept |= crossing;
    for (const Entry& e : state_.tables[table].entries())
      if (e.description != model::none && (kept & file_bit(e.description)) == 0 && state_.descriptions[e.description].key.kind != SC_FILE_PIDFD) return true;
  }
  return false;
}

bool World::is_too_large() const {
  if (state_.descriptions.size() > files_max) return true;
  for (const Table& table : state_.tables)
    if (!table.entries().empty() && table.entries().back().last >= numbers_max) return true;
  return false;
}

// ---- steps ---------------------------------------------------------------------------------------

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
      case model::Delivery::terminated: model::end_task(state_, task, -signal); return false;
    }
  }
  return true;
}

bool World::step_thread(unsigned t, unsigned outcome, std::optional<Violated>& violated, std::string* text) {
  const auto task = static_cast<Index>(t);
  if (is_finished(t) || state_.tasks[task].ended) return false;
  if (!state_.tasks[task].flight.active && !deliver(task, violated, text)) return true;
  const sc_operation& op = operation(t);
  if (op.kind == SC_OP_SPAWN) return step_spawn(t, violated, text);
  Result result;
  if (op.kind == SC_OP_WAIT || op.kind == SC_OP_KILL_CHILD) {  // programs end by themselves here: waiting and killing are not explored
    if (text != nullptr) *text += "passes over its wait or kill";
    results_[t][position_[t]++] = result;
    return true;
  }
  if (!state_.tasks[task].flight.active) {
    model::Resolved resolved;
    resolved.identity = sc_identity_of_op(t, position_[t]);
    for (int i = 0; i < 2; ++i) resolved.operand[i] = resolve(t, op.operand[i]);
    model::begin(state_, task, *model::call_of(op, resolved));
  }
  if (text != nullptr) *text += call_text(state_.tasks[task].flight.call);
  const Step made = model::step(*kernel_, state_, task, outcome, result);
  if (made == Step::blocked) return false;
  if (text != nullptr) *text += made == Step::done ? " = " + result_text(result) : ", a step";
  if (made == Step::done) results_[t][position_[t]++] = result;
  return true;
}

// The caller's table and what it was before a step of its spawn: nothing but slots of the window that are nobody else's.
bool World::differs_in_own_slots(const SimulatedSpawn& machine, const Table& before) const {
  const Table& now = state_.table_of(machine.parent());
  Table old_rest = before, rest = now;
  for (std::int32_t n = 0; n < numbers_max; ++n) {
    const Entry *a = before.find(n), *b = now.find(n);
    if ((a != nullptr && !machine.is_own_slot(state_, n, a->description)) || (b != nullptr && !machine.is_own_slot(state_, n, b->description))) continue;
    old_rest.remove(n, n);
    rest.remove(n, n);
  }
  return same_but_pidfds(state_, old_rest, rest);
}

bool World::step_spawn(unsigned t, std::optional<Violated>& violated, std::string* text) {
  Spawned* s = spawn_under_way(t);
  if (s == nullptr) {
    std::vector<std::pair<std::int32_t, std::int32_t>> keep;
    const sc_request& request = operation(t).request;
    for (std::uint32_t k = 0; k < request.keep_count; ++k) keep.emplace_back(resolve(t, request.keep[k].source), request.keep[k].target);
    const std::size_t numbers = request.policy == SPAWNCHECK_FDS_ONLY ? 0 : numbers_max;
    spawns_.push_back({SimulatedSpawn(request, keep, static_cast<Index>(t)), static_cast<Index>(t), position_[t], false, false, std::vector<std::uint64_t>(keep.size()),
                       std::vector<std::uint64_t>(numbers), std::vector<std::uint64_t>(numbers, ~0ull)});
    s = &spawns_.back();
    look(*s);
  }
  const Table before = state_.table_of(static_cast<Index>(t));
  const SimulatedSpawn::Stage stage = s->machine.stage();
  if (!s->machine.step_parent(*kernel_, state_, *planner_)) return false;
  if (text != nullptr) {
    constexpr const char* stages[] = {"spawn: checks the request", "spawn: blocks signals", "spawn: stages", "spawn: clone", "spawn: goes on after the clone", "spawn: waits for the child that failed",
                                      "spawn: closes the pidfd", "spawn: unstages", "spawn: restores the mask", "spawn: returned"};
    *text += stages[static_cast<std::size_t>(stage)];
  }
  if (!same_but_pidfds(state_, before, state_.table_of(static_cast<Index>(t))) && !differs_in_own_slots(s->machine, before))
    violated = Violated{Clause::fd_untouched, "the spawn changes the caller's table", "nothing of ours is visible in it", "contract fd.untouched"};
  if (s->machine.stage() != SimulatedSpawn::Stage::returned) return true;
  if (!violated) violated = returned(*s);
  if (text != nullptr) *text += s->machine.error() != 0 ? ", which returns " + describe_error(s->machine.error()) : ", and it returns";
  results_[t][position_[t]] = Result{{s->machine.child() == model::none ? -1 : 1000 + s->machine.child(), s->machine.pidfd()}, s->machine.error()};
  ++position_[t];
  return true;
}

bool World::step_child(Spawned& s, std::optional<Violated>& violated, std::string* text) {
  const Index child = s.machine.child();
  if (child == model::none || s.machine.child_is_done() || state_.tasks[child].ended) return false;
  if (!state_.tasks[child].flight.active && !deliver(child, violated, text)) return true;
  const Table before = state_.table_of(s.thread);
  const spawn_step* next = s.machine.next_step();
  const bool is_within = state_.tasks[child].flight.active;
  if (!s.machine.step_child(*kernel_, state_)) return false;
  if (text != nullptr) *text += "child: " + std::string(next != nullptr ? step_words[next->kind] : "ends") + (is_within ? ", a further step" : "");
  if (!same_but_pidfds(state_, before, state_.table_of(s.thread)))
    violated = Violated{Clause::fd_untouched, "the child changes the caller's table", "nothing of ours is visible in it, not even for a moment", "contract fd.untouched"};
  if (!violated && s.machine.child_is_done() && !state_.tasks[child].ended && !s.child_checked) {
    s.child_checked = true;
    violated = check_child(s);
  }
  return true;
}

// ---- reduction and names --------------------------------------------------------------------------

bool World::is_private(unsigned actor) const {
  if (has_signals_ || has_busy_files_) return false;
  if (actor < threads_) {
    if (is_finished(actor)) return false;
    const sc_operation& op = operation(actor);
    if (op.kind == SC_OP_MASK || op.kind == SC_OP_ALTSTACK) return true;
    const Spawned* s = op.kind == SC_OP_SPAWN ? spawn_under_way(actor) : nullptr;
    if (s == nullptr) return false;
    const SimulatedSpawn::Stage stage = s->machine.stage();
    if (stage == SimulatedSpawn::Stage::block || stage == SimulatedSpawn::Stage::collect) return true;
    // With its child gone to its program, or dead, nothing that the rest does depends on anybody.
    return s->machine.waits_for_exec() && (stage == SimulatedSpawn::Stage::suspended || stage == SimulatedSpawn::Stage::restore);
  }
  const Spawned& s = spawns_[actor - threads_];
  const Index child = s.machine.child();
  if (child == model::none || s.machine.child_is_done() || state_.tasks[child].ended) return false;
  if (!s.machine.waits_for_exec()) return false;  // a parent that goes on may see the child fail, or not yet
  const spawn_step* next = s.machine.next_step();
  if (next == nullptr) return false;
  switch (next->kind) {
    case SPAWN_STEP_RESET_HANDLERS: case SPAWN_STEP_DEFAULT: case SPAWN_STEP_IGNORE: case SPAWN_STEP_MASK: case SPAWN_STEP_SESSION: case SPAWN_STEP_PGROUP:
    case SPAWN_STEP_UMASK: case SPAWN_STEP_CHDIR:
      return true;
    case SPAWN_STEP_FETCH: return false;  // reads the caller's table
    default: return state_.table_users(state_.tasks[child].table) <= 1 || model::closes_in_own_copy(state_, child);
  }
}

namespace {

// Names in the order in which they are met.
class Names {
 public:
  std::uint64_t of(Index i) {
    if (i == model::none) return 0xffff;
    for (std::size_t n = 0; n < met_.size(); ++n)
      if (met_[n] == i) return n;
    met_.push_back(i);
    return met_.size() - 1;
  }

 private:
  std::vector<Index> met_;
};

std::uint64_t hash_table(std::uint64_t h, const Table& table, Names& files) {
  for (const Entry& e : table.entries()) {
    h = model::mix(h, static_cast<std::uint32_t>(e.number) | std::uint64_t{static_cast<std::uint32_t>(e.last)} << 32);
    h = model::mix(h, files.of(e.description) << 1 | std::uint64_t{e.cloexec});
  }
  return model::mix(h, table.entries().size());
}

}  // namespace

std::uint64_t World::hash(bool is_end) const {
  std::uint64_t h = 1;
  Names tables, files, dispositions, memories;
  for (const model::Task& task : state_.tasks) {
    if (task.ended) {
      h = model::mix(h, 0xdead);
      continue;
    }
    const std::uint64_t met = tables.of(task.table);
    h = model::mix(h, met);
    h = hash_table(h, state_.tables[task.table], files);
    h = model::mix(h, dispositions.of(task.dispositions) | memories.of(task.memory) << 16 | std::uint64_t{task.process} << 32 | std::uint64_t{task.altstack} << 48);
    const model::Dispositions& d = state_.dispositions[task.dispositions];
    h = model::mix(model::mix(h, d.ignored), d.handled);
    h = model::mix(model::mix(h, task.mask), task.pending.set);
    h = model::mix(h, task.vfork_child);
    h = model::mix(h, state_.memories[task.memory].window_free);
    for (const std::int32_t cell : state_.memories[task.memory].cell) h = model::mix(h, static_cast<std::uint32_t>(cell));
    const model::Flight& f = task.flight;
    if (!f.active) continue;
    h = model::mix(h, f.call.kind | std::uint64_t{f.phase} << 8 | std::uint64_t{f.woken} << 16 | files.of(f.held) << 24);
    h = model::mix(h, static_cast<std::uint32_t>(f.reserved[0]) | std::uint64_t{static_cast<std::uint32_t>(f.reserved[1])} << 32);
    h = model::mix(h, static_cast<std::uint64_t>(f.cursor));
    if (f.table != model::none) h = hash_table(h, state_.tables[f.table], files);
  }
  for (const model::Process& p : state_.processes) {
    h = model::mix(h, static_cast<std::uint64_t>(p.life) | std::uint64_t{static_cast<std::uint32_t>(p.limit)} << 8);
    h = model::mix(h, p.shared_pending.set);
    h = model::mix(h, static_cast<std::uint32_t>(p.program) | std::uint64_t{static_cast<std::uint32_t>(p.group)} << 32);
    h = model::mix(h, static_cast<std::uint32_t>(p.cwd) | std::uint64_t{static_cast<std::uint32_t>(p.umask)} << 32 | std::uint64_t{p.session_leader} << 63);
  }
  for (unsigned t = 0; t < threads_; ++t) {
    h = model::mix(h, position_[t]);
    for (const Result& r : results_[t]) {
      h = model::mix(h, static_cast<std::uint32_t>(r.value[0]) | std::uint64_t{static_cast<std::uint32_t>(r.value[1])} << 32);
      h = model::mix(h, static_cast<std::uint32_t>(r.error));
    }
  }
  // A file's state beyond its name: who may hold it.
  for (Index i = 0; i < state_.descriptions.size(); ++i)
    if (state_.descriptions[i].locked || state_.descriptions[i].key.kind == SC_FILE_LISTENER) h = model::mix(h, files.of(i) << 8 | state_.descriptions[i].key.kind);
  const auto named = [&](std::uint64_t set) {
    std::uint64_t out = 0;
    for (Index i = 0; i < files_max && set >> i != 0; ++i)
      if (set >> i & 1) out |= 1ull << (files.of(i) & 63);
    return out;
  };
  for (const Spawned& s : spawns_) {
    h = s.machine.hash(h);
    if (is_end) continue;
    h = model::mix(h, std::uint64_t{s.child_checked} | std::uint64_t{s.source_was_closed} << 1 | std::uint64_t{s.thread} << 8 | std::uint64_t{s.operation} << 24);
    for (const std::uint64_t set : s.source) h = model::mix(h, named(set));
    for (const std::uint64_t set : s.ever) h = set == 0 ? h : model::mix(h, named(set));
    for (const std::uint64_t set : s.always) h = set == ~0ull ? h : model::mix(h, named(set) + 1);
  }
  return h;
}

}  // namespace spawncheck::explore
