// SPDX-License-Identifier: MIT
//
// Descriptor tables, as fs/file.c has them (read in 6.12.117). Two facts shape everything here:
//
// - A new descriptor is made in two steps: alloc_fd reserves the lowest free number under the table's
//   lock, fd_install puts the file there later, without the lock. In between the slot is reserved and
//   empty: nobody can use it (EBADF), nobody gets the number, dup2 onto it is EBUSY.
// - dup(2) and F_DUPFD look the old descriptor up first (fget), reserve then and install last, so the old
//   number may be closed meanwhile; dup2(2) and dup3(2) do all of it under one hold of the lock.
#include "model/kernel/families.h"

#include <cerrno>
#include <climits>

namespace spawncheck::model {

namespace {

bool wants_cloexec(const Call& call) { return (call.flags & SC_FLAG_CLOEXEC) != 0; }

// alloc_fd: the lowest free number from `from`, EMFILE at the limit.
bool reserve(State& state, Index task, std::int32_t from, std::int32_t& number, Result& result) {
  const std::int32_t lowest = state.table_of(task).lowest_free(from);
  if (lowest >= state.process_of(task).limit) {
    result.error = EMFILE;
    return false;
  }
  number = lowest;
  state.put(state.tasks[task].table, lowest, none, wants_cloexec(state.tasks[task].flight.call));
  return true;
}

// fd_install: whatever happened to the close-on-exec bit since is kept, the file arrives.
void install(State& state, Index task, std::int32_t number, Index description) {
  const Entry* slot = state.table_of(task).find(number);
  state.put(state.tasks[task].table, number, description, slot != nullptr && slot->cloexec);
}

const Entry* installed(const Table& table, std::int32_t number) {
  const Entry* entry = number < 0 ? nullptr : table.find(number);
  return entry != nullptr && entry->description != none ? entry : nullptr;
}

// put_unused_fd.
void give_back(State& state, Index task, std::int32_t number) { state.remove(state.tasks[task].table, number, number); }

Index new_description(State& state, const sc_key& key) {
  Description description;
  description.key = key;
  return state.add(description);
}

}  // namespace

Step step_create(const Kernel&, State& state, Index task, unsigned, Result& result) {
  Flight& flight = state.tasks[task].flight;
  if (flight.phase == 0) {
    if (!reserve(state, task, 0, flight.reserved[0], result)) return Step::done;
    flight.phase = 1;
    return Step::advanced;
  }
  const Index description = new_description(state, flight.call.key[0]);
  install(state, task, flight.reserved[0], description);
  result.value[0] = flight.reserved[0];
  return Step::done;
}

// fs/pipe.c __do_pipe_flags, net/socket.c __sys_socketpair: both numbers are reserved, then both
// installed; without a second number the first is given back.
Step step_create_pair(const Kernel&, State& state, Index task, unsigned, Result& result) {
  Flight& flight = state.tasks[task].flight;
  switch (flight.phase) {
    case 0:
      if (!reserve(state, task, 0, flight.reserved[0], result)) return Step::done;
      break;
    case 1:
      if (!reserve(state, task, 0, flight.reserved[1], result)) {
        give_back(state, task, flight.reserved[0]);
        return Step::done;
      }
      break;
    case 2: install(state, task, flight.reserved[0], new_description(state, flight.call.key[0])); break;
    default:
      install(state, task, flight.reserved[1], new_description(state, flight.call.key[1]));
      result.value[0] = flight.reserved[0];
      result.value[1] = flight.reserved[1];
      return Step::done;
  }
  ++flight.phase;
  return Step::advanced;
}

// fs/open.c do_sys_openat2 reserves before it opens; fs/pipe.c fifo_open then waits until the other side
// has been opened since it arrived.
Step step_open_fifo(const Kernel&, State& state, Index task, unsigned, Result& result) {
  Flight& flight = state.tasks[task].flight;
  const bool reads = flight.call.direction == SC_DIRECTION_READ;
  if (flight.phase == 0) {
    if (!reserve(state, task, 0, flight.reserved[0], result)) return Step::done;
    flight.phase = 1;
    return Step::advanced;
  }
  const std::uint8_t name = flight.call.name;
  if (flight.phase == 1) {
    ++(reads ? state.fifo_readers : state.fifo_writers)[name];
    for (Task& other : state.tasks) {
      Flight& f = other.flight;
      if (f.active && f.call.kind == flight.call.kind && f.phase == 2 && f.call.name == name &&
          f.call.direction != flight.call.direction)
        f.woken = true;
    }
    const auto kind = static_cast<std::uint8_t>(reads ? SC_FILE_FIFO_WRITE : SC_FILE_FIFO_READ);
    const Busy open = busy(state, [&](Index, const Description& d) { return d.key.kind == kind && d.key.id == name; });
    bool waits_there = false;
    for (const Task& other : state.tasks) {
      const Flight& f = other.flight;
      waits_there |= f.active && &f != &flight && f.call.kind == flight.call.kind && f.phase == 2 &&
                     f.call.name == name && f.call.direction != flight.call.direction;
    }
    flight.woken = open != Busy::no || waits_there;
    flight.phase = 2;
    return Step::advanced;
  }
  if (flight.phase == 3) {
    give_back(state, task, flight.reserved[0]);
    return fail(result, restart);
  }
  if (!flight.woken) return Step::blocked;
  sc_key key{};
  key.kind = static_cast<std::uint8_t>(reads ? SC_FILE_FIFO_READ : SC_FILE_FIFO_WRITE);
  key.id = name;
  install(state, task, flight.reserved[0], new_description(state, key));
  result.value[0] = flight.reserved[0];
  return Step::done;
}

bool interrupt(State& state, Index task) {
  Flight& flight = state.tasks[task].flight;
  if (!flight.active || static_cast<CallKind>(flight.call.kind) != CallKind::open_fifo || flight.phase != 2 || flight.woken) return false;
  flight.phase = 3;
  return true;
}

Busy program_busy(const State& state, std::uint8_t name) {
  return busy(state, [&](Index, const Description& d) { return d.key.kind == SC_FILE_PROGRAM && d.key.id == name; });
}

namespace {

// Some child runs it, or may: open(2) for writing is ETXTBSY then (fs/namei.c, get_write_access).
bool program_runs(const State& state, std::uint8_t name) {
  for (const Process& p : state.processes)
    if (p.program == SC_PROGRAM_WRITTEN && p.program_name == name && p.life != Life::reaped) return true;
  return false;
}

}  // namespace

unsigned program_outcomes(const Kernel&, const State& state, Index task) {
  const Flight& flight = state.tasks[task].flight;
  return flight.phase == 1 && program_runs(state, flight.call.name) ? 2 : 1;
}

Step step_open_program(const Kernel& kernel, State& state, Index task, unsigned outcome, Result& result) {
  Flight& flight = state.tasks[task].flight;
  if (outcome == 1) {
    give_back(state, task, flight.reserved[0]);
    return fail(result, ETXTBSY);
  }
  return step_create(kernel, state, task, 0, result);
}

namespace {

Busy port_busy(const State& state, std::uint8_t name) {
  return busy(state, [&](Index, const Description& d) { return d.key.kind == SC_FILE_LISTENER && d.key.id == name; });
}

}  // namespace

unsigned listen_outcomes(const Kernel&, const State& state, Index task) {
  const Flight& flight = state.tasks[task].flight;
  return flight.phase == 2 && port_busy(state, flight.call.name) == Busy::maybe ? 2 : 1;
}

// socket(2), then bind(2) and listen(2) of what socket(2) returned; a socket that cannot be bound is
// closed again. Until bind the socket is nothing that anyone could find busy.
Step step_listen(const Kernel& kernel, State& state, Index task, unsigned outcome, Result& result) {
  Flight& flight = state.tasks[task].flight;
  if (flight.phase < 2) {
    const Step made = step_create(kernel, state, task, 0, result);
    if (made == Step::advanced || result.error != 0) return made;
    result = Result{};
    hold(state, flight, static_cast<Index>(state.descriptions.size() - 1));
    flight.phase = 2;
    return Step::advanced;
  }
  if (flight.phase == 2) {
    const Busy taken = port_busy(state, flight.call.name);
    if (taken == Busy::yes || (taken == Busy::maybe && outcome == 1)) {
      flight.phase = 3;
      return Step::advanced;
    }
    state.descriptions[flight.held].key.kind = SC_FILE_LISTENER;
    state.descriptions[flight.held].key.id = flight.call.name;
    result.value[0] = flight.reserved[0];
    return Step::done;
  }
  give_back(state, task, flight.reserved[0]);
  return fail(result, EADDRINUSE);
}

namespace {

// Which inode's lock flock(2) takes. The inodes of /dev/null, eventfd and the like are the whole
// system's, so that nothing can be said of them.
bool lock_is_ours(const sc_key& key) {
  switch (key.kind) {
    case SC_FILE_MEMFD: case SC_FILE_REGULAR: case SC_FILE_PROGRAM: case SC_FILE_MQUEUE: return true;
    default: return false;
  }
}

Busy lock_taken(const State& state, Index mine) {
  const sc_key& key = state.descriptions[mine].key;
  return busy(state, [&](Index d, const Description& other) {
    return d != mine && other.locked && other.key.kind == key.kind && other.key.id == key.id;
  });
}

}  // namespace

unsigned flock_outcomes(const Kernel&, const State& state, Index task) {
  const Flight& flight = state.tasks[task].flight;
  if (flight.phase != 1) return 1;
  const Description& description = state.descriptions[flight.held];
  if (description.wildcard || !lock_is_ours(description.key)) return 2;
  return lock_taken(state, flight.held) == Busy::maybe ? 2 : 1;
}

// fs/locks.c flock: the lock belongs to the description and goes with its last reference.
Step step_flock(const Kernel&, State& state, Index task, unsigned outcome, Result& result) {
  Flight& flight = state.tasks[task].flight;
  if (flight.phase == 0) {
    const Entry* entry = installed(state.table_of(task), flight.call.a);
    if (entry == nullptr) return fail(result, EBADF);
    hold(state, flight, entry->description);
    flight.phase = 1;
    return Step::advanced;
  }
  if (outcome == 1 || lock_taken(state, flight.held) == Busy::yes) return fail(result, EAGAIN);
  state.descriptions[flight.held].locked = true;
  return Step::done;
}

namespace {

// What the call holds gets the lowest free number from `from` on: reserved in phase 1, installed in phase 2.
Step place_held(State& state, Index task, std::int32_t from, Result& result) {
  Flight& flight = state.tasks[task].flight;
  if (flight.phase == 1) {
    if (!reserve(state, task, from, flight.reserved[0], result)) return Step::done;
    flight.phase = 2;
    return Step::advanced;
  }
  install(state, task, flight.reserved[0], flight.held);
  result.value[0] = flight.reserved[0];
  return Step::done;
}

}  // namespace

Step step_dup(const Kernel&, State& state, Index task, unsigned, Result& result) {
  Flight& flight = state.tasks[task].flight;
  if (flight.phase == 0) {
    const Entry* entry = installed(state.table_of(task), flight.call.a);
    if (entry == nullptr) return fail(result, EBADF);
    if (flight.call.b >= 0 && flight.call.b >= state.process_of(task).limit) return fail(result, EINVAL);
    hold(state, flight, entry->description);
    flight.phase = 1;
    return Step::advanced;
  }
  return place_held(state, task, flight.call.b < 0 ? 0 : flight.call.b, result);
}

// kernel/pid.c pidfd_getfd: the file is looked up in the other process's table, then it gets a number in the caller's.
Step step_fetch(const Kernel&, State& state, Index task, unsigned, Result& result) {
  Flight& flight = state.tasks[task].flight;
  if (flight.phase == 0) {
    const Task* other = nullptr;
    for (const Task& t : state.tasks)
      if (t.process == state.process_of(task).parent && !t.ended && (other == nullptr || t.vfork_child == task)) other = &t;
    if (other == nullptr) return fail(result, ESRCH);
    const Entry* entry = installed(state.tables[other->table], flight.call.a);
    if (entry == nullptr) return fail(result, EBADF);
    hold(state, flight, entry->description);
    flight.phase = 1;
    return Step::advanced;
  }
  return place_held(state, task, 0, result);
}

// fs/file.c ksys_dup3: the new number's range is checked before the old one is looked up. What was at the new number is
// released after the lock has been dropped (do_dup2, filp_close).
Step step_dup3(const Kernel&, State& state, Index task, unsigned, Result& result) {
  Flight& flight = state.tasks[task].flight;
  const Call call = flight.call;
  if (flight.phase == 1) {
    result.value[0] = call.b;
    return Step::done;
  }
  const Table& table = state.table_of(task);
  const Entry* old = installed(table, call.a);
  if (call.a == call.b) {
    if (call.name == 1) return fail(result, EINVAL);
    if (old == nullptr) return fail(result, EBADF);
    result.value[0] = call.b;
    return Step::done;
  }
  if (call.b < 0 || call.b >= state.process_of(task).limit || old == nullptr) return fail(result, EBADF);
  const Entry* target = table.find(call.b);
  if (target != nullptr && target->description == none) return fail(result, EBUSY);
  const Index description = old->description;
  if (target != nullptr) hold(state, flight, target->description);
  state.put(state.tasks[task].table, call.b, description, wants_cloexec(call));
  result.value[0] = call.b;
  if (flight.held == none) return Step::done;
  flight.phase = 1;
  return Step::advanced;
}

Step step_getfd(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const Entry* entry = installed(state.table_of(task), state.tasks[task].flight.call.a);
  if (entry == nullptr) return fail(result, EBADF);
  result.value[0] = entry->cloexec ? 1 : 0;
  return Step::done;
}

Step step_setfd(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const Call call = state.tasks[task].flight.call;
  const Entry* entry = installed(state.table_of(task), call.a);
  if (entry == nullptr) return fail(result, EBADF);
  state.put(state.tasks[task].table, call.a, entry->description, wants_cloexec(call));
  return Step::done;
}

// fs/open.c close: the number is free before the file is released (file_close_fd, then filp_flush and fput_close_sync).
Step step_close(const Kernel&, State& state, Index task, unsigned, Result& result) {
  Flight& flight = state.tasks[task].flight;
  if (flight.phase == 1) return Step::done;
  const std::int32_t number = flight.call.a;
  const Entry* entry = installed(state.table_of(task), number);
  if (entry == nullptr) return fail(result, EBADF);
  hold(state, flight, entry->description);
  state.remove(state.tasks[task].table, number, number);
  flight.phase = 1;
  return Step::advanced;
}

Step step_limit(const Kernel&, State& state, Index task, unsigned, Result&) {
  state.process_of(task).limit = state.tasks[task].flight.call.a;
  return Step::done;
}

}  // namespace spawncheck::model
