// SPDX-License-Identifier: MIT
//
// The system calls the model knows, and one step of one of them.
//
// A call is begun by a task and then makes steps until it is done; between two steps any other task may
// act. One step is what the kernel does under one hold of its lock, so the interleavings of steps are
// those that the kernel can show. Everything that drives the model (the judge of free histories, the
// simulation, the explorer) is a loop over begin() and step().
#pragma once

#include <spawncheck/spawn/plan.h>

#include <string>
#include <string_view>
#include <vector>

#include "model/kernel/behaviours.h"
#include "model/kernel/processes.h"
#include "model/kernel/signals.h"
#include "model/kernel/state.h"

namespace spawncheck::model {

// How many slots a copied table has (fs/file.c sane_fdtable_size), in whole words.
enum class Sizing : std::uint8_t {
  capacity,   // it ends below the range if the range reaches the table's capacity
  last_open,  // it ends below the range if the range reaches the last reserved slot
  last_kept   // it ends after the last slot that is not dropped
};

// A kernel: which behaviours it has. A step tests one bit.
struct Kernel {
  std::string name = "6.18";
  Behaviours does = behaviours_of({6, 18, 0});
  // Not part of any kernel: the numbers, ascending, at which a task could tell how far a close_range(2)
  // over a run of one description has come. A run is cut only there. Empty: cut anywhere.
  std::vector<std::int32_t> cuts{};
  bool forgets_room =
      false;  // a planted bug: dup_fd computes its size anew after each allocation, and forgets what it allocated

