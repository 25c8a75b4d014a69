// SPDX-License-Identifier: MIT
//
// Calls on numbers already in the table, as in fs/file.c (read in 6.12.117). A call looks its descriptor up first and
// refers to the file from then on: the number may be closed or replaced before the call acts. dup2(2) and dup3(2) do
// everything under one hold of the lock, except reading the limit, which comes first.
#include <cerrno>

#include "model/kernel/families.h"

namespace spawncheck::model {

const Entry* installed(const Table& table, std::int32_t number) {
  const Entry* entry = number < 0 ? nullptr : table.find(number);
  return entry != nullptr && entry->description != none ? entry : nullptr;
}

// InFlightCall::phase keeps the flag: F_GETFD of a number that was closed meanwhile reads the bit that the close
// left behind.
Step look_up(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const Entry* entry = installed(state.table_of(task), flight.call.a);
  if (entry == nullptr) return fail(result, EBADF);
  hold(state, flight, entry->description);
  flight.phase = entry->cloexec ? 1 : 0;
  return Step::next;
}

// pidfd_getfd(2): the file is looked up in the table of the thread that waits for the caller.
Step look_up_in_parent(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const Task* other = nullptr;
  for (const Task& t : state.tasks)
    if (t.process == state.process_of(task).parent && !t.ended && (other == nullptr || t.vfork_child == task))
      other = &t;
  if (other == nullptr) return fail(result, ESRCH);
  const Entry* entry = installed(state.tables[other->table], flight.call.a);
  if (entry == nullptr) return fail(result, EBADF);
  hold(state, flight, entry->description);
  return Step::next;
}

// The new number's range is checked before the old number is looked up. dup2(2) of equal numbers only looks.
Step check_target(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const Call& call = flight.call;
  if (call.a != call.b) return call.b < 0 || call.b >= state.process_of(task).limit ? fail(result, EBADF) : Step::next;
  if (call.name == 1) return fail(result, EINVAL);
  if (installed(state.table_of(task), call.a) == nullptr) return fail(result, EBADF);
  result.value[0] = call.b;
  return Step::done;
}

// What was at the new number is released after the lock has been dropped.
Step replace(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const Call call = flight.call;
  const Table& table = state.table_of(task);
  const Entry* old = installed(table, call.a);
  if (old == nullptr) return fail(result, EBADF);
  const Entry* target = table.find(call.b);
  if (target != nullptr && target->description == none) return fail(result, EBUSY);
  const Index description = old->description;
  if (target != nullptr) hold(state, flight, target->description);
  state.put(state.tasks[task].table, call.b, description, (call.flags & SC_FLAG_CLOEXEC) != 0);
  result.value[0] = call.b;
  return flight.held == none ? Step::done : Step::next;
}

Step release_replaced(const Kernel&, State& state, Index task, unsigned, Result& result) {
  result.value[0] = state.tasks[task].flight.call.b;
  return Step::done;
}

// The number's bit, even if another file has the number by now.
Step read_flag(const Kernel&, State& state, Index task, unsigned, Result& result) {
  const InFlightCall& flight = state.tasks[task].flight;
  const Entry* slot = state.table_of(task).find(flight.call.a);
  result.value[0] = slot != nullptr ? slot->cloexec : flight.phase;
  return Step::done;
}

// Likewise; the bit of a free number does not matter, since alloc_fd sets it anew.
Step write_flag(const Kernel&, State& state, Index task, unsigned, Result&) {
  const Call& call = state.tasks[task].flight.call;
  const Entry* slot = state.table_of(task).find(call.a);
  if (slot != nullptr)
    state.put(state.tasks[task].table, call.a, slot->description, (call.flags & SC_FLAG_CLOEXEC) != 0);
  return Step::done;
}

// The number is free before the file is released.
Step free_number(const Kernel&, State& state, Index task, unsigned, Result& result) {
  InFlightCall& flight = state.tasks[task].flight;
  const Entry* entry = installed(state.table_of(task), flight.call.a);
  if (entry == nullptr) return fail(result, EBADF);
  hold(state, flight, entry->description);
  state.remove(state.tasks[task].table, flight.call.a, flight.call.a);
  return Step::next;
}

Step release_closed(const Kernel&, State& state, Index task, unsigned, Result& result) {
  result.error = state.tasks[task].flight.error;
  return Step::done;
}

Step step_limit(const Kernel&, State& state, Index task, unsigned, Result&) {
  state.process_of(task).limit = state.tasks[task].flight.call.a;
  return Step::done;
}

}  // namespace spawncheck::model
