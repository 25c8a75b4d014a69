// SPDX-License-Identifier: MIT
//
// The search. A node is the model's state, how far each thread has come, and the open windows of spawns.
// A thread may begin its next operation when every operation that returned before that call has finished
// in the search; an operation in flight may always continue. A window is opened at once, without a
// choice: opening it earlier only explains more.
#include "model/explore/linearize.h"

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_set>

#include "model/contract/describe.h"
#include "model/contract/rules.h"
#include "model/explore/final_state.h"
#include "model/kernel/operation_call.h"

namespace spawncheck::explore {

using model::Call;
using model::CallKind;
using model::Index;
using model::State;
using model::Step;

namespace {

// Bounds the steps of one operation within a move: no operation makes more than a few for each number it closes.
constexpr int steps_of_operation_max = 4 * SC_NUMBER_MAX;

// Returns true if a signal may reach the caller's threads and end a sleep. A signal that is ignored by default can,
// such as SIGCHLD of a child that ends: the arena's main thread blocks it, so it is queued, and wakes a thread
// (kernel/signal.c sig_ignored, complete_signal).
bool may_be_interrupted(const Scenario& scenario, const sc_history& history) {
  bool sends = history.fault.kind == SC_FAULT_SIGNAL;
  for (const Thread& thread : scenario.threads)
    for (const sc_operation& op : thread.operations)
      sends |=
          op.kind == SC_OP_KILL || op.kind == SC_OP_KILL_GROUP || op.kind == SC_OP_TGKILL || op.kind == SC_OP_SPAWN;
  return sends;
}

// Bounds the recursion: each level makes at least one step of one operation.
constexpr int depth_max = 1'000;

static_assert(SC_THREADS_MAX <= 24, "model::Description::held_in_window has a bit of each thread, and its hash has 24");

// Bounds the ways to settle one child. If there are more and none of these explains the run, the result is unknown.
constexpr std::uint64_t ways_to_settle_max = 64;

class Search {
 public:
  Search(const Scenario& scenario, const sc_history& history, const LinearizeOptions& options)
      : scenario_(scenario),
        history_(history),
        options_(options),
        threads_(static_cast<Index>(scenario.threads.size())) {
    for (std::uint32_t t = 0; t < threads_; ++t) {
      cases_[t].resize(scenario.threads[t].operations.size());
      for (std::uint32_t o = 0; o < cases_[t].size(); ++o)
        if (scenario.threads[t].operations[o].kind == SC_OP_SPAWN && history.op[t][o].begin != 0)
          cases_[t][o] = spawn_case(scenario, history, t, o, options.reference_errors, options.habits);
    }
    kernel_ = options.kernel;
    if (options.steps) kernel_.cuts = cuts();
  }

  Linearization run() {
    auto start = std::make_unique<Node>();
    start->window.resize(threads_);
    start->state = model::initial_state(scenario_.world, threads_, history_.world_inode);
    start->state.has_limit_changes = model::changes_limits(scenario_);
    start->state.has_unknown_signals = may_be_interrupted(scenario_, history_);
    const bool found = visit(std::move(start), 0);
    result_.explained = found ? Explained::yes : exhausted_ ? Explained::unknown : Explained::no;
    return std::move(result_);
  }

 private:
  struct Node {
    State state;
    std::array<std::uint8_t, SC_THREADS_MAX> position{};
    model::SmallVector<Window, 3> window;
    std::vector<SettledChild> children;
  };

  using Owned = std::unique_ptr<Node>;  // on the heap: the search recurses, so its frames must be small
  static Owned copy(const Node& n) { return std::make_unique<Node>(n); }

  std::vector<std::int32_t> cuts() const;

  const sc_operation& operation(const Node& n, Index t) const { return scenario_.threads[t].operations[n.position[t]]; }
  const sc_op_record& record(const Node& n, Index t) const { return history_.op[t][n.position[t]]; }
  bool has_next(const Node& n, Index t) const {
    return n.position[t] < scenario_.threads[t].operations.size() && record(n, t).begin != 0;
  }
  bool is_under_way(const Node& n, Index t) const { return n.window[t].is_open() || n.state.tasks[t].flight.active; }

