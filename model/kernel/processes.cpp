// SPDX-License-Identifier: MIT
//
// Tasks and memory: clone, exec, exit, wait, and the attributes a child changes about itself.
#include "model/kernel/processes.h"

#include <spawncheck/spawn/plan.h>

#include <algorithm>
#include <cerrno>

#include "model/kernel/families.h"

namespace spawncheck::model {

Step step_store(const Kernel&, State& state, Index task, unsigned, Result&) {
  const Call call = state.tasks[task].flight.call;
  Memory& memory = state.memories[state.tasks[task].memory];
  memory.cell[static_cast<std::size_t>(call.a)] = call.b;
  memory.written_by = state.tasks[task].process;
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
  process.session = process.group = own;
  return Step::done;
}

namespace {

// kernel/sys.c setpgid takes the session from a member of the group (pid_task, PIDTYPE_PGID). A zombie is a member
// until it is waited for (kernel/exit.c __unhash_process). The arena's group always exists.
bool has_group(const State& state, std::int32_t group, std::int32_t session) {
  if (group == 0) return session == 0;
  return std::any_of(state.processes.begin(), state.processes.end(), [&](const Process& p) {
    return p.group == group && p.session == session && p.life != Life::reaped;
  });
}

}  // namespace

// kernel/sys.c setpgid: EINVAL for a negative number, EPERM for a session leader, and for a group that does not exist
// in the session.
Step step_setpgid(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const std::int32_t own = state.tasks[task].process + 1, asked = state.tasks[task].flight.call.a;
  Process& process = state.process_of(task);
  if (asked < 0) return fail(result, EINVAL);
  if (process.session_leader || asked == group_of_nobody) return fail(result, EPERM);
  const std::int32_t group = asked == group_of_caller ? own : asked == 1 ? 0 : asked;
  if (group != own && !has_group(state, group, process.session)) return fail(result, EPERM);
  process.group = group;
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

template <typename List>
Index copy_of(List& all, Index old) {
  auto copy = all[old];
  all.push_back(std::move(copy));
  return static_cast<Index>(all.size() - 1);
}

// Adds the child of a clone(2) whose own table, if it gets one, is ready.
Index add_child(State& state, Index task) {
  const Call call = state.tasks[task].flight.call;
  const std::uint32_t flags = call.flags;
  Process process = state.process_of(task);
  process.parent = state.tasks[task].process;
  process.shared_pending = {};
  process.session_leader = false;
  process.stopped_by = 0;
  process.is_clone_child = call.a >= 0 && call.a != signal_chld;
  const auto own = static_cast<Index>(state.processes.size());

  Task child = state.tasks[task];
  Index& table = state.tasks[task].flight.table;
  if (table != none)
    child.table = table;
  else
    state.use_table(child.table);
  table = none;  // the table now belongs to the child
  child.flight = InFlightCall{};
  child.pending = {};
  child.frames = {};
  child.in_user_mode = true;
  child.process = own;
  if ((flags & SPAWN_START_VM) == 0) {
    child.memory = copy_of(state.memories, child.memory);
    state.memories[child.memory].owner = state.memories[child.memory].written_by = own;
  }
  if ((flags & SPAWN_START_VFORK) == 0 && (flags & SPAWN_START_VM) != 0) child.altstack = false;
  child.dispositions = copy_of(state.dispositions, child.dispositions);
  if ((flags & SPAWN_START_CLEAR_SIGHAND) != 0) state.dispositions[child.dispositions].handled = 0;
  state.processes.push_back(process);
  const auto made = static_cast<Index>(state.tasks.size());
  state.tasks.push_back(child);
  if ((flags & SPAWN_START_VFORK) != 0) state.tasks[task].vfork_child = made;
  return made;
}

}  // namespace

// kernel/fork.c copy_process: the pidfd's number is allocated after copy_files, so with CLONE_FILES the
// number is in the shared table; without, in the parent's only. It is installed before the child runs.
Step step_clone(const Kernel& kernel, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const std::uint32_t flags = flight.call.flags;
  const bool shares = (flags & SPAWN_START_FILES) != 0, is_empty = (flags & start_empty) != 0;
  if (flight.phase == 0) {
    if (is_empty && !kernel.has(Behaviour::wishes)) return fail(result, EINVAL);
    if (is_empty && flight.table == none) flight.table = state.add_table();
    if (!shares && !is_empty && !step_copy(kernel, state, task)) return Step::advanced;
    if ((flags & SPAWN_START_PIDFD) != 0) {
      const std::int32_t number = state.table_of(task).lowest_free(0);
      if (number >= state.process_of(task).limit) return fail(result, EMFILE);
      state.put(state.tasks[task].table, number, none, true);
      flight.reserved[0] = number;
      flight.phase = 1;
      return Step::advanced;
    }
  }
  if (flight.reserved[0] >= 0) {
    Description pidfd;
    pidfd.key.kind = SC_FILE_PIDFD;
    pidfd.key.id = state.processes.size();
    const Index description = state.add(pidfd);
    const Entry* slot = state.table_of(task).find(flight.reserved[0]);
    state.put(state.tasks[task].table, flight.reserved[0], description, slot == nullptr || slot->cloexec);
    result.value[1] = flight.reserved[0];
  }
  result.value[0] = add_child(state, task);
  return Step::done;
}

int error_of_program(std::int32_t program) {
  switch (program) {
    case SC_PROGRAM_MISSING:
      return ENOENT;
    case SC_PROGRAM_DIRECTORY:
    case SC_PROGRAM_NOT_EXECUTABLE:
      return EACCES;
    case SC_PROGRAM_NO_FORMAT:
      return ENOEXEC;
    case SC_PROGRAM_NOT_DIRECTORY:
      return ENOTDIR;
    case SC_PROGRAM_TOO_LONG:
      return ENAMETOOLONG;
    case SC_PROGRAM_LOOP:
      return ELOOP;
    default:
      return 0;
  }
}

namespace {

// kernel/fork.c complete_vfork_done.
void wake_vfork_parent(State& state, Index task) {
  for (Task& other : state.tasks)
    if (other.vfork_child == task) other.vfork_child = none;
}

}  // namespace

void release_memory(State& state, Index task) {
  state.tasks[task].has_released_memory = true;
  wake_vfork_parent(state, task);
}

unsigned exec_outcomes(const Kernel&, const State& state, Index task) {
  const InFlightCall& flight = state.tasks[task].flight;
  const bool written = flight.phase == 0 && flight.call.a == SC_PROGRAM_WRITTEN;
  return written && program_busy(state, flight.call.name) == Busy::maybe ? 2 : 1;
}

namespace {

// fs/exec.c exec_mmap, once it holds exec_update_lock, and what follows: the state that the new program starts with.
void become_program(State& state, Index task) {
  const Call call = state.tasks[task].flight.call;
  Process& process = state.process_of(task);
  process.program = call.a;
  process.program_name = call.name;
  Task& own = state.tasks[task];
  own.memory = static_cast<Index>(state.memories.size());
  own.has_released_memory = false;
  own.altstack = false;
  Memory memory;
  memory.owner = memory.written_by = own.process;
  state.memories.push_back(memory);
  // kernel/fork.c unshare_sighand, then kernel/signal.c flush_signal_handlers: a task that shared them
  // (CLONE_SIGHAND) keeps its handlers.
  const auto shares = [&](const Task& other) { return !other.ended && other.dispositions == own.dispositions; };
  if (std::count_if(state.tasks.begin(), state.tasks.end(), shares) > 1)
    own.dispositions = copy_of(state.dispositions, own.dispositions);
  state.dispositions_of(task).handled = 0;
}

// fs/file.c do_close_on_exec: an empty slot is skipped. A run of numbers for one description goes at once: no task
// can tell. Returns false if nothing is left.
bool close_one_on_exec(const Kernel& kernel, State& state, Index task) {
  for (const Entry& e : state.table_of(task).entries()) {
    if (!e.cloexec || e.description == none) continue;
    close_deferred(kernel, state, task, state.tasks[task].table, e.number, e.last);
    return true;
  }
  return false;
}

// The order of fs/exec.c begin_new_exec, an instant each: the point of no return, after which de_thread makes SIGCHLD
// the exit signal; unshare_files; do_close_on_exec, on kernels that have it here; exec_mmap, which first releases the
// old memory (exec_mm_release: the vfork parent wakes) and then, with exec_update_lock, takes the new one;
// do_close_on_exec, on kernels that have it here. Last references are released when the call returns.
enum : std::uint8_t { exec_begins, exec_copies, exec_closes_old, exec_changes_memory, exec_closes_new };

int error_of_exec(const State& state, const Call& call, unsigned outcome) {
  const bool is_busy = call.a == SC_PROGRAM_WRITTEN && (outcome == 1 || program_busy(state, call.name) == Busy::yes);
  return is_busy ? ETXTBSY : error_of_program(call.a);
}

}  // namespace

Step step_exec(const Kernel& kernel, State& state, Index task, unsigned outcome, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const bool closes_first = kernel.has(Behaviour::exec_closes_before_wake);
  switch (flight.phase) {
    case exec_begins:
      if (const int error = error_of_exec(state, flight.call, outcome)) return fail(result, error);
      flight.phase = exec_copies;
      [[fallthrough]];
    case exec_copies:
      if (state.table_of(task).users() > 1) {
        if (!step_copy(kernel, state, task)) return Step::advanced;
        state.install_table(task, flight.table);
      }
      state.process_of(task).is_clone_child = false;
      flight.phase = exec_closes_old;
      if (closes_first) return Step::advanced;
      [[fallthrough]];
    case exec_closes_old:
      if (closes_first && close_one_on_exec(kernel, state, task)) return Step::advanced;
      release_memory(state, task);
      flight.phase = exec_changes_memory;
      return Step::advanced;
    case exec_changes_memory:
      become_program(state, task);
      flight.phase = exec_closes_new;
      return Step::advanced;
    default:
      return close_one_on_exec(kernel, state, task) ? Step::advanced : Step::done;
  }
}

namespace {

// kernel/exit.c do_exit: the task leaves its table (exit_files); its references are released (exit_task_work).
void end_one(State& state, Index task) {
  release_memory(state, task);
  end_call(state, task);
  state.leave_table(state.tasks[task].table);
  Task& own = state.tasks[task];
  own.memory = none;
  own.vfork_child = none;
  own.frames = {};
  own.ended = true;
}

void end_others(State& state, Index task) {
  for (Index other = 0; other < state.tasks.size(); ++other)
    if (other != task && state.tasks[other].process == state.tasks[task].process && !state.tasks[other].ended)
      end_one(state, other);
}

// Returns true if no process will wait for the child: its exit signal is SIGCHLD and its parent ignores that, or
// its parent has ended. The scenario's own process is always waited for.
bool is_reaped_at_once(const State& state, const Process& process) {
  if (process.parent == none) return false;
  for (const Task& other : state.tasks)
    if (other.process == process.parent && !other.ended)
      return !process.is_clone_child && (state.dispositions[other.dispositions].ignored & bit(signal_chld)) != 0;
  return true;
}

}  // namespace

void begin_exit(State& state, Index task, std::int32_t status) {
  end_others(state, task);
  end_call(state, task);
  begin(state, task, make_call(CallKind::exit, status));
}

void end_task(State& state, Index task, std::int32_t status) {
  end_others(state, task);
  end_one(state, task);
  Process& process = state.process_of(task);
  process.life = is_reaped_at_once(state, process) ? Life::reaped : Life::zombie;
  process.status = status;
  process.stopped_by = 0;
}

bool is_in_orphaned_group(const State& state, Index process) {
  const std::int32_t group = state.processes[process].group;
  for (const Process& p : state.processes) {
    if (p.group != group || p.life != Life::running) continue;
    const Process* parent =
        p.parent == none || state.processes[p.parent].life != Life::running ? nullptr : &state.processes[p.parent];
    if (parent == nullptr ? p.session == 0 : parent->session == p.session && parent->group != group) return false;
  }
  return true;
}

// kernel/exit.c exit_mm: the memory is released first; a vfork parent continues while the child still has its table,
// and for a moment its memory.
Step step_exit(const Kernel&, State& state, Index task, unsigned, Result&) {
  InFlightCall& flight = state.tasks[task].flight;
  if (flight.phase == 0) {
    release_memory(state, task);
    flight.phase = 1;
    return Step::advanced;
  }
  end_task(state, task, flight.call.a);
  return Step::done;
}

Step step_wait(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const Call call = state.tasks[task].flight.call;
  if (call.a < 0 || call.a >= static_cast<int>(state.processes.size())) return fail(result, ECHILD);
  Process& child = state.processes[static_cast<std::size_t>(call.a)];
  const bool is_eligible = (call.flags & wait_all) != 0 || child.is_clone_child == ((call.flags & wait_clones) != 0);
  if (child.parent != state.tasks[task].process || child.life == Life::reaped || !is_eligible)
    return fail(result, ECHILD);
  if (child.life == Life::running) {
    if ((call.flags & wait_no_hang) == 0) return Step::blocked;
    result.value[1] = 0;
    return Step::done;
  }
  if ((call.flags & wait_leaves_it) == 0) child.life = Life::reaped;
  result.value[0] = child.status;
  return Step::done;
}

}  // namespace spawncheck::model
