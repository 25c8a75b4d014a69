// SPDX-License-Identifier: MIT
//
// Tasks and memory: clone, exec, exit, wait, and the attributes a child changes about itself.
#include "model/kernel/families.h"

#include <spawncheck/spawn/plan.h>

#include <cerrno>
#include <signal.h>

namespace spawncheck::model {

Step step_store(const Kernel&, State& state, Index task, unsigned, Result&) {
  const Call call = state.tasks[task].flight.call;
  state.memories[state.tasks[task].memory].cell[static_cast<std::size_t>(call.a)] = call.b;
  return Step::done;
}

Step step_load(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const Call call = state.tasks[task].flight.call;
  result.value[0] = state.memories[state.tasks[task].memory].cell[static_cast<std::size_t>(call.a)];
  return Step::done;
}

// kernel/sys.c ksys_setsid: EPERM for a process that leads a group.
Step step_setsid(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const std::int32_t own = state.tasks[task].process + 1;
  Process& process = state.process_of(task);
  if (process.group == own) return fail(result, EPERM);
  process.session_leader = true;
  process.group = own;
  return Step::done;
}

// kernel/sys.c setpgid: EPERM for a session leader, and for a group that does not exist in the session.
Step step_setpgid(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const std::int32_t own = state.tasks[task].process + 1, group = state.tasks[task].flight.call.a;
  Process& process = state.process_of(task);
  if (process.session_leader || group != 0) return fail(result, EPERM);
  process.group = own;
  return Step::done;
}

Step step_umask(const Kernel&, State& state, Index task, unsigned, Result& result) {
  result.value[0] = state.process_of(task).umask;
  state.process_of(task).umask = state.tasks[task].flight.call.a & 0777;
  return Step::done;
}

Step step_chdir(const Kernel&, State& state, Index task, unsigned, Result&) {
  state.process_of(task).cwd = state.tasks[task].flight.call.a;
  return Step::done;
}

namespace {

template <typename T>
Index copy_of(std::vector<T>& all, Index old) {
  T copy = all[old];
  all.push_back(std::move(copy));
  return static_cast<Index>(all.size() - 1);
}

Index copy_files(State& state, Index task) {
  Table copy;  // what is reserved and empty in the old table is free in the copy (dup_fd)
  for (const Entry& e : state.table_of(task).entries())
    if (e.description != none) copy.put(e.number, e.last, e.description, e.cloexec);
  state.tables.push_back(std::move(copy));
  return static_cast<Index>(state.tables.size() - 1);
}

}  // namespace

// kernel/fork.c copy_process: the pidfd's number is allocated after copy_files, so with CLONE_FILES it is
// in the shared table; without, in the parent's only.
Step step_clone(const Kernel& kernel, State& state, Index task, unsigned, Result& result) {
  const std::uint32_t flags = state.tasks[task].flight.call.flags;
  Process process = state.process_of(task);
  process.parent = state.tasks[task].process;
  process.shared_pending = {};
  process.session_leader = false;
  process.is_clone_child = state.tasks[task].flight.call.a >= 0 && state.tasks[task].flight.call.a != SIGCHLD;

  Task child = state.tasks[task];
  child.flight = Flight{};
  child.pending = {};
  child.process = static_cast<Index>(state.processes.size());
  if ((flags & start_empty) != 0 && !kernel.has_wishes) return fail(result, EINVAL);
  if ((flags & start_empty) != 0) {
    state.tables.push_back({});
    child.table = static_cast<Index>(state.tables.size() - 1);
  } else if ((flags & SPAWN_START_FILES) == 0) {
    child.table = copy_files(state, task);
  }
  if ((flags & SPAWN_START_VM) == 0) child.memory = copy_of(state.memories, child.memory);
  if ((flags & SPAWN_START_VFORK) == 0 && (flags & SPAWN_START_VM) != 0) child.altstack = false;
  child.dispositions = copy_of(state.dispositions, child.dispositions);
  if ((flags & SPAWN_START_CLEAR_SIGHAND) != 0) state.dispositions[child.dispositions].handled = 0;

  if ((flags & SPAWN_START_PIDFD) != 0) {
    Table& table = state.table_of(task);
    const std::int32_t number = table.lowest_free(0);
    if (number >= process.limit) return fail(result, EMFILE);
    Description pidfd;
    pidfd.key.kind = SC_FILE_PIDFD;
    pidfd.key.id = child.process;
    table.put(number, state.add(pidfd), true);
    result.value[1] = number;
  }
  state.processes.push_back(process);
  const auto made = static_cast<Index>(state.tasks.size());
  state.tasks.push_back(child);
  if ((flags & SPAWN_START_VFORK) != 0) state.tasks[task].vfork_child = made;
  result.value[0] = made;
  return Step::done;
}

int error_of_program(std::int32_t program) {
  switch (program) {
    case SC_PROGRAM_MISSING: return ENOENT;
    case SC_PROGRAM_DIRECTORY: case SC_PROGRAM_NOT_EXECUTABLE: return EACCES;
    case SC_PROGRAM_NO_FORMAT: return ENOEXEC;
    case SC_PROGRAM_NOT_DIRECTORY: return ENOTDIR;
    case SC_PROGRAM_TOO_LONG: return ENAMETOOLONG;
    case SC_PROGRAM_LOOP: return ELOOP;
    default: return 0;
  }
}

namespace {

void wake_vfork_parent(State& state, Index task) {
  for (Task& other : state.tasks)
    if (other.vfork_child == task) other.vfork_child = none;
}

}  // namespace

unsigned exec_outcomes(const Kernel&, const State& state, Index task) {
  const Flight& flight = state.tasks[task].flight;
  const bool written = flight.phase == 0 && flight.call.a == SC_PROGRAM_WRITTEN;
  return written && program_busy(state, flight.call.name) == Busy::maybe ? 2 : 1;
}

// fs/exec.c begin_new_exec: after the point of no return the table is made private, the memory is replaced
// (which wakes the vfork parent), dispositions are made private, caught ones become default, the
// alternate stack goes. Close-on-exec descriptors are closed before or after the wake, as the kernel has it.
Step step_exec(const Kernel& kernel, State& state, Index task, unsigned outcome, Result& result) {
  Flight& flight = state.tasks[task].flight;
  const Call call = flight.call;
  if (flight.phase == 0) {
    int error = error_of_program(call.a);
    if (call.a == SC_PROGRAM_WRITTEN && (outcome == 1 || program_busy(state, call.name) == Busy::yes)) error = ETXTBSY;
    if (error != 0) return fail(result, error);
    if (state.table_users(state.tasks[task].table) > 1) {
      const Index copy = copy_files(state, task);
      state.tasks[task].table = copy;
    }
    Process& process = state.process_of(task);
    process.program = call.a;
    process.program_name = call.name;
    process.is_clone_child = false;
    Task& own = state.tasks[task];
    own.memory = static_cast<Index>(state.memories.size());
    own.altstack = false;
    state.memories.push_back(Memory{});
    state.dispositions_of(task).handled = 0;
    if (!kernel.exec_closes_before_wake) wake_vfork_parent(state, task);
    flight.phase = 1;
    return Step::advanced;
  }
  Table& table = state.table_of(task);
  for (const Entry& e : table.entries()) {
    if (!e.cloexec) continue;
    const std::int32_t first = e.number, last = e.last;  // one description: nobody can tell them apart
    table.remove(first, last);
    return Step::advanced;
  }
  if (kernel.exec_closes_before_wake) wake_vfork_parent(state, task);
  return Step::done;
}

// kernel/exit.c do_exit: the memory is released, then the table, then the zombie is announced.
void end_task(State& state, Index task, std::int32_t status) {
  wake_vfork_parent(state, task);
  state.tasks[task].ended = true;
  Process& process = state.process_of(task);
  process.life = Life::zombie;
  process.status = status;
  if (process.is_clone_child) return;
  for (const Task& other : state.tasks)
    if (other.process == process.parent && !other.ended && (state.dispositions[other.dispositions].ignored & bit(SIGCHLD)) != 0) process.life = Life::reaped;
}

Step step_exit(const Kernel&, State& state, Index task, unsigned, Result&) {
  end_task(state, task, state.tasks[task].flight.call.a);
  return Step::done;
}

Step step_wait(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const Call call = state.tasks[task].flight.call;
  if (call.a < 0 || call.a >= static_cast<int>(state.processes.size())) return fail(result, ECHILD);
  Process& child = state.processes[static_cast<std::size_t>(call.a)];
  if (child.parent != state.tasks[task].process || child.life == Life::reaped) return fail(result, ECHILD);
  if (child.life == Life::running) return Step::blocked;
  child.life = Life::reaped;
  result.value[0] = child.status;
  return Step::done;
}

}  // namespace spawncheck::model