  bool may_begin(const Node& n, Index t) const {
    for (Index u = 0; u < threads_; ++u) {
      if (u == t || !has_next(n, u)) continue;
      const sc_op_record& other = record(n, u);
      if (other.end != 0 && other.end < record(n, t).begin) return false;
    }
    return true;
  }

  // 128 bits: taking an unseen state for a known dead end could accuse a correct spawn.
  model::Hash128 hash_of(const Node& n) const {
    model::Hash128 h = model::hash128(n.state);
    for (Index t = 0; t < threads_; ++t) h = n.window[t].hash(model::mix(h, n.position[t]));
    for (const SettledChild& c : n.children) h = c.hash(h);
    return h;
  }

  bool visit(Owned node, int depth);
  bool is_done(const Node& node) const;

  // Moves. Each makes a move, searches on from there, and returns true if that explained everything.
  bool move(Owned node, Index t, int depth);
  bool move_call(Owned next, Index t, int depth);
  bool go_on(Owned next, Index t, Step made, const model::Result&, int depth);
  bool move_window(Owned node, Index t, int depth);
  bool move_pidfd(Owned next, Index t, int depth);
  bool step_pidfd(Node& next, Index t);
  bool move_child_call(Owned next, Index t, int depth);
  bool finish(Owned next, Index t, int depth);
  bool accept(Node& next, Index t, const model::Result& result);
  bool may_close(const Node& node, Index t) const;
  void close_window(Node& next, Index t, std::uint64_t way);

  void begin_call(Node& next, Index t) const;
  void force(Node& next, Index t, const sc_op_record& r, const model::Result& result) const;
  void put_where_seen(Node& next, Index t, const sc_op_record& r, const Index opened[2]) const;
  void look_through_windows(Node& next) const;
  void note_installed(Node& next, std::int32_t number) const;
  std::uint64_t inode_of(Index t, std::uint32_t o, int end) const;

  bool enforces(Clause c) const { return options_.enforced.has(c); }
  void refuse(const Node& n, const Window::Reason& reason) const;

