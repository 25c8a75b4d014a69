// SPDX-License-Identifier: MIT
#include "model/lockstep/walk.h"

#include <sched.h>
#include <signal.h>
#include <spawncheck/spawn/plan.h>
#include <sys/wait.h>

#include <cerrno>

#include "impl/peers/implementation.h"
#include "model/contract/describe.h"
#include "model/scenario/visible.h"

namespace spawncheck::lockstep {

using model::Call;
using model::CallKind;
using model::Index;
using model::Result;
using model::Step;

namespace {

// Returns true for the kernel's internal "restart" results (include/linux/errno.h): the call is made again.
bool is_restart(const sc_step& s) {
  return s.result == -512 || s.result == -513 || s.result == -514 || s.result == -516;
}

bool may_sleep(CallKind kind) { return kind == CallKind::open_fifo; }

// Returns true if the model predicts the call's value.
bool gives_value(CallKind kind) {
  switch (kind) {
    case CallKind::create:
    case CallKind::create_pair:
    case CallKind::open_fifo:
    case CallKind::open_program:
    case CallKind::dup:
    case CallKind::dupfd:
    case CallKind::dup3:
    case CallKind::getfd:
    case CallKind::umask:
    case CallKind::fetch:
      return true;
    default:
      return false;
  }
}

}  // namespace

Walk::Walk(const model::Kernel& kernel, const Scenario& scenario, const sc_trace& trace, const sc_history& history,
           Follow how)
    : kernel_(kernel),
      scenario_(scenario),
      trace_(trace),
      history_(history),
      how_(how),
      state_(model::initial_state(scenario.world, static_cast<std::uint32_t>(scenario.threads.size()),
                                  history.world_inode)),
      known_(trace.task_count),
      next_child_(static_cast<unsigned>(scenario.threads.size())) {
  for (unsigned t = 0; t < next_child_ && t < known_.size(); ++t) known_[t].task = static_cast<Index>(t);
  state_.dispositions_of(0).handled |= history.caught_by_libc & ~state_.dispositions_of(0).ignored;
}

bool Walk::disagree(std::string kernel, std::string model) {
  comparison_.disagreement = {at_, std::move(kernel), std::move(model)};
  return false;
}

bool Walk::unknown(std::string what) {
  comparison_.unknown = std::move(what);
  return false;
}

const sc_operation* Walk::operation(const sc_step& s) const {
  const sc_task& task = trace_.task[s.task];
  if (s.outside || task.child >= 0 || s.operation >= scenario_.threads[task.thread].operations.size()) return nullptr;
  const sc_operation& op = scenario_.threads[task.thread].operations[s.operation];
  return op.kind == SC_OP_SPAWN ? nullptr : &op;
}

const sc_operation* Walk::spawn(const sc_step& s) const {
  const sc_task& task = trace_.task[s.task];
  if (s.operation >= scenario_.threads[task.thread].operations.size()) return nullptr;
  const sc_operation& op = scenario_.threads[task.thread].operations[s.operation];
  return op.kind == SC_OP_SPAWN ? &op : nullptr;
}

int Walk::task_with_pid(std::int64_t pid) const {
  for (unsigned i = static_cast<unsigned>(scenario_.threads.size()); i < next_child_; ++i)
    if (trace_.task[i].pid == pid) return static_cast<int>(i);
  return -1;
}

std::int32_t Walk::group_named(std::int32_t pid) const {
  if (pid <= 0) return pid;
  if (history_.parent.observed && pid == history_.parent.pid) return 1;
  const int leader = task_with_pid(pid);
  return leader < 0 ? model::group_of_nobody : state_.tasks[known_[static_cast<unsigned>(leader)].task].process + 1;
}

bool Walk::follow(std::uint32_t at) {
  at_ = at;
  const sc_step& s = trace_.step[at];
  if (how_ == Follow::operations) return make_own(s);
  if (s.task >= known_.size() || known_[s.task].task == model::none) return unknown("a task the model has not");
  ++comparison_.steps;
  if (state_.tasks[known_[s.task].task].ended) return s.outcome == SC_OUTCOME_DIED || disagree("goes on", "has ended");
  if (!make(s)) return false;
  const bool is_on_its_way = s.outcome == SC_OUTCOME_RETURNED || s.kind == SC_STEP_SIGNAL ||
                             (s.kind == SC_STEP_WAKES && s.outcome != SC_OUTCOME_SLEEPS);
  if (is_on_its_way && !known_[s.task].is_program && !state_.tasks[known_[s.task].task].ended) rest(s.task);
  return true;
}

// Follows a step with Follow::operations: signals and processes are ignored.
bool Walk::make_own(const sc_step& s) {
  const sc_task& task = trace_.task[s.task];
  const sc_operation* op = task.child >= 0 || s.outside ? nullptr : operation(s);
  const model::Table& table = state_.table_of(0);
  if (op != nullptr) {
    if (op->kind == SC_OP_WAIT || op->kind == SC_OP_KILL_CHILD || s.kind == SC_STEP_SIGNAL) return true;
    if (op->kind == SC_OP_MASK || op->kind == SC_OP_KILL || op->kind == SC_OP_KILL_GROUP || op->kind == SC_OP_TGKILL)
      return true;
    const int error = result_of(s).error;
    if (error == EADDRINUSE || error == EAGAIN || error == ETXTBSY) return true;  // a child may hold what is busy
    ++comparison_.steps;
    return s.kind == SC_STEP_WAKES ? wakes(s) : call(s);
  }
  const sc_operation* request = task.child < 0 && !s.outside ? spawn(s) : nullptr;
  if (request == nullptr || (request->request.set & SPAWNCHECK_WANT_PIDFD) == 0 || s.kind != SC_STEP_CALL) return true;
  const Result got = result_of(s);
  const bool is_clone = s.call == SC_VISIBLE_clone || s.call == SC_VISIBLE_clone3;
  const bool has_child = s.outcome == SC_OUTCOME_SUSPENDED || got.value[0] > 0;
  if ((is_clone && (clone_flags(s) & CLONE_PIDFD) != 0 && has_child) ||
      (s.call == SC_VISIBLE_pidfd_open && got.error == 0)) {
    model::Description pidfd;
    pidfd.key.kind = SC_FILE_PIDFD;
    const std::int32_t number = is_clone ? table.lowest_free(0) : got.value[0];
    state_.put(state_.tasks[0].table, number, state_.add(pidfd), true);
  } else if (s.call == SC_VISIBLE_close) {
    const model::Entry* e = table.find(static_cast<std::int32_t>(s.arg[0]));
    if (e != nullptr && e->description != model::none && state_.descriptions[e->description].key.kind == SC_FILE_PIDFD)
      state_.remove(state_.tasks[0].table, e->number, e->last);
  }
  return true;
}

bool Walk::make(const sc_step& s) {
  switch (s.kind) {
    case SC_STEP_CALL:
      return call(s);
    case SC_STEP_SIGNAL:
      return signal(s);
    case SC_STEP_PROGRAM:
      return program(s);
    case SC_STEP_WAKES:
      return wakes(s);
    default:
      return unknown("a step of no kind");
  }
}

bool Walk::call(const sc_step& s) {
  if (s.outcome == SC_OUTCOME_UNKNOWN) return unknown("a run without results");
  if (s.is_unread) return unknown("an argument that could not be read");
  const bool may_die = s.call == SC_VISIBLE_exit || s.call == SC_VISIBLE_exit_group || s.call == SC_VISIBLE_kill ||
                       s.call == SC_VISIBLE_tgkill;
  if (s.outcome == SC_OUTCOME_DIED && !may_die) return unknown("death within a call");
  if (how_ == Follow::everything) {
    const int first = known_[s.task].taken != 0 ? known_[s.task].taken : next(s.task);
    if (first != 0) return disagree("makes its call", "takes signal " + std::to_string(first) + " first");
    // A task that is at a call when its process is stopped has begun the call, and stops when it returns.
    const Index task = known_[s.task].task;
    if (state_.process_of(task).stopped_by != 0 && !model::may_begin_call(state_, task))
      return disagree("makes its call", "is stopped");
  }
  if (s.is_void) return true;
  const std::uint8_t thread = trace_.task[s.task].thread;
  const std::uint64_t* inode = history_.op[thread][s.operation].inode;
  RawCall raw = translate(s, operation(s), sc_identity_of_op(thread, s.operation), inode);
  // A spawn's child has a pidfd of its caller, or none.
  if (s.call == SC_VISIBLE_pidfd_getfd && trace_.task[s.task].child >= 0)
    raw = {Known::call, make_call(CallKind::fetch, static_cast<std::int32_t>(s.arg[1]), -1, SC_FLAG_CLOEXEC)};
  if (s.call == SC_VISIBLE_setpgid && raw.known == Known::call) raw.call.a = group_named(raw.call.a);
  switch (raw.known) {
    case Known::nothing:
      return true;
    case Known::unknown:
      return unknown("a call the model has not");
    case Known::file:
      return on_file(s, raw);
    case Known::call:
    case Known::creation:
      return modelled(s, raw);
    case Known::special:
      break;
  }
  switch (s.call) {
    case SC_VISIBLE_bind:
      return bind(s);
    case SC_VISIBLE_execve:
    case SC_VISIBLE_execveat:
      return exec(s);
    case SC_VISIBLE_exit:
    case SC_VISIBLE_exit_group:
      return exit(s);
    case SC_VISIBLE_wait4:
    case SC_VISIBLE_waitid:
      return wait(s);
    case SC_VISIBLE_kill:
    case SC_VISIBLE_tgkill:
      return send(s);
    case SC_VISIBLE_clone:
    case SC_VISIBLE_clone3:
#if defined(__x86_64__)
    case SC_VISIBLE_fork:
    case SC_VISIBLE_vfork:
#endif
      return clone(s);
    default:
      return unknown("a call the model has not");
  }
}

// If the model has several outcomes (a lock or a program that may be busy), the walk takes the kernel's.
bool Walk::modelled(const sc_step& s, const RawCall& raw) {
  const Index task = known_[s.task].task;
  const auto kind = static_cast<CallKind>(raw.call.kind);
  const Result got = result_of(s);
  if (s.outcome == SC_OUTCOME_SLEEPS && !may_sleep(kind)) return disagree("sleeps", "cannot");
  if (raw.known == Known::creation && got.error != 0 && got.error != EMFILE) return true;
  const model::State before = state_;
  Result result;
  Step made = Step::blocked;
  for (unsigned choice = 0;; ++choice) {
    model::begin(state_, task, raw.call);
    bool chose = false;
    do {
      const unsigned count = model::outcome_count(kernel_, state_, task);
      made = model::step(kernel_, state_, task, choice < count ? choice : 0, result);
      chose |= choice + 1 < count;
    } while (made == Step::advanced);
    const bool fits =
        s.outcome == SC_OUTCOME_SLEEPS ? made == Step::blocked : made == Step::done && result.error == got.error;
    if (fits || !chose || kind == CallKind::close_range) break;
    state_ = before;
    result = {};
  }
  if (raw.known == Known::creation && made == Step::done && result.error == 0) {
    for (const std::int32_t number : result.value)
      if (const model::Entry* e = number < 0 ? nullptr : state_.table_of(task).find(number))
        state_.descriptions[e->description].wildcard = true;
  }
  return returned(s, raw, made, result);
}

bool Walk::returned(const sc_step& s, const RawCall& raw, Step made, const Result& result) {
  const auto kind = static_cast<CallKind>(raw.call.kind);
  ++comparison_.checked;
  if (s.outcome == SC_OUTCOME_SLEEPS)
    return made == Step::blocked || disagree("sleeps", text(result, gives_value(kind)));
  const Result got = result_of(s);
  if (made == Step::blocked) {
    if (!is_restart(s)) return disagree(text(got, gives_value(kind)), "sleeps");
    return unknown("a FIFO's open interrupted by a signal");
  }
  const bool same = got.error == result.error && (got.error != 0 || !gives_value(kind) ||
                                                  (got.value[0] == result.value[0] && got.value[1] == result.value[1]));
  if (!same) return disagree(text(got, gives_value(kind)), text(result, gives_value(kind)));
  if (kind == CallKind::load && got.error == 0) {
    const sc_op_record& record = history_.op[trace_.task[s.task].thread][s.operation];
    if (record.end != 0 && record.value[0] != result.value[0])
      return disagree(std::to_string(record.value[0]), std::to_string(result.value[0]));
  }
  return true;
}

bool Walk::on_file(const sc_step& s, const RawCall& raw) {
  if (s.outcome == SC_OUTCOME_SLEEPS) return true;
  const model::Entry* e = raw.call.a < 0 ? nullptr : state_.table_of(known_[s.task].task).find(raw.call.a);
  const bool is_open = e != nullptr && e->description != model::none;
  const Result got = result_of(s);
  ++comparison_.checked;
  // A wrong direction is EBADF as well (fs/read_write.c), so a call on an open descriptor may return it.
  if (!is_open && got.error != EBADF) return disagree(text(got, true), "EBADF");
  return true;
}

// net/ipv4: the port belongs to the description. Calls on other than the scenario's sockets are not predicted.
bool Walk::bind(const sc_step& s) {
  const sc_operation* op = operation(s);
  const model::Entry* e = state_.table_of(known_[s.task].task).find(static_cast<std::int32_t>(s.arg[0]));
  const Result got = result_of(s);
  if (op == nullptr || op->kind != SC_OP_LISTEN) return true;
  ++comparison_.checked;
  if (e == nullptr || e->description == model::none) return got.error == EBADF || disagree(text(got, false), "EBADF");
  model::Description& d = state_.descriptions[e->description];
  const auto name = static_cast<std::uint64_t>(op->operand[0].value);
  if (d.key.kind != SC_FILE_LISTENER || d.key.id != model::unbound) return true;
  const model::Busy taken = model::busy(state_, [&](Index, const model::Description& other) {
    return other.key.kind == SC_FILE_LISTENER && other.key.id == name;
  });
  const int expected = taken == model::Busy::no ? 0 : EADDRINUSE;
  if (got.error != expected) return disagree(text(got, false), expected == 0 ? "success" : "EADDRINUSE");
  if (expected == 0) d.key = {SC_FILE_LISTENER, name};
  return true;
}

// ---- processes -------------------------------------------------------------------------------------

bool Walk::clone(const sc_step& s) {
  const Index task = known_[s.task].task;
  const std::uint64_t flags = clone_flags(s);
  if ((flags & CLONE_THREAD) != 0) return unknown("a spawn that starts threads");
  Call call = make_call(CallKind::clone, static_cast<std::int32_t>(flags & CSIGNAL));
  const auto add = [&](std::uint64_t raw, std::uint32_t of_model) { call.flags |= (flags & raw) != 0 ? of_model : 0u; };
  add(CLONE_VM, SPAWN_START_VM);
  add(CLONE_VFORK, SPAWN_START_VFORK);
  add(CLONE_FILES, SPAWN_START_FILES);
  add(0x100000000ull, SPAWN_START_CLEAR_SIGHAND);
  add(CLONE_PIDFD, SPAWN_START_PIDFD);
  const bool succeeded = s.outcome == SC_OUTCOME_SUSPENDED || s.result > 0;
  if (!succeeded && s.result != -EMFILE) return true;  // no memory, or too many processes
  Result result;
  model::run_call(kernel_, state_, task, call, result);
  ++comparison_.checked;
  if (succeeded != (result.error == 0)) return disagree(succeeded ? "a child" : "EMFILE", text(result, false));
  if (!succeeded) return true;
  if (next_child_ >= known_.size()) return unknown("a child that the trace has not");
  const Index child = known_[next_child_++].task = static_cast<Index>(result.value[0]);
  if ((flags & CLONE_PARENT) !=
      0) {  // the child gets its creator's parent and exit signal (kernel/fork.c copy_process)
    const model::Process& maker = state_.process_of(task);
    state_.process_of(child).parent = maker.parent;
    state_.process_of(child).is_clone_child = maker.is_clone_child;
  }
  if ((flags & CLONE_SIGHAND) != 0) state_.tasks[child].dispositions = state_.tasks[task].dispositions;
  return true;
}

bool Walk::exec(const sc_step& s) {
  Tracked& known = known_[s.task];
  const sc_operation* op = spawn(s);
  if (op == nullptr) return unknown("an exec outside a spawn");
  Call call = make_call(CallKind::exec, op->request.program);
  call.name = op->request.name;
  const bool succeeded = s.outcome == SC_OUTCOME_EXECED;
  const model::State before = state_;
  Result result;
  model::run_call(kernel_, state_, known.task, call, result);
  ++comparison_.checked;
  if (!succeeded && result.error == 0 && (s.result == -ENOMEM || s.result == -EAGAIN)) {
    state_ = before;
    return true;
  }
  if (succeeded != (result.error == 0) || (!succeeded && s.result != -result.error))
    return disagree(succeeded ? "runs the program" : text(result_of(s), false),
                    result.error == 0 ? "runs the program" : text(result, false));
  if (!succeeded) return true;
  known.is_program = true;
  return true;
}

bool Walk::exit(const sc_step& s) {
  if (trace_.task[s.task].child < 0) return unknown("a thread of the scenario that exits");
  model::end_task(state_, known_[s.task].task, static_cast<int>(s.arg[0] & 0xff));
  return true;
}

bool Walk::wait(const sc_step& s) {
  const bool is_waitid = s.call == SC_VISIBLE_waitid;
  const auto named = static_cast<std::int32_t>(s.arg[0]);  // of a register of which the upper half says nothing
  if (is_waitid ? named != P_PID : named <= 0) return unknown("a wait for any child");
  const std::int64_t pid = is_waitid ? s.arg[1] : static_cast<std::int32_t>(s.arg[0]);
  const auto options = static_cast<std::uint32_t>(s.arg[is_waitid ? 3 : 2]);
  const int child = task_with_pid(pid);
  Call call =
      make_call(CallKind::wait, child < 0 ? -1 : state_.tasks[known_[static_cast<unsigned>(child)].task].process);
  const auto add = [&](std::uint32_t raw, std::uint32_t of_model) {
    call.flags |= (options & raw) != 0 ? of_model : 0u;
  };
  add(WNOHANG, model::wait_no_hang);
  add(WNOWAIT, model::wait_leaves_it);
  add(__WALL, model::wait_all);
  add(__WCLONE, model::wait_clones);
  const Index self = known_[s.task].task;
  Result result;
  const Step made = model::run_call(kernel_, state_, self, call, result);
  if (made == Step::blocked) state_.tasks[self].flight = {};  // a wait that sleeps is evaluated again on waking
  ++comparison_.checked;
  const std::string expected = made == Step::blocked  ? "sleeps"
                               : result.error != 0    ? text(result, false)
                               : result.value[1] == 0 ? "nothing yet"
                                                      : "the child has ended";
  if (s.outcome == SC_OUTCOME_SLEEPS) return made == Step::blocked || disagree("sleeps", expected);
  if (made == Step::blocked && (is_restart(s) || s.result == -EINTR)) return true;
  const std::int64_t given = result.error != 0 ? -result.error : result.value[1] == 0 || is_waitid ? 0 : pid;
  return (made != Step::blocked && s.result == given) || disagree(text(result_of(s), true), expected);
}

bool Walk::wakes(const sc_step& s) {
  const Index task = known_[s.task].task;
  const model::InFlightCall& flight = state_.tasks[task].flight;
  if (s.outcome == SC_OUTCOME_DIED) return dies_asleep(s);
  if (s.call == SC_VISIBLE_wait4 || s.call == SC_VISIBLE_waitid) return wait(s);
  if (flight.active) {
    const RawCall raw{Known::call, flight.call};
    Result result;
    Step made;
    do made = model::step(kernel_, state_, task, 0, result);
    while (made == Step::advanced);
    return returned(s, raw, made, result);
  }
  if (s.call != SC_VISIBLE_clone && s.call != SC_VISIBLE_clone3 && s.call != SC_VISIBLE_futex
#if defined(__x86_64__)
      && s.call != SC_VISIBLE_vfork
#endif
  )
    return true;
  ++comparison_.checked;
  return state_.tasks[task].vfork_child == model::none ||
         disagree("the vfork parent goes on", "its child has neither exec'd nor ended");
}

}  // namespace spawncheck::lockstep
