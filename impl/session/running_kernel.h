// SPDX-License-Identifier: MIT
//
// What the kernel that runs does, found by asking it and not by its version: stable releases change behaviour too, and
// distributions pick what they like. Lockstep, explore's default and every report use this; `spawncheck kernel` prints
// it.
//
// Hazard: a wrong answer makes the model predict what this kernel never does, and then a correct spawn is accused. So
// each probe either saw the thing itself or says that it did not; where nothing can be seen from outside, the answer is
// `unknown` and the row says what is assumed. Checked by: properties/running_kernel_test.cpp and `spawncheck check
// --mode lockstep`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/kernel/call.h"

namespace spawncheck {

// Columns: enumerator, word, whether verdicts and predictions depend on it (then reports print it), what `yes` means,
// the source with the releases that have it, how it is found out.
#define SPAWNCHECK_BEHAVIOURS(X)                                                                                       \
  X(exec_closes_before_wake, "exec-closes-before-wake", 1,                                                             \
    "exec closes close-on-exec descriptors before it wakes the vfork(2) parent",                                       \
    "fs/exec.c begin_new_exec: do_close_on_exec against exec_mmap; before in 6.1.189, 6.12.111, 7.3.4, after in "      \
    "6.18.15",                                                                                                         \
    "a vfork(2) child execs with many close-on-exec descriptors, and the parent looks at once whether the last, a "    \
    "queue, is still registered on (mq_notify(2))")                                                                    \
  X(copy_leaves_dropped, "copy-leaves-dropped", 1, "close_range(2) UNSHARE never references what it drops",            \
    "fs/file.c dup_fd; 7.4",                                                                                           \
    "mq_notify(2) on a queue in the range: the ->flush of a transient copy takes the registration away")               \
  X(copy_sized_by_capacity, "copy-sized-by-capacity", 1,                                                               \
    "close_range(2) UNSHARE leaves out the end of the table only where the range reaches the table's capacity, not "   \
    "its last open number",                                                                                            \
    "fs/file.c close_range, sane_fdtable_size; 6.1 before 6.1.113",                                                    \
    "likewise, with a range that ends between the last open number and the capacity")                                  \
  X(close_range_except, "close-range-except", 1, "close_range(2) knows flag 1 << 3, CLOSE_RANGE_EXCEPT",               \
    "fs/file.c __close_range; 7.4", "asked of everything outside 0..~0, which is nothing: EINVAL where it is unknown") \
  X(close_range_array, "close-range-array", 0, "close_range(2) knows flag 1 << 15, an array of numbers that stay",     \
    "fs/file.c close_range_array; ci/kernels.d/array, no released kernel",                                             \
    "asked with an address that nobody has: EFAULT, where it is unknown EINVAL")                                       \
  X(close_range, "close-range", 0, "close_range(2) exists", "fs/file.c __close_range; 5.9",                            \
    "an inverted range: EINVAL")                                                                                       \
  X(clone3, "clone3", 0, "clone3(2) exists", "kernel/fork.c clone3; 5.3", "a size of 0: EINVAL")                       \
  X(pidfd_getfd, "pidfd-getfd", 0, "a child may fetch descriptors from its parent",                                    \
    "kernel/pid.c pidfd_getfd; 5.6; ptrace(2), access mode PTRACE_MODE_ATTACH_REALCREDS", "a child fetches one")       \
  X(pidfd_thread, "pidfd-thread", 0, "pidfd_open(2) knows PIDFD_THREAD", "kernel/pid.c pidfd_open; 6.9",               \
    "opened of this thread")                                                                                           \
  X(dupfd_query, "dupfd-query", 0, "fcntl(2) knows F_DUPFD_QUERY", "fs/fcntl.c f_dupfd_query; 6.10",                   \
    "asked of one descriptor twice")                                                                                   \
  X(memfd_exec, "memfd-exec", 0, "memfd_create(2) knows MFD_EXEC", "mm/memfd.c memfd_create; 6.3", "created with it")  \
  X(pagemap_scan, "pagemap-scan", 0, "the kernel tells which pages are written",                                       \
    "fs/proc/task_mmu.c PAGEMAP_SCAN; 6.7", "asked with a null argument: EFAULT, where it is unknown ENOTTY")

enum class Behaviour : std::uint8_t {
#define SPAWNCHECK_ROW(id, word, judges, meaning, source, how) id,
  SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

#define SPAWNCHECK_ROW(id, word, judges, meaning, source, how) +1
inline constexpr int behaviour_count = 0 SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW);
#undef SPAWNCHECK_ROW

struct BehaviourRow {
  std::string_view word;
  bool judges;
  std::string_view meaning, source, how;
};
const BehaviourRow& row(Behaviour);

enum class Answer : std::uint8_t { no, yes, unknown };
std::string_view name(Answer);

struct Probed {
  Answer answer = Answer::unknown;
  std::string seen;  // the evidence, as a phrase: "EINVAL", "in 1 of 1 tries"
};

// Asked once a process, at the first call; thread-safe. Costs up to 10 ms for exec-closes-before-wake, less than 2 ms
// for any other. Probes that change a table, or could, run in a process of their own.
const Probed& probed(Behaviour);

// The model of the kernel that runs. What is unknown is as in 6.18; what cannot be told from outside follows from what
// can: closes_synchronously and the size of a copy that leaves out what is dropped go with the 7.4 behaviours.
model::Kernel running_kernel();

// "exec-closes-before-wake no, copy-leaves-dropped no, ...": those that judge, for reports.
std::string behaviours_text();

// A strategy of the reference that this kernel, or the sandbox around this process, lacks: why, as a sentence. Empty:
// it has it.
std::string why_unsupported(std::string_view strategy);

}  // namespace spawncheck
