// SPDX-License-Identifier: MIT
//
// New numbers, as fs/file.c allocates them (read in 6.12.117). Three instants: the limit is read without a lock
// (rlimit), alloc_fd reserves the lowest free number under the table's lock, fd_install puts the file there later,
// without the lock. Between the last two the slot is reserved and empty: using it is EBADF, no other allocation gets
// the number, and dup2 onto it is EBUSY.
#include <algorithm>
#include <cerrno>

#include "model/kernel/families.h"

namespace spawncheck::model {

namespace {

bool wants_cloexec(const Call& call) { return (call.flags & SC_FLAG_CLOEXEC) != 0; }

// alloc_fd: the lowest free number from `from` on. Returns false (EMFILE) if none is free below the limit that
// the call has read.
bool reserve(State& state, Index task, std::int32_t from, std::int32_t& number) {
  const InFlightCall& flight = state.tasks[task].flight;
  const std::int32_t lowest = state.table_of(task).lowest_free(from);
  if (lowest >= flight.limit) return false;
  number = lowest;
  state.put(state.tasks[task].table, lowest, none, wants_cloexec(flight.call));
  return true;
}

Step give_first(InFlightCall& flight, Result& result) {
  result.value[0] = flight.reserved[0];
  return Step::done;
}

}  // namespace

Index new_description(State& state, const sc_key& key) {
  Description description;
  description.key = key;
  return state.add(description);
}

void install(State& state, Index task, std::int32_t number, Index description) {
  const Entry* slot = state.table_of(task).find(number);
  state.put(state.tasks[task].table, number, description, slot != nullptr && slot->cloexec);
}

Step read_limit(const Kernel&, State& state, Index task, unsigned, Result&) {
  state.tasks[task].flight.limit = state.process_of(task).limit;
  return Step::next;
}

Step read_limit_above_bound(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  flight.limit = state.process_of(task).limit;
  return flight.call.b >= flight.limit ? fail(result, EINVAL) : Step::next;
}

Step reserve_first(const Kernel&, State& state, Index task, unsigned, Result& result) {
  return reserve(state, task, 0, state.tasks[task].flight.reserved[0]) ? Step::next : fail(result, EMFILE);
}

Step reserve_from_bound(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  return reserve(state, task, std::max(flight.call.b, 0), flight.reserved[0]) ? Step::next : fail(result, EMFILE);
}

Step reserve_second(const Kernel&, State& state, Index task, unsigned, Result&) {
  InFlightCall& flight = state.tasks[task].flight;
  return reserve(state, task, 0, flight.reserved[1]) ? Step::next : undo(flight, EMFILE);
}

Step install_new(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  install(state, task, flight.reserved[0], new_description(state, flight.call.key[0]));
  return give_first(flight, result);
}

Step install_new_first(const Kernel&, State& state, Index task, unsigned, Result&) {
  const InFlightCall& flight = state.tasks[task].flight;
  install(state, task, flight.reserved[0], new_description(state, flight.call.key[0]));
  return Step::next;
}

Step install_new_second(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  install(state, task, flight.reserved[1], new_description(state, flight.call.key[1]));
  result.value[1] = flight.reserved[1];
  return give_first(flight, result);
}

Step install_held(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  install(state, task, flight.reserved[0], flight.held);
  return give_first(flight, result);
}

Step give_back_first(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const InFlightCall& flight = state.tasks[task].flight;
  state.remove(state.tasks[task].table, flight.reserved[0], flight.reserved[0]);
  return fail(result, flight.error);
}

}  // namespace spawncheck::model
