// SPDX-License-Identifier: MIT
#include "impl/reproducer/owed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "impl/peers/implementation.h"
#include "impl/session/running_kernel.h"
#include "impl/session/scheduled.h"
#include "model/kernel/operation_call.h"
#include "model/scenario/kept.h"
#include "model/scenario/visible.h"

namespace spawncheck {

namespace {

constexpr std::uint64_t unblockable = 1ull << 8 | 1ull << 18;

// The inode of both ends of a pair, as far as the program knows it: the identity of the line or operation that made it.
std::uint64_t pair_identity(std::uint64_t made_by) { return made_by; }

std::string name_of(const sc_key& key) {
  const char letter = static_cast<char>('a' + key.id % SC_NAMES_MAX);
  switch (key.kind) {
    case SC_FILE_MEMFD:
      return fmt::format("memfd {}", key.id);
    case SC_FILE_EVENTFD:
      return fmt::format("eventfd {}", key.id);
    case SC_FILE_NULL:
      return "/dev/null";
    case SC_FILE_PIPE_READ:
      return fmt::format("pipe {}, read end", key.id);
    case SC_FILE_PIPE_WRITE:
      return fmt::format("pipe {}, write end", key.id);
    case SC_FILE_SOCKET:
      return fmt::format("socketpair {}", key.id);
    case SC_FILE_REGULAR:
      return fmt::format("file-{}", letter);
    case SC_FILE_PROGRAM:
      return fmt::format("program-{}", letter);
    case SC_FILE_FIFO_READ:
      return fmt::format("fifo-{}, read end", letter);
    case SC_FILE_FIFO_WRITE:
      return fmt::format("fifo-{}, write end", letter);
    case SC_FILE_PIDFD:
      return "pidfd";
    default:
      return {};
  }
}

bool is_known(const sc_operation& op) {
  switch (op.kind) {
    case SC_OP_KILL:
    case SC_OP_KILL_GROUP:
    case SC_OP_TGKILL:
    case SC_OP_SPAWN:
    case SC_OP_WAIT:
    case SC_OP_KILL_CHILD:
      return false;
    default:
      return true;
  }
}

// Returns true if the result may depend on a file that a child holds or held: the model in this file has no children.
bool may_be_busy(const sc_operation& op) {
  return op.kind == SC_OP_FLOCK || op.kind == SC_OP_LISTEN || op.kind == SC_OP_PROGRAM || op.kind == SC_OP_FIFO;
}

// Returns true if the call may give a pidfd (CLONE_PIDFD).
bool may_give_pidfd(const sc_step& step) { return step.call == SC_VISIBLE_clone || step.call == SC_VISIBLE_clone3; }

class Walk {
 public:
  Walk(const Recorded& recorded, const Session& session)
      : r_(recorded), s_(recorded.scenario), session_(session), kernel_(running_kernel()) {
    std::uint64_t inode[SC_WORLD_MAX][2];
    for (std::uint32_t i = 0; i < SC_WORLD_MAX; ++i) inode[i][0] = inode[i][1] = pair_identity(sc_identity_of_world(i));
    state_ = model::initial_state(s_.world, static_cast<std::uint32_t>(s_.threads.size()), inode);
    state_.has_limit_changes = false;
  }

  Owed walk() {
    for (std::uint32_t i = 0; i < r_.trace->step_count && out_.why_unknown.empty(); ++i) {
      const sc_step& step = r_.trace->step[i];
      const sc_task& task = r_.trace->task[step.task];
      if (step.outside != 0 || (step.kind != SC_STEP_CALL && step.kind != SC_STEP_WAKES)) continue;
      advance(task.thread, step, task.child < 0);
    }
    for (unsigned t = 0; t < s_.threads.size(); ++t) reach(t, static_cast<unsigned>(s_.threads[t].operations.size()));
    out_.final_table = table();
    return std::move(out_);
  }

 private:
  const sc_operation& op(unsigned t, unsigned o) const { return s_.threads[t].operations[o]; }
  const sc_op_record& record(unsigned t, unsigned o) const { return r_.history->op[t][o]; }

  void advance(unsigned t, const sc_step& step, bool is_thread) {
    const unsigned o = step.operation;
    if (o >= s_.threads[t].operations.size()) return;
    reach(t, o);
    if (op(t, o).kind == SC_OP_SPAWN) {
      if (!is_begun_[t]) begin_spawn(t, o);
      if (may_give_pidfd(step) && starts_process(step)) put_pidfd(t, o);
      return;
    }
    if (!is_thread || !is_known(op(t, o))) return;
    if (!is_begun_[t]) begin(t, o);
    // The operation takes effect at its last step, or at the one that sleeps.
    if (!is_last_step(t, o, step) && step.outcome != SC_OUTCOME_SLEEPS) return;
    run(t, o);
  }

