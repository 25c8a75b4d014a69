// SPDX-License-Identifier: MIT
//
// Files opened by name, and calls on one file: FIFOs, programs, ports, locks. The number is reserved before the file
// is opened, and the file counts (as a writer, as a partner) before it is installed.
#include <cerrno>

#include "model/kernel/families.h"

namespace spawncheck::model {

// ---- FIFOs -------------------------------------------------------------------------------------

namespace {

bool reads(const Call& call) { return call.direction == SC_DIRECTION_READ; }

// Returns true if `other` waits at the other side of the same FIFO.
bool is_partner(const InFlightCall& own, const InFlightCall& other) {
  if (&own == &other || !other.active || other.call.kind != own.call.kind || other.call.name != own.call.name)
    return false;
  return other.call.direction != own.call.direction && rows_of(CallKind::open_fifo)[other.row].make == wait_for_partner;
}

}  // namespace

// The opener counts from here on: it wakes a task that waits at the other side, and need not wait itself if the other
// side is open or waited at.
Step arrive_at_fifo(const Kernel&, State& state, Index task, unsigned, Result&) {
  InFlightCall& flight = state.tasks[task].flight;
  const auto other_side = static_cast<std::uint8_t>(reads(flight.call) ? SC_FILE_FIFO_WRITE : SC_FILE_FIFO_READ);
  const std::uint8_t name = flight.call.name;
  flight.woken = busy(state, [&](Index, const Description& d) {
                   return d.key.kind == other_side && d.key.id == name;
                 }) != Busy::no;
  for (Task& other : state.tasks) {
    if (!is_partner(flight, other.flight)) continue;
    other.flight.woken = true;
    flight.woken = true;
  }
  return Step::next;
}

unsigned fifo_outcomes(const Kernel&, const State& state, Index task) {
  return state.has_unknown_signals && !state.tasks[task].flight.woken ? 2 : 1;
}

Step wait_for_partner(const Kernel&, State& state, Index task, unsigned outcome, Result&) {
  InFlightCall& flight = state.tasks[task].flight;
  if (!flight.woken && outcome == 1) return interrupt(state, task) ? Step::advanced : Step::blocked;
  if (!flight.woken) return Step::blocked;
  sc_key key{};
  key.kind = static_cast<std::uint8_t>(reads(flight.call) ? SC_FILE_FIFO_READ : SC_FILE_FIFO_WRITE);
  key.id = flight.call.name;
  hold(state, flight, new_description(state, key));
  return Step::next;
}

// The number goes back (put_unused_fd) after the opener has left the FIFO (fs/pipe.c fifo_open, err_rd and err_wr).
bool interrupt(State& state, Index task) {
  InFlightCall& flight = state.tasks[task].flight;
  const bool sleeps = flight.active && static_cast<CallKind>(flight.call.kind) == CallKind::open_fifo &&
                      !flight.woken && rows_of(CallKind::open_fifo)[flight.row].make == wait_for_partner;
  if (sleeps) undo(flight, restart);
  return sleeps;
}

// ---- programs ----------------------------------------------------------------------------------

Busy program_busy(const State& state, std::uint8_t name) {
  return busy(state, [&](Index, const Description& d) { return d.key.kind == SC_FILE_PROGRAM && d.key.id == name; });
}

namespace {

// Returns true if a child runs the program, or may: open(2) for writing is then ETXTBSY (fs/namei.c, get_write_access).
bool program_runs(const State& state, std::uint8_t name) {
  for (const Process& p : state.processes)
    if (p.program == SC_PROGRAM_WRITTEN && p.program_name == name && p.life != Life::reaped) return true;
  return false;
}

}  // namespace

unsigned program_outcomes(const Kernel&, const State& state, Index task) {
  return program_runs(state, state.tasks[task].flight.call.name) ? 2 : 1;
}

// From here on the program is open for writing: execve(2) of it is ETXTBSY.
Step open_executable(const Kernel&, State& state, Index task, unsigned outcome, Result&) {
  InFlightCall& flight = state.tasks[task].flight;
  if (outcome == 1) return undo(flight, ETXTBSY);
  hold(state, flight, new_description(state, flight.call.key[0]));
  return Step::next;
}

// ---- sockets -----------------------------------------------------------------------------------

namespace {

Busy port_busy(const State& state, std::uint8_t name) {
  return busy(state, [&](Index, const Description& d) { return d.key.kind == SC_FILE_LISTENER && d.key.id == name; });
}

bool is_listener(const Description& d) { return d.key.kind == SC_FILE_LISTENER; }
bool is_unbound(const Description& d) { return is_listener(d) && d.key.id == unbound; }

// bind(2) and listen(2) of a file the model knows nothing about: success, or one of these.
constexpr int errors_of_unknown[] = {0, ENOTSOCK, EINVAL, EADDRINUSE, EOPNOTSUPP};
constexpr unsigned unknown_outcomes = sizeof errors_of_unknown / sizeof *errors_of_unknown;

// The operation closes the number, then returns the error.
Step close_after(State& state, InFlightCall& flight, int error) {
  let_go(state, flight);
  flight.error = error;
  return go_to(flight, row_of(flight, close_socket));
}

}  // namespace

Step install_socket(const Kernel&, State& state, Index task, unsigned, Result&) {
  const InFlightCall& flight = state.tasks[task].flight;
  install(state, task, flight.reserved[0], new_description(state, {SC_FILE_LISTENER, unbound}));
  return Step::next;
}

Step look_up_socket(const Kernel&, State& state, Index task, unsigned, Result&) {
  InFlightCall& flight = state.tasks[task].flight;
  const Entry* entry = installed(state.table_of(task), flight.reserved[0]);
  if (entry == nullptr) return close_after(state, flight, EBADF);
  hold(state, flight, entry->description);
  return Step::next;
}

unsigned bind_outcomes(const Kernel&, const State& state, Index task) {
  const InFlightCall& flight = state.tasks[task].flight;
  const Description& socket = state.descriptions[flight.held];
  if (socket.wildcard) return unknown_outcomes;
  return is_unbound(socket) && port_busy(state, flight.call.name) == Busy::maybe ? 2 : 1;
}

// The address is of AF_INET: a socket of AF_UNIX refuses it (net/unix/af_unix.c unix_validate_addr).
Step bind_socket(const Kernel&, State& state, Index task, unsigned outcome, Result&) {
  InFlightCall& flight = state.tasks[task].flight;
  Description& socket = state.descriptions[flight.held];
  int error = 0;
  if (socket.wildcard)
    error = errors_of_unknown[outcome];
  else if (!is_listener(socket))
    error = socket.key.kind == SC_FILE_SOCKET ? EINVAL : ENOTSOCK;
  else if (!is_unbound(socket))
    error = EINVAL;
  else if (const Busy taken = port_busy(state, flight.call.name); taken == Busy::yes || outcome == 1)
    error = EADDRINUSE;
  else
    socket.key.id = flight.call.name;
  if (error != 0) return close_after(state, flight, error);
  let_go(state, flight);
  return Step::next;
}

unsigned listen_outcomes(const Kernel&, const State& state, Index task) {
  return state.descriptions[state.tasks[task].flight.held].wildcard ? unknown_outcomes : 1;
}

// An unbound socket of AF_INET gets some port (inet_csk_listen_start); a connected pair of AF_UNIX has no address
// (unix_listen).
Step listen_on_socket(const Kernel&, State& state, Index task, unsigned outcome, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const Description& socket = state.descriptions[flight.held];
  int error = 0;
  if (socket.wildcard)
    error = errors_of_unknown[outcome];
  else if (!is_listener(socket))
    error = socket.key.kind == SC_FILE_SOCKET ? EINVAL : ENOTSOCK;
  if (error != 0) return close_after(state, flight, error);
  result.value[0] = flight.reserved[0];
  return Step::done;
}

Step close_socket(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const Entry* entry = installed(state.table_of(task), flight.reserved[0]);
  if (entry == nullptr) return fail(result, flight.error);
  hold(state, flight, entry->description);
  state.remove(state.tasks[task].table, flight.reserved[0], flight.reserved[0]);
  return Step::next;
}

// ---- locks -------------------------------------------------------------------------------------

namespace {

// Returns true if the model knows every lock on the key's inode. The inodes of /dev/null,
// eventfd and the like are shared by the whole system, so the model cannot predict their locks.
bool lock_is_ours(const sc_key& key) {
  switch (key.kind) {
    case SC_FILE_MEMFD:
    case SC_FILE_REGULAR:
    case SC_FILE_PROGRAM:
    case SC_FILE_MQUEUE:
      return true;
    default:
      return false;
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
  const InFlightCall& flight = state.tasks[task].flight;
  const Description& description = state.descriptions[flight.held];
  if (description.wildcard || !lock_is_ours(description.key)) return 2;
  return lock_taken(state, flight.held) == Busy::maybe ? 2 : 1;
}

// The lock belongs to the description and is released with its last reference.
Step take_lock(const Kernel&, State& state, Index task, unsigned outcome, Result& result) {
  const InFlightCall& flight = state.tasks[task].flight;
  if (outcome == 1 || lock_taken(state, flight.held) == Busy::yes) return fail(result, EAGAIN);
  state.descriptions[flight.held].locked = true;
  return Step::done;
}

}  // namespace spawncheck::model
