// SPDX-License-Identifier: MIT
#include "impl/schedules/independence.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include "model/scenario/visible.h"

#ifndef F_DUPFD_CLOEXEC
#define F_DUPFD_CLOEXEC 1030
#endif

#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif

namespace spawncheck {

namespace {

constexpr std::int32_t highest = 0x7fffffff;

}  // namespace

AccessReader::AccessReader(const Scenario& scenario) {
  for (const Thread& t : scenario.threads)
    for (const sc_operation& o : t.operations) look_at(o);
  if (scenario.world.handled >> (SIGCHLD - 1) & 1) sigchld_counts_ = true;
  next_task_ = static_cast<unsigned>(scenario.threads.size());
}

void AccessReader::add(const sc_trace& trace, unsigned step, Transition& out) {
  const sc_step& s = trace.step[step];
  if (s.kind != SC_STEP_WAKES) {
    now_ = {};
    now_.task = s.task;
    now_.enabled = s.enabled;
  }
  now_.tasks |= 1u << s.task;
  add_step(trace, s);
  out = now_;
}

// Adds the step that the task would make. Its result, and the task that a clone starts, are not known.
std::vector<Access> AccessReader::pending(const sc_trace& trace, unsigned task) const {
  AccessReader ahead = *this;
  const sc_task& t = trace.task[task];
  sc_step step{};
  step.task = static_cast<std::uint8_t>(task);
  step.kind = t.state == SC_TASK_AT_CALL ? SC_STEP_CALL : t.state == SC_TASK_PROGRAM ? SC_STEP_PROGRAM : SC_STEP_SIGNAL;
  step.outcome = SC_OUTCOME_UNKNOWN;
  step.call = t.call;
  std::copy(t.arg, t.arg + SC_CALL_ARGUMENTS, step.arg);
  ahead.is_pending_ = true;
  ahead.now_ = {};
  ahead.add_step(trace, step);
  return std::move(ahead.now_.accesses);
}

void AccessReader::look_at(const sc_operation& o) {
  has_programs_ |= o.kind == SC_OP_PROGRAM || (o.kind == SC_OP_SPAWN && o.request.program == SC_PROGRAM_WRITTEN);
  sigchld_counts_ |= o.kind == SC_OP_DISPOSITION && o.operand[0].value == SIGCHLD;
}

void AccessReader::add(Access::Kind kind, Access::Mode mode, unsigned id, std::int64_t low, std::int64_t high) {
  now_.accesses.push_back({kind, mode, static_cast<std::uint16_t>(id),
                           static_cast<std::int32_t>(std::clamp<std::int64_t>(low, 0, highest)),
                           static_cast<std::int32_t>(std::clamp<std::int64_t>(high, 0, highest))});
}

void AccessReader::look_up(std::int64_t number) { add(Access::occupancy, Access::read, table_, number, number); }
void AccessReader::put(std::int64_t number) {
  add(Access::occupancy, Access::write, table_, number, number);
  add(Access::flags, Access::write, table_, number, number);
}
// The lowest free number from `low` on is `number`. Negative: the call failed, or its result is not known.
void AccessReader::allocate(std::int64_t number, std::int64_t low) {
  add(Access::limit, Access::read, process_);
  if (number < 0) {
    add(Access::occupancy, is_done_ ? Access::read : Access::write, table_, low);
    if (is_pending_) add(Access::flags, Access::write, table_, low);
    return;
  }
  add(Access::occupancy, Access::read, table_, low, number);
  put(number);
}
void AccessReader::copy_table() {
  add(Access::occupancy, Access::read, table_);
  add(Access::flags, Access::read, table_);
}
void AccessReader::leave_table(unsigned task) { tables_[task] = next_table_++; }

void AccessReader::add_step(const sc_trace& trace, const sc_step& step) {
  table_ = tables_[step.task];
  process_ = processes_[step.task];
  place_ = places_[step.task];
  is_done_ = step.outcome == SC_OUTCOME_RETURNED;
  if (step.kind == SC_STEP_SIGNAL) return add(Access::everything, Access::write);
  if (step.kind == SC_STEP_PROGRAM) return end_process(step.task);
  if (step.fault) return add(Access::everything, Access::write);
  const auto effect = static_cast<sc_effect>(sc_visible_calls[step.call].effect);
  const std::int64_t first = step.arg[0], second = step.arg[1];
  switch (effect) {
    case SC_EFFECT_ALLOCATE:
      return add_allocation(step);
    case SC_EFFECT_ALLOCATE2:
      if (!is_done_ || step.result < 0) return allocate(-1);
      allocate(static_cast<std::int32_t>(step.pointee));
      return allocate(static_cast<std::int32_t>(step.pointee >> 32));
    case SC_EFFECT_NUMBER:
      put(first);
      return add(Access::files, Access::drop);
    case SC_EFFECT_REPLACE:
      add(Access::limit, Access::read, process_);
      look_up(first);
      if (first == second) return look_up(second);
      put(second);
      return add(Access::files, Access::drop);
    case SC_EFFECT_FCNTL:
      return add_fcntl(step);
    case SC_EFFECT_RANGE:
      return add_range(step);
    case SC_EFFECT_FILE:
      if (*sc_visible_calls[step.call].arguments == 'f')
        look_up(first);
      else
        add(Access::occupancy, Access::read, table_);
      return add(Access::files, Access::write);
    case SC_EFFECT_ATTRIBUTE:
      return add_attribute(step);
    case SC_EFFECT_MASK:
      return;  // seen by signals only, and those conflict with everything
    case SC_EFFECT_DISPOSITION:
      return add(Access::dispositions, step.arg[1] == 0 ? Access::read : Access::write, process_);
    case SC_EFFECT_LIMIT:
      return add(Access::limit, step.call == SC_VISIBLE_prlimit64 && step.arg[2] == 0 ? Access::read : Access::write,
                 process_);
    case SC_EFFECT_CLONE:
      return add_clone(trace, step);
    case SC_EFFECT_EXEC:
      copy_table();
      add(Access::place, Access::read, place_);  // where its path begins
      add(Access::files, Access::drop);
      if (has_programs_) add(Access::files, Access::read);
      leave_table(step.task);
      return;
    case SC_EFFECT_EXIT:
      return end_process(step.task);
    case SC_EFFECT_WAIT:
      return add_wait(trace, step);
    case SC_EFFECT_MEMORY:
      return add(Access::memory, Access::write, step.call == SC_VISIBLE_marker ? static_cast<unsigned>(first) + 1 : 0);
    case SC_EFFECT_SEND:
    case SC_EFFECT_ANYTHING:
      if (step.call == SC_VISIBLE_unshare && (first & ~static_cast<std::int64_t>(CLONE_FILES)) == 0) {
        copy_table();
        return leave_table(step.task);
      }
      return add(Access::everything, Access::write);
  }
}

// An attribute is the calling task's alone, except for what threads share (CLONE_FS) and for process groups, which
// other processes can join.
void AccessReader::add_attribute(const sc_step& step) {
  switch (step.call) {
    case SC_VISIBLE_fchdir:
      look_up(step.arg[0]);
      return add(Access::place, Access::write, place_);
    case SC_VISIBLE_chdir:
    case SC_VISIBLE_umask:
      return add(Access::place, Access::write, place_);
    case SC_VISIBLE_setsid:
      return add(Access::group, Access::write, 0, process_, process_);
    case SC_VISIBLE_setpgid:
      if (step.arg[0] == 0 && step.arg[1] == 0) return add(Access::group, Access::write, 0, process_, process_);
      return add(Access::group, Access::write);
    default:
      return;
  }
}

void AccessReader::add_allocation(const sc_step& step) {
  const char* letters = sc_visible_calls[step.call].arguments;
  for (int i = 0; letters[i] != 0; ++i)
    if (letters[i] == 'f' && static_cast<std::int32_t>(step.arg[i]) >= 0)
      look_up(static_cast<std::int32_t>(step.arg[i]));
  allocate(is_done_ ? step.result : -1);
  if (step.call == SC_VISIBLE_pidfd_getfd) add(Access::everything, Access::write);
  const bool is_open = std::strchr(letters, 's') != nullptr && step.call != SC_VISIBLE_memfd_create;
  if (is_open) add(Access::place, Access::read, place_);
  if (is_open && std::memcmp(&step.pointee, "/dev/null", sizeof step.pointee) == 0) return;  // no task can see it
  const bool is_accept = std::strncmp(letters, "fpp", 3) == 0;
  if (is_open || is_accept) add(Access::files, Access::write);
}

void AccessReader::add_fcntl(const sc_step& step) {
  look_up(step.arg[0]);
  switch (step.arg[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return allocate(is_done_ ? step.result : -1, step.arg[2]);
    case F_GETFD:
      return add(Access::flags, Access::read, table_, step.arg[0], step.arg[0]);
    case F_SETFD:
      return add(Access::flags, Access::write, table_, step.arg[0], step.arg[0]);
    case F_DUPFD_QUERY:
      return look_up(step.arg[2]);
    default:
      return add(Access::files, Access::write);
  }
}

void AccessReader::add_range(const sc_step& step) {
  std::int64_t low = static_cast<std::uint32_t>(step.arg[0]), high = static_cast<std::uint32_t>(step.arg[1]);
  // Any other flag may change what the range means: CLOSE_RANGE_EXCEPT closes what lies outside it.
  if (step.arg[2] & ~static_cast<std::int64_t>(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) low = 0, high = highest;
  if (step.arg[2] & CLOSE_RANGE_UNSHARE) {
    copy_table();
    leave_table(step.task);
    table_ = tables_[step.task];
  }
  add(Access::flags, Access::write, table_, low, high);
  if (step.arg[2] & CLOSE_RANGE_CLOEXEC) return add(Access::occupancy, Access::read, table_, low, high);
  add(Access::occupancy, Access::write, table_, low, high);
  add(Access::files, Access::drop);
}

void AccessReader::add_clone(const sc_trace& trace, const sc_step& step) {
  if (is_pending_) return add_copies(step);
  if (step.outcome == SC_OUTCOME_RETURNED && step.result < 0) return copy_table();
  unsigned child = next_task_;
  while (child < trace.task_count && trace.task[child].parent != static_cast<int>(step.task)) ++child;
  if (step.kind == SC_STEP_WAKES || child >= trace.task_count) return;
  next_task_ = child + 1;
  const std::uint64_t flags = trace.task[child].clone_flags;
  now_.tasks |= 1u << child;
  if (flags & CLONE_PIDFD) allocate(-1);
  if (flags & CLONE_FILES) {
    tables_[child] = table_;
  } else {
    copy_table();
    leave_table(child);
  }
  add(Access::limit, Access::read, process_);
  add(Access::group, Access::read, 0, process_, process_);
  if (flags & CLONE_FS) {
    places_[child] = place_;
  } else {
    add(Access::place, Access::read, place_);
    places_[child] = next_place_++;
  }
  if (flags & CLONE_THREAD)
    processes_[child] = process_;
  else
    processes_[child] = next_process_++;
  if ((flags & CLONE_SIGHAND) == 0) add(Access::dispositions, Access::read, process_);
}

// Adds all that a clone may do. The arguments of clone3(2) are not known yet.
void AccessReader::add_copies(const sc_step& step) {
  copy_table();
  const bool is_clone = step.call == SC_VISIBLE_clone && (step.arg[0] & CLONE_PIDFD) != 0;
  if (is_clone || step.call == SC_VISIBLE_clone3) allocate(-1);
  add(Access::limit, Access::read, process_);
  add(Access::group, Access::read, 0, process_, process_);
  add(Access::place, Access::read, place_);
  add(Access::dispositions, Access::read, process_);
}

void AccessReader::end_process(unsigned task) {
  add(Access::files, Access::drop);
  add(Access::life, Access::write, 0, task, task);
  if (sigchld_counts_) add(Access::everything, Access::write);
}

void AccessReader::add_wait(const sc_trace& trace, const sc_step& step) {
  const bool is_waitid = step.call == SC_VISIBLE_waitid;
  const auto pid = static_cast<std::int32_t>(step.arg[is_waitid ? 1 : 0]);
  for (unsigned i = 0; i < trace.task_count; ++i)
    if (trace.task[i].pid == pid && pid > 0) return add(Access::life, Access::write, 0, i, i);
  add(Access::life, Access::write);
}

bool conflict(const Access& a, const Access& b) {
  if (a.kind == Access::everything || b.kind == Access::everything) return true;
  if (a.kind != b.kind || a.id != b.id || a.low > b.high || b.low > a.high) return false;
  return !(a.mode == b.mode && a.mode != Access::write);
}

bool commute(const Transition& a, const Transition& b) {
  if ((a.tasks & b.tasks) != 0) return false;
  for (const Access& x : a.accesses)
    if (x.kind == Access::everything) return false;
  for (const Access& y : b.accesses) {
    if (y.kind == Access::everything) return false;
    for (const Access& x : a.accesses)
      if (conflict(x, y)) return false;
  }
  return true;
}

std::vector<Transition> transitions_of(const Scenario& scenario, const sc_trace& trace) {
  AccessReader reader(scenario);
  std::vector<Transition> all;
  for (unsigned i = 0; i < trace.step_count; ++i) {
    if (trace.step[i].kind != SC_STEP_WAKES) all.push_back({});
    reader.add(trace, i, all.back());
  }
  return all;
}

}  // namespace spawncheck