  const Scenario& scenario_;
  const sc_history& history_;
  const LinearizeOptions& options_;
  const Index threads_;
  model::Kernel kernel_;
  std::array<std::vector<SpawnCase>, SC_THREADS_MAX> cases_;
  std::unordered_set<model::Hash128> dead_ends_;
  bool exhausted_ = false;
  mutable Linearization result_;
  mutable std::uint32_t furthest_ = 0;
};

// The numbers that an operation names or returned, the ends of runs in a child's table, and the numbers after each.
std::vector<std::int32_t> Search::cuts() const {
  std::vector<std::int32_t> numbers;
  auto add = [&](std::int32_t n) {
    if (n < 0) return;
    numbers.push_back(n);
    numbers.push_back(n + 1);
  };
  for (std::uint32_t t = 0; t < threads_; ++t)
    for (std::uint32_t o = 0; o < scenario_.threads[t].operations.size(); ++o) {
      for (const sc_operand& operand : scenario_.threads[t].operations[o].operand)
        add(resolve(scenario_, history_, t, o, operand));
      for (const std::int32_t value : history_.op[t][o].value) add(value);
      for (const Kept& k : cases_[t][o].keep) {
        add(k.source);
        add(k.target);
      }
      const sc_process* child = cases_[t][o].child;
      for (std::uint32_t i = 0; child != nullptr && i < child->entry_count; ++i) {
        add(child->entry[i].number);
        add(child->entry[i].last);
      }
    }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

// Keeps the refusal that came after the most operations; one of LinearizeOptions::explained_by beats any other.
void Search::refuse(const Node& n, const Window::Reason& reason) const {
  if (reason.observed.empty()) return;
  std::uint32_t done = 1;
  for (Index t = 0; t < threads_; ++t) done += n.position[t];
  if (options_.explained_by == reason.clause) done += SC_THREADS_MAX * SC_OPS_MAX;
  if (done < furthest_) return;
  furthest_ = done;
  result_.observed = reason.observed;
  result_.allowed = reason.allowed;
  result_.rule = reason.rule;
}

// Returns the inode that fstat(2) reported; 0 if another thread may have closed or replaced the number meanwhile.
std::uint64_t Search::inode_of(Index t, std::uint32_t o, int end) const {
  const sc_op_record& r = history_.op[t][o];
  if (r.identified == 0) return 0;
  for (Index u = 0; u < threads_; ++u) {
    if (u == t) continue;
    for (std::uint32_t p = 0; p < scenario_.threads[u].operations.size(); ++p) {
      const sc_op_record& other = history_.op[u][p];
      const std::uint8_t kind = scenario_.threads[u].operations[p].kind;
      if (kind != SC_OP_CLOSE && kind != SC_OP_DUP2 && kind != SC_OP_DUP3 && kind != SC_OP_CLOSE_RANGE) continue;
      const bool overlaps = other.begin != 0 && other.begin < r.identified && (other.end == 0 || other.end > r.begin);
      if (overlaps) return 0;
    }
  }
  return r.inode[end];
}

void Search::look_through_windows(Node& next) const {
  for (Index t = 0; t < threads_; ++t)
    if (next.window[t].is_open()) next.window[t].look(next.state, t);
  if (enforces(Clause::fd_untransient)) return;
  std::uint32_t windows = 0;
  for (Index t = 0; t < threads_; ++t)
    if (next.window[t].is_open()) windows |= 1u << t;
  if (windows == 0) return;
  for (Index t = 0; t < threads_; ++t)
    for (const model::Entry& e : next.state.table_of(t).entries())
      if (e.description != model::none) next.state.descriptions[e.description].held_in_window |= windows;
}

void Search::note_installed(Node& next, std::int32_t number) const {
  for (Index t = 0; t < threads_; ++t)
    if (next.window[t].is_open()) next.window[t].note_installed(number);
}

void Search::begin_call(Node& next, Index t) const {
  const sc_operation& op = operation(next, t);
  const std::uint32_t o = next.position[t];
  model::Resolved r;
  r.identity = sc_identity_of_op(t, o);
  for (int i = 0; i < 2; ++i) {
    r.operand[i] = resolve(scenario_, history_, t, o, op.operand[i]);
    r.inode[i] = inode_of(t, o, i);
  }
  if (const std::optional<Call> call = model::call_of(op, r)) model::begin(next.state, t, *call);
}

// Used without fd.untouched as evidence: the state takes over the observed result. A file that the model opened at
// another number moves to the observed one; if the model opened none, an unknown file is put there.
void Search::force(Node& next, Index t, const sc_op_record& r, const model::Result& result) const {
  const sc_operation& op = operation(next, t);
  const Index table = next.state.tasks[t].table;
  Index opened[2] = {model::none, model::none};
  if (result.error == 0 && op.kind != SC_OP_DUP2 && op.kind != SC_OP_DUP3 && op.kind <= SC_OP_DUPFD) {
    for (int i = 0; i < 2; ++i) {
      const model::Entry* e = result.value[i] < 0 ? nullptr : next.state.table_of(t).find(result.value[i]);
      if (e == nullptr || e->description == model::none) continue;
      opened[i] = e->description;
      next.state.hold(opened[i]);  // keeps it over the removal
      next.state.remove(table, result.value[i], result.value[i]);
    }
  }
  put_where_seen(next, t, r, opened);
  for (const Index description : opened)
    if (description != model::none) next.state.release(description);
}

void Search::put_where_seen(Node& next, Index t, const sc_op_record& r, const Index opened[2]) const {
  if (r.error != 0) return;
  const sc_operation& op = operation(next, t);
  // ipc/mqueue.c do_mq_open: always close-on-exec.
  const bool is_cloexec = op.kind == SC_OP_MQUEUE || (op.flags & SC_FLAG_CLOEXEC) != 0;
  for (int i = 0; i < 2; ++i) {
    const bool is_number = op.kind <= SC_OP_LISTEN || (op.kind >= SC_OP_DUP && op.kind <= SC_OP_DUPFD && i == 0);
    if (!is_number || r.value[i] < 0) continue;
    model::Description unknown;
    unknown.wildcard = true;
    const Index description = opened[i] != model::none ? opened[i] : next.state.add(unknown);
    next.state.put(next.state.tasks[t].table, r.value[i], description, is_cloexec);
  }
}

bool Search::is_done(const Node& node) const {
  for (Index t = 0; t < threads_; ++t) {
    if (!has_next(node, t)) continue;
    if (record(node, t).end != 0) return false;
    // The operation did not return: in a run that ended blocked, it must be blocked in the model too.
    if (history_.end == SC_RUN_BLOCKED && node.state.tasks[t].flight.active) {
      State probe = node.state;
      model::Result ignored;
      if (model::step(kernel_, probe, t, 0, ignored) != Step::blocked) return false;
    }
  }
  Window::Reason reason;
  if (final_state_matches(node.state, threads_, history_, node.children, options_.enforced,
                          options_.explain ? &reason : nullptr))
    return true;
  refuse(node, reason);
  return false;
}

bool Search::visit(Owned owned, int depth) {
  if (depth > depth_max || ++result_.work > options_.work_max) {
    exhausted_ = true;
    return false;
  }
  Node& node = *owned;
  for (bool moved = true; moved;) {
    moved = false;
    for (Index t = 0; t < threads_; ++t) {
      if (!has_next(node, t) || is_under_way(node, t) || operation(node, t).kind != SC_OP_SPAWN || !may_begin(node, t))
        continue;
      node.window[t].open(cases_[t][node.position[t]], node.state, t);
      look_through_windows(node);
      moved = true;
    }
  }
  if (!dead_ends_.insert(hash_of(node)).second) return false;
  if (is_done(node)) return true;

  std::array<Index, SC_THREADS_MAX> order;
  Index count = 0;
  for (Index t = 0; t < threads_; ++t)
    if (has_next(node, t) && (is_under_way(node, t) || may_begin(node, t))) order[count++] = t;
  auto returns_at = [&](Index t) { return record(node, t).end == 0 ? UINT32_MAX : record(node, t).end; };
  std::stable_sort(order.begin(), order.begin() + count,
                   [&](Index a, Index b) { return returns_at(a) < returns_at(b); });
  for (Index i = 0; i + 1 < count; ++i) {
    if (move(copy(node), order[i], depth)) return true;
    if (exhausted_) return false;
  }
  return count > 0 && move(std::move(owned), order[count - 1], depth);  // the last move needs no copy
}

bool Search::move(Owned node, Index t, int depth) {
  if (node->window[t].is_open()) return move_window(std::move(node), t, depth);
  const std::uint8_t kind = operation(*node, t).kind;
  if (kind == SC_OP_WAIT || kind == SC_OP_KILL_CHILD) return move_child_call(std::move(node), t, depth);
  if (!node->state.tasks[t].flight.active) begin_call(*node, t);
  return move_call(std::move(node), t, depth);
}

// Makes one step of the call in flight (or all, until done or blocked), with each of its outcomes.
bool Search::move_call(Owned next, Index t, int depth) {
  bool advanced = false;
  for (int i = 0; i < steps_of_operation_max; ++i) {
    unsigned count = model::outcome_count(kernel_, next->state, t);
    const bool by_number = next->state.tasks[t].flight.call.kind == static_cast<std::uint8_t>(CallKind::close_range);
    if (by_number && !options_.steps) count = 1;  // whole operations close whole runs
    for (unsigned outcome = 1; outcome < count; ++outcome) {
      Owned other = copy(*next);
      model::Result result;
      const Step made = model::step(kernel_, other->state, t, outcome, result);
      if (made != Step::blocked && go_on(std::move(other), t, made, result, depth)) return true;
      if (exhausted_) return false;
    }
    model::Result result;
    const Step made = model::step(kernel_, next->state, t, 0, result);
    if (made == Step::done) return go_on(std::move(next), t, made, result, depth);
    if (made == Step::blocked) break;
    advanced = true;
    if (options_.steps) break;
  }
  if (!advanced) return false;
  look_through_windows(*next);
  return visit(std::move(next), depth + 1);
}

// Continues after a step. A call that a signal has interrupted is made again.
bool Search::go_on(Owned next, Index t, Step made, const model::Result& result, int depth) {
  const bool is_over = made == Step::done && result.error != model::restart;
  if (is_over) return accept(*next, t, result) && finish(std::move(next), t, depth);
  look_through_windows(*next);
  return visit(std::move(next), depth + 1);
}

// Returns true if the model's result agrees with the observed one, or if the disagreement is no evidence.
bool Search::accept(Node& next, Index t, const model::Result& result) {
  const sc_op_record& r = record(next, t);
  const std::uint8_t kind = operation(next, t).kind;
  if (r.end == 0) return history_.end != SC_RUN_BLOCKED;  // done in the model, but never returned in the run
  bool agrees = result.error == r.error;
  const bool has_value = kind != SC_OP_SETFD && kind != SC_OP_CLOSE && kind != SC_OP_FLOCK && kind != SC_OP_STORE;
  if (agrees && r.error == 0 && has_value)
    for (int i = 0; i < 2; ++i) agrees &= result.value[i] < 0 || result.value[i] == r.value[i];
  if (!agrees && enforces(Clause::fd_untouched)) {
    if (options_.explain) {
      auto words = [](int error, const std::int32_t* value) {
        if (error != 0 || value[0] < 0) return error != 0 ? describe_error(error) : std::string("success");
        return std::to_string(value[0]) + (value[1] >= 0 ? " and " + std::to_string(value[1]) : "");
      };
      refuse(next,
             {Clause::fd_untouched,
              "thread " + std::to_string(t) + ", operation " + std::to_string(next.position[t]) + ": " +
                  print(operation(next, t)) + " gave " + words(r.error, r.value),
              words(result.error, result.value) + ", when only the scenario's own calls act on the parent's table",
              rule(Rule::others_unaffected) + "; the call's man page"});
    }
    return false;
  }
  if (!agrees) force(next, t, r, result);
  if (r.error == 0 && (kind <= SC_OP_LISTEN || kind == SC_OP_DUP || kind == SC_OP_DUPFD))
    for (std::int32_t number : r.value)
      if (number >= 0) note_installed(next, number);
  return true;
}

bool Search::finish(Owned next, Index t, int depth) {
  ++next->position[t];
  look_through_windows(*next);
  return visit(std::move(next), depth + 1);
}

// wait and kill_child: in the model the child's references end (wait) or become uncertain (kill_child).
bool Search::move_child_call(Owned owned, Index t, int depth) {
  Node& next = *owned;
  const sc_op_record& r = record(next, t);
  if (r.end == 0) return false;
  const std::int32_t pid = resolve(scenario_, history_, t, next.position[t], operation(next, t).operand[0]);
  for (SettledChild& child : next.children) {
    if (child.pid != pid || child.task == model::none || r.error != 0) continue;
    const bool gone = operation(next, t).kind == SC_OP_WAIT;
    if (!gone)
      for (const model::Entry& e : next.state.table_of(child.task).entries())
        next.state.descriptions[e.description].held_for_good = true;
    model::end_task(next.state, child.task, 0);
    next.state.process_of(child.task).life = gone ? model::Life::reaped : model::Life::zombie;
    if (gone) child.task = model::none;
  }
  return finish(std::move(owned), t, depth);
}

// An open window: its pidfd may make its next step, or the window may close.
bool Search::move_window(Owned node, Index t, int depth) {
  const SpawnCase& spawn = node->window[t].spawn();
  if (spawn.wants_pidfd && node->window[t].pidfd != Window::Pidfd::settled && move_pidfd(copy(*node), t, depth))
    return true;
  if (exhausted_ || !spawn.returned || !may_close(*node, t)) return false;
  const std::uint64_t ways = spawn.succeeded ? ways_to_settle(node->window[t]) : 1;
  for (std::uint64_t way = 1; way < std::min(ways, ways_to_settle_max); ++way) {
    Owned other = copy(*node);
    close_window(*other, t, way);
    if (finish(std::move(other), t, depth)) return true;
    if (exhausted_) return false;
  }
  close_window(*node, t, 0);
  if (finish(std::move(node), t, depth)) return true;
  exhausted_ |= ways > ways_to_settle_max;
  return false;
}

// The pidfd's next step: its number is reserved (pidfd_prepare), the pidfd is installed, and if the spawn
// failed it is closed again.
bool Search::step_pidfd(Node& next, Index t) {
  Window& w = next.window[t];
  const Index own = next.state.tasks[t].table;
  const model::Table& table = next.state.tables[own];
  const SpawnCase& spawn = w.spawn();
  if (w.pidfd == Window::Pidfd::untouched) {
    std::int32_t number = table.lowest_free(0);
    if (spawn.succeeded) {
      const std::int32_t got = spawn.record->value[1];
      const bool is_free = got >= 0 && table.find(got) == nullptr;
      if (enforces(Clause::fd_untouched) ? got != number : !is_free) return false;
      number = got;
    }
    if (number >= w.highest_limit()) return false;  // the limit is read before the lock is taken
    next.state.put(own, number, model::none, true);
    w.pidfd_number = number;
    w.pidfd = Window::Pidfd::reserved;
    return true;
  }
  const model::Entry* slot = table.find(w.pidfd_number);
  if (w.pidfd == Window::Pidfd::reserved) {
    model::Description pidfd;
    pidfd.key.kind = SC_FILE_PIDFD;
    pidfd.key.id = static_cast<std::uint64_t>(static_cast<std::uint32_t>(spawn.record->value[0]));
    const bool cloexec = slot != nullptr && slot->cloexec;
    const Index description = next.state.add(pidfd);
    next.state.put(own, w.pidfd_number, description, cloexec);
    w.note_own_pidfd(description);
    w.pidfd = spawn.succeeded ? Window::Pidfd::settled : Window::Pidfd::taken;
    note_installed(next, w.pidfd_number);
    return true;
  }
  // Closes any file there by now: a thread that put its file at a number it does not own loses the file.
  if (slot != nullptr && slot->description != model::none) next.state.remove(own, w.pidfd_number, w.pidfd_number);
  w.pidfd = Window::Pidfd::settled;
  return true;
}

bool Search::move_pidfd(Owned next, Index t, int depth) {
  const bool starts = next->window[t].pidfd == Window::Pidfd::untouched;
  if (!step_pidfd(*next, t)) return false;
  if (starts && !options_.steps && !step_pidfd(*next, t)) return false;  // whole operations: both steps at once
  look_through_windows(*next);
  return visit(std::move(next), depth + 1);
}

bool Search::may_close(const Node& node, Index t) const {
  Window::Reason reason;
  if (node.window[t].may_close(options_.enforced, options_.resource_errors, options_.explain ? &reason : nullptr))
    return true;
  refuse(node, reason);
  return false;
}

void Search::close_window(Node& next, Index t, std::uint64_t way) {
  Window& window = next.window[t];
  const SpawnCase& spawn = window.spawn();
  if (spawn.succeeded) {
    next.children.push_back(settle_child(next.state, t, window, way));
    // Without fd.released the child may still hold what was dropped for a while.
    if (!enforces(Clause::fd_released))
      for (model::Description& d : next.state.descriptions) d.held_for_good |= (d.held_in_window >> t & 1) != 0;
  }
  for (model::Description& d : next.state.descriptions) d.held_in_window &= ~(1u << t);
  window = Window{};
}

}  // namespace

Linearization linearize(const Scenario& scenario, const sc_history& history, const LinearizeOptions& options) {
  LinearizeOptions whole = options;
  whole.steps = false;
  Linearization first = Search(scenario, history, whole).run();
  if (first.explained != Explained::no || !options.steps) return first;
  Linearization second = Search(scenario, history, options).run();
  second.work += first.work;
  return second;
}

}  // namespace spawncheck::explore
