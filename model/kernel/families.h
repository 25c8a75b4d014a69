// SPDX-License-Identifier: MIT
//
// What the tables of calls.cpp are made of: the steps, by family. Only calls.cpp and step.cpp use them.
#pragma once

#include <span>

#include "model/kernel/call.h"

namespace spawncheck::model {

// table: the step waits while another task holds the table's lock (files_struct.file_lock) across steps.
enum class Lock : std::uint8_t { untaken, table };

// One row of a call's table: what the kernel does at one instant. Between two steps any other task may act.
struct StepRow {
  // Returns Step::next if the next row makes the next step, Step::advanced if this row or the one that
  // InFlightCall::row names does.
  Step (*make)(const Kernel&, State&, Index task, unsigned outcome, Result&);
  Lock lock;
  std::string_view source;                                                  // the kernel's file and function
  unsigned (*outcomes)(const Kernel&, const State&, Index task) = nullptr;  // null: there is one outcome
  bool reads_limit = false;  // and nothing else: joined to the next step if no limit changes
};

// calls.cpp
std::span<const StepRow> rows_of(CallKind);

// The call continues at another row.
inline Step go_to(InFlightCall& flight, std::uint8_t row) {
  flight.row = row;
  return Step::advanced;
}

// The first row of the call's table that makes this step.
std::uint8_t row_of(const InFlightCall&, decltype(StepRow::make));

#define SPAWNCHECK_STEP(name) Step name(const Kernel&, State&, Index task, unsigned outcome, Result&)

// allocate.cpp: numbers that are reserved and installed.
SPAWNCHECK_STEP(read_limit);
SPAWNCHECK_STEP(read_limit_above_bound);
SPAWNCHECK_STEP(reserve_first);
SPAWNCHECK_STEP(reserve_second);
SPAWNCHECK_STEP(reserve_from_bound);
SPAWNCHECK_STEP(install_new);
SPAWNCHECK_STEP(install_new_first);
SPAWNCHECK_STEP(install_new_second);
SPAWNCHECK_STEP(install_held);
SPAWNCHECK_STEP(give_back_first);

// files.cpp: files opened by name, and calls on one file.
SPAWNCHECK_STEP(arrive_at_fifo);
SPAWNCHECK_STEP(wait_for_partner);
SPAWNCHECK_STEP(open_executable);
SPAWNCHECK_STEP(install_socket);
SPAWNCHECK_STEP(look_up_socket);
SPAWNCHECK_STEP(bind_socket);
SPAWNCHECK_STEP(listen_on_socket);
SPAWNCHECK_STEP(close_socket);
SPAWNCHECK_STEP(take_lock);
unsigned fifo_outcomes(const Kernel&, const State&, Index);
unsigned program_outcomes(const Kernel&, const State&, Index);
unsigned bind_outcomes(const Kernel&, const State&, Index);
unsigned listen_outcomes(const Kernel&, const State&, Index);
unsigned flock_outcomes(const Kernel&, const State&, Index);

// descriptors.cpp: numbers already in the table.
SPAWNCHECK_STEP(look_up);
SPAWNCHECK_STEP(look_up_in_parent);
SPAWNCHECK_STEP(check_target);
SPAWNCHECK_STEP(replace);
SPAWNCHECK_STEP(release_replaced);
SPAWNCHECK_STEP(read_flag);
SPAWNCHECK_STEP(write_flag);
SPAWNCHECK_STEP(free_number);
SPAWNCHECK_STEP(release_closed);
SPAWNCHECK_STEP(step_limit);

// tables.cpp
SPAWNCHECK_STEP(step_close_range);
SPAWNCHECK_STEP(step_close_each);
SPAWNCHECK_STEP(step_close_but);
SPAWNCHECK_STEP(step_sweep_cloexec);
SPAWNCHECK_STEP(step_unshare_files);
unsigned close_range_outcomes(const Kernel&, const State&, Index);

// signals.cpp
SPAWNCHECK_STEP(step_mask);
SPAWNCHECK_STEP(step_disposition);
SPAWNCHECK_STEP(step_dispositions);
SPAWNCHECK_STEP(step_kill);
SPAWNCHECK_STEP(step_kill_group);
SPAWNCHECK_STEP(step_tgkill);
SPAWNCHECK_STEP(step_altstack);

// processes.cpp
SPAWNCHECK_STEP(step_store);
SPAWNCHECK_STEP(step_load);
SPAWNCHECK_STEP(step_setsid);
SPAWNCHECK_STEP(step_setpgid);
SPAWNCHECK_STEP(step_umask);
SPAWNCHECK_STEP(step_chdir);
SPAWNCHECK_STEP(step_clone);
SPAWNCHECK_STEP(step_exec);
SPAWNCHECK_STEP(step_exit);
SPAWNCHECK_STEP(step_wait);
unsigned exec_outcomes(const Kernel&, const State&, Index);

#undef SPAWNCHECK_STEP

// Ends the task's call in flight, if any: releases what the call referred to and what it closed (task_work_run).
void end_call(State&, Index task);

// Makes one step of copying the task's table (copy.cpp). Returns true if the copy is finished: InFlightCall::table.
bool step_copy(const Kernel&, State&, Index task);

// Removes from the table what the close_range(2) selects.
void remove_selected(State&, Index table, const Call&);
// The last slot that the close_range(2) does not select, -1: none.
std::int64_t last_unselected(const Table&, const Call&);
// The fewest slots, in whole words, of a table with this last slot (fs/file.c: NR_OPEN_DEFAULT, then doubling).
std::int64_t in_words(std::int64_t last);

// The call undoes what it did, starting at its row give_back_first, and then returns the error.
inline Step undo(InFlightCall& flight, int error) {
  flight.error = error;
  return go_to(flight, row_of(flight, give_back_first));
}

// The call refers to the description until the call ends.
inline void hold(State& state, InFlightCall& flight, Index description) {
  state.hold(description);
  flight.held = description;
}
inline void let_go(State& state, InFlightCall& flight) {
  if (flight.held != none) state.release(flight.held);
  flight.held = none;
}
// What is installed at the number; null if the number is free or its slot is reserved and still empty.
const Entry* installed(const Table&, std::int32_t number);
// fd_install: puts the file into its reserved slot; a close-on-exec bit that was changed meanwhile stays.
void install(State&, Index task, std::int32_t number, Index description);
Index new_description(State&, const sc_key&);
// Frees the numbers first..last; their file is released when the call returns (fs/file_table.c fput).
void close_deferred(const Kernel&, State&, Index task, Index table, std::int32_t first, std::int32_t last);

}  // namespace spawncheck::model