  bool has(Behaviour b) const { return does.has(b); }
  Sizing sizing() const {
    if (has(Behaviour::copy_leaves_dropped)) return Sizing::last_kept;
    return has(Behaviour::copy_sized_by_capacity) ? Sizing::capacity : Sizing::last_open;
  }
};

// Parses the text with behaviours_in(); the text becomes the name. The caller must pass a valid text.
Kernel kernel_named(std::string_view);

// In Call::flags of clone: the child starts with an empty table. Proposed on the kernel list; no kernel has it.
inline constexpr std::uint32_t start_empty = 1u << 30;

// include/uapi/linux/close_range.h; the value of CLOEXEC_ONLY is ours: no released header has it.
inline constexpr std::uint32_t close_range_unshare = SPAWN_CLOSE_RANGE_UNSHARE, close_range_cloexec = 4,
                               close_range_except = SPAWN_CLOSE_RANGE_EXCEPT,
                               close_range_cloexec_only = SPAWN_CLOSE_RANGE_CLOEXEC_ONLY;

// Columns: enumerator, what the fields of Call mean. calls.cpp has the steps of each, in order.
#define SPAWNCHECK_CALLS(X)                                                                                      \
  X(create, "key[0]: a new descriptor for a new description; flags: cloexec")                                    \
  X(create_pair, "key[0], key[1]: two of them")                                                                  \
  X(open_fifo, "name, direction; waits for the other side")                                                      \
  X(open_program, "name: opens the executable file for writing")                                                 \
  X(listen, "name: socket(2), bind(2) to that name's port, listen(2); close(2) where one of them fails")         \
  X(flock, "a: takes the exclusive lock, or EAGAIN")                                                             \
  X(dup, "a: dup(2)")                                                                                            \
  X(dupfd, "a; b: fcntl(2) F_DUPFD, the lowest number that will do; flags: cloexec")                             \
  X(dup3, "a, b; flags: cloexec; name 1: dup3(2), which refuses a == b")                                         \
  X(getfd, "a")                                                                                                  \
  X(setfd, "a; flags: cloexec")                                                                                  \
  X(close, "a")                                                                                                  \
  X(close_range, "a, b as unsigned; flags: the raw bits")                                                        \
  X(close_each, "a, b as unsigned: each open one, by close(2)")                                                  \
  X(fetch,                                                                                                       \
    "pidfd_getfd(2). a: a number of the table of the thread that waits for the caller; the lowest free, "        \
    "close-on-exec")                                                                                             \
  X(close_but, "asked for, no kernel's: bits: the numbers below 64 that stay; private at one instant")           \
  X(sweep_cloexec, "each close-on-exec descriptor but a, by close(2)")                                           \
  X(unshare_files, "unshare(2) CLONE_FILES")                                                                     \
  X(limit, "a: RLIMIT_NOFILE, soft")                                                                             \
  X(mask, "a: SC_HOW_*; bits")                                                                                   \
  X(disposition, "a: signal; b: SC_DISPOSITION_*")                                                               \
  X(dispositions, "bits: signals; b: SC_DISPOSITION_*, or -1: reset the caught")                                 \
  X(kill, "a: process; b: signal")                                                                               \
  X(kill_group, "b: signal; every process of the caller's group")                                                \
  X(tgkill, "a: task; b: signal")                                                                                \
  X(altstack, "a: on or off")                                                                                    \
  X(store, "a: cell; b: value")                                                                                  \
  X(load, "a: cell")                                                                                             \
  X(setsid, "")                                                                                                  \
  X(setpgid, "a: the group's leader as process + 1, or group_of_*")                                              \
  X(umask, "a")                                                                                                  \
  X(chdir, "a: directory's name")                                                                                \
  X(clone, "flags: SPAWN_START_*; a: exit signal, -1: SIGCHLD; value[0]: the child's task, value[1]: the pidfd") \
  X(exec, "a: enum sc_program; name")                                                                            \
  X(exit, "a: status")                                                                                           \
  X(wait, "a: process; flags: wait_*; value[0]: its status; value[1] 0: not yet (wait_no_hang)")

enum class CallKind : std::uint8_t {
#define SPAWNCHECK_ROW(id, fields) id,
  SPAWNCHECK_CALLS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

std::string_view name(CallKind);

struct Result {
  std::int32_t value[2] = {-1, -1};
  std::int32_t error = 0;  // errno, 0: success
};

inline Call make_call(CallKind kind, std::int32_t a = -1, std::int32_t b = -1, std::uint32_t flags = 0,
                      std::uint64_t bits = 0) {
  Call call;
  call.kind = static_cast<std::uint8_t>(kind);
  call.flags = flags;
  call.a = a;
  call.b = b;
  call.bits = bits;
  return call;
}

enum class Step : std::uint8_t {
  blocked,   // not enabled; the state is unchanged
  advanced,  // made a step; more steps follow
  done,      // returned: the result counts
  next       // returned only by rows of calls.cpp: the next row makes the next step; step() returns advanced
};

// In Result::error: a signal interrupted the call, which has undone its steps and must be made again after the
// signal is taken (include/linux/errno.h ERESTARTSYS; the scenario's handlers have SA_RESTART).
inline constexpr std::int32_t restart = 512;

void begin(State&, Index task, const Call&);

// Interrupts a task that sleeps within a call: the call undoes what it did, in further steps, and then returns
// `restart`. Returns false, with the state unchanged, if the task is not in an interruptible sleep.
bool interrupt(State&, Index task);

// How many outcomes the next step of the task's call has, at least 1.
unsigned outcome_count(const Kernel&, const State&, Index task);

// Returns true if the task is in a close_range(2) that closes in its private copy, with something left to close.
bool closes_in_own_copy(const State&, Index task);

// Returns true if the task's call only has to release what it closed: the number is free already.
bool only_releases(const State&, Index task);

// Makes the next step in place, with one of the outcomes.
Step step(const Kernel&, State&, Index task, unsigned outcome, Result&);

// begin(), then steps until done or blocked, with outcome 0 of each: for calls that no task can disturb.
Step run_call(const Kernel&, State&, Index task, const Call&, Result&);

struct Outcome {
  State state;
  Step step;
  Result result;
};

// The set of allowed outcomes of the next step, as values. Pure.
std::vector<Outcome> outcomes(const Kernel&, const State&, Index task);

// sc_key::id of an AF_INET socket (SC_FILE_LISTENER) that is not bound to a name yet.
inline constexpr std::uint64_t unbound = SC_NAMES_MAX;

// --- shared by the families -------------------------------------------------------------------------

// Is a name (a port, a program, a lock) taken by a description for which `matches` holds?
enum class Busy : std::uint8_t { no, maybe, yes };
template <typename Matches>
Busy busy(const State& state, Matches matches) {
  Busy found = Busy::no;
  for (Index d = 0; d < state.descriptions.size(); ++d) {
    const Description& description = state.descriptions[d];
    if (!matches(d, description)) continue;
    if (state.referenced(d)) return Busy::yes;
    if (description.held_in_window != 0 || description.held_for_good) found = Busy::maybe;
  }
  return found;
}

// execve(2)'s errno for a program word, whatever the state; 0: it runs.
int error_of_program(std::int32_t program);
Busy program_busy(const State&, std::uint8_t name);  // open for writing: execve(2) ETXTBSY

inline Step fail(Result& result, int error) {
  result.error = error;
  return Step::done;
}

}  // namespace spawncheck::model