  bool is_last_step(unsigned t, unsigned o, const sc_step& step) const {
    for (const sc_step* s = &step + 1; s < r_.trace->step + r_.trace->step_count; ++s)
      if (r_.trace->task[s->task].thread == t && r_.trace->task[s->task].child < 0 && s->outside == 0 &&
          s->operation == o && (s->kind == SC_STEP_CALL || s->kind == SC_STEP_WAKES))
        return false;
    return true;
  }

  // Ends the operations before o; those that made no step of their own run here.
  void reach(unsigned t, unsigned o) {
    for (; next_[t] < o; ++next_[t]) {
      const unsigned n = next_[t];
      if (op(t, n).kind == SC_OP_SPAWN) {
        if (!is_begun_[t]) begin_spawn(t, n);
        end_spawn(t, n);
      } else if (is_known(op(t, n)) && !is_ended_[t]) {
        if (!is_begun_[t]) begin(t, n);
        run(t, n);
      }
      is_begun_[t] = is_ended_[t] = false;
    }
  }

  int operand(unsigned t, unsigned o, const sc_operand& operand) const {
    if (operand.variable == 0) return operand.value;
    for (unsigned i = o; i-- > 0;)
      for (int r = 0; r < 2; ++r)
        if (op(t, i).result[r] == operand.value) {
          if (!is_known(op(t, i))) return record(t, i).error == 0 ? record(t, i).value[r] : -1;
          const auto& owed = out_.result[t][i][r];
          return owed ? static_cast<int>(std::max(*owed, -1L)) : record(t, i).error == 0 ? record(t, i).value[r] : -1;
        }
    return -1;
  }

  void begin(unsigned t, unsigned o) {
    model::Resolved resolved;
    for (int i = 0; i < 2; ++i) resolved.operand[i] = operand(t, o, op(t, o).operand[i]);
    resolved.identity = sc_identity_of_op(t, o);
    resolved.inode[0] = resolved.inode[1] = pair_identity(resolved.identity);
    model::begin(state_, static_cast<model::Index>(t), *model::call_of(op(t, o), resolved));
    is_begun_[t] = true;
  }

  void run(unsigned t, unsigned o) {
    model::Result result;
    model::Step step = model::Step::advanced;
    for (unsigned steps = 0; step == model::Step::advanced && steps < 100'000; ++steps)
      step = model::step(kernel_, state_, static_cast<model::Index>(t), 0, result);
    if (step != model::Step::done) return;  // it sleeps
    is_ended_[t] = true;
    const bool is_uncertain = may_be_busy(op(t, o)) && has_spawned_;
    const int results = row_of_results(op(t, o));
    for (int i = 0; i < std::max(results, 1) && !is_uncertain; ++i)
      out_.result[t][o][i] = result.error != 0 ? -result.error : gives_value(op(t, o)) ? result.value[i] : 0;
    if (is_uncertain && (result.error == 0) != (record(t, o).error == 0))
      out_.why_unknown = "an operation found something busy, or not, that a child may hold";
    for (auto& [at, spawn] : out_.spawns) add_instant(at.first, at.second, spawn);
  }

  static bool gives_value(const sc_operation& op) {
    return row_of_results(op) > 0 || op.kind == SC_OP_LOAD || op.kind == SC_OP_GETFD;
  }
  static int row_of_results(const sc_operation& op) {
    constexpr int results[] = {
#define SC_ROW(id, word, operands, flags, results, summary) results,
        SC_OPERATIONS(SC_ROW)
#undef SC_ROW
    };
    return results[op.kind];
  }

  OwedTable table() {
    OwedTable out;
    const model::Index main = static_cast<model::Index>(s_.threads.size());
    for (const model::Entry& e : state_.table_of(main).entries()) {
      if (e.description == model::none) continue;
      const std::string file = name_of(state_.descriptions[e.description].key);
      if (file.empty()) out_.why_unknown = "a descriptor of a kind that the program cannot tell from others";
      for (int n = e.number; n <= e.last; ++n) out[n] = {e.cloexec, file};
    }
    return out;
  }

  // --- spawns

  void begin_spawn(unsigned t, unsigned o) {
    is_begun_[t] = true;
    has_spawned_ = true;
    OwedSpawn& spawn = out_.spawns[{t, o}];
    open_.insert({t, o});
    const sc_request& request = op(t, o).request;
    for (const sc_keep& k : kept(request)) spawn.kept.push_back(k.target);
    spawn.mask = (request.set & SPAWNCHECK_SET_MASK) != 0 ? request.mask & ~unblockable : state_.tasks[t].mask;
    spawn.ignored_always = ~0ull;
    add_instant(t, o, spawn);
  }

  // Adds the child's table, dispositions and errors as they would be if all of them were decided now.
  void add_instant(unsigned t, unsigned o, OwedSpawn& spawn) {
    if (open_.count({t, o}) == 0) return;
    const sc_request& request = op(t, o).request;
    const OwedTable callers = table();
    OwedTable child;
    std::set<int> errors, targets;
    if (request.policy != SPAWNCHECK_FDS_ONLY)
      for (const auto& [number, entry] : callers)
        if (!entry.cloexec) child[number] = {false, entry.file};
    for (const sc_keep& k : kept(request)) {
      const int source = operand(t, o, k.source);
      const auto found = callers.find(source);
      if (!targets.insert(k.target).second) errors.insert(EINVAL);
      if (found == callers.end() || k.target >= state_.process_of(static_cast<model::Index>(t)).limit)
        errors.insert(EBADF);
      else
        child[k.target] = {false, found->second.file};
    }
    if (const int error = model::error_of_program(request.program)) errors.insert(error);
    if ((request.set & SPAWNCHECK_SET_PGROUP) != 0 && (request.pgroup.value != 0 || request.pgroup.variable != 0))
      errors.insert(-1);
    if ((request.set & SPAWNCHECK_SET_PGROUP) != 0 && (request.set & SPAWNCHECK_NEW_SESSION) != 0) errors.insert(-1);
    const bool is_hopeful = errors.empty() || errors.count(-1) != 0;
    if (request.program == SC_PROGRAM_WRITTEN) errors.insert(ETXTBSY);
    spawn.may_succeed = spawn.instants.empty() && !spawn_seen_[t][o] ? is_hopeful : spawn.may_succeed || is_hopeful;
    spawn_seen_[t][o] = true;
    spawn.errors.merge(errors);
    if (s_.world.refusal_count != 0 || s_.fault.kind != SC_FAULT_NONE) {
      spawn.errors.insert(-1);
      spawn.may_succeed = true;
    }
    if (session_.options().implementation != "reference")
      spawn.errors.merge(std::set<int>{EMFILE, ENFILE, ENOMEM, EAGAIN});
    if (spawn.instants.empty() || spawn.instants.back() != child) spawn.instants.push_back(child);
    std::uint64_t ignored = state_.dispositions_of(static_cast<model::Index>(t)).ignored;
    if ((request.set & SPAWNCHECK_SET_DEFAULT) != 0) ignored &= ~request.dflt;
    if ((request.set & SPAWNCHECK_SET_IGNORE) != 0) ignored |= request.ignore & ~unblockable;
    spawn.ignored_always &= ignored;
    spawn.ignored_maybe |= ignored;
  }

  // From the clone on the caller has the pidfd, at the lowest free number.
  void put_pidfd(unsigned t, unsigned o) {
    if ((op(t, o).request.set & SPAWNCHECK_WANT_PIDFD) == 0 || record(t, o).error != 0) return;
    model::Description pidfd;
    pidfd.key.kind = SC_FILE_PIDFD;
    const model::Index table = state_.tasks[t].table;
    const int number = state_.tables[table].lowest_free(0);
    state_.put(table, number, state_.add(pidfd), true);
    for (auto& [at, spawn] : out_.spawns) add_instant(at.first, at.second, spawn);
  }

  void end_spawn(unsigned t, unsigned o) { open_.erase({t, o}); }

  const Recorded& r_;
  const Scenario& s_;
  const Session& session_;
  const model::Kernel kernel_;
  model::State state_;
  Owed out_;
  unsigned next_[SC_THREADS_MAX] = {};
  bool is_begun_[SC_THREADS_MAX] = {}, is_ended_[SC_THREADS_MAX] = {};
  bool spawn_seen_[SC_THREADS_MAX][SC_OPS_MAX] = {};
  bool has_spawned_ = false;
  std::set<std::pair<unsigned, unsigned>> open_;
};

}  // namespace

Owed owed_of(const Recorded& recorded, const Session& session) { return Walk(recorded, session).walk(); }

}  // namespace spawncheck
