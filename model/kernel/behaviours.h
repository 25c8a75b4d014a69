// SPDX-License-Identifier: MIT
//
// THE table of what differs between kernels, by behaviour and not by version: stable releases change behaviour too,
// distributions backport patches, and a sandbox refuses calls. Code that predicts, judges or explains asks for
// behaviours; a release is a set of them, computed from two columns of the table. The running kernel is probed, not
// looked up (impl/session/running_kernel.h): for it the columns decide only the few ASSUMED rows, which no probe can
// tell.
//
// Checked by: properties/behaviours_test.cpp (the columns against known releases), running_kernel_test.cpp (the
// probes).
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace spawncheck::model {

// Columns:
//   enumerator
//   word, for the command line and reports
//   JUDGES: verdicts and predictions depend on it, and reports print it; or ASIDE
//   what the kernel does, where it does it
//   source: the kernel's file and function
//   since, until: releases that brought it, and that ended it. 6.12: 6.12 and all later ones; 6.1.113: 6.1.113 and
//     later ones of the stable series 6.1. Empty `since`: no release. From the changelogs of the stable releases
//   PROBED, with how it is asked; or ASSUMED, with why no probe can tell
//   for an ASSUMED row, the row that it is assumed to come with; for others the row itself
//
// exec-closes-before-wake: the commit is "exec: do_close_on_exec() before taking exec_update_lock". 6.18.53 was
// released with 7.2.7, whose changelog lists the commit; the series 6.6, 5.15 and 5.10 have it too, from releases not
// listed here.
#define SPAWNCHECK_BEHAVIOURS(X)                                                                                       \
  X(exec_closes_before_wake, "exec-closes-before-wake", JUDGES,                                                        \
    "exec closes close-on-exec descriptors before it wakes the vfork(2) parent and before it changes the memory",      \
    "fs/exec.c begin_new_exec: do_close_on_exec against exec_mmap", "7.3 7.2.7 6.18.53 6.12.111 6.1.189", "", PROBED,  \
    "a vfork(2) child execs with many close-on-exec descriptors, and the parent looks at once whether the last, a "    \
    "queue, is still registered on (mq_notify(2))",                                                                    \
    exec_closes_before_wake)                                                                                           \
  X(copy_leaves_dropped, "copy-leaves-dropped", JUDGES, "close_range(2) UNSHARE never references what it drops",       \
    "fs/file.c dup_fd", "7.4", "", PROBED,                                                                             \
    "mq_notify(2) on a queue in the range: the ->flush of a transient copy takes the registration away",               \
    copy_leaves_dropped)                                                                                               \
  X(copy_sized_by_capacity, "copy-sized-by-capacity", JUDGES,                                                          \
    "close_range(2) UNSHARE leaves out the end of the table only where the range reaches the table's capacity, not "   \
    "its last open number",                                                                                            \
    "fs/file.c dup_fd, sane_fdtable_size", "5.9", "6.12 6.11.3 6.10.14 6.6.55 6.1.113 5.15.168 5.10.227", PROBED,      \
    "likewise, with a range that ends between the last open number and the capacity", copy_sized_by_capacity)          \
  X(close_range_except, "close-range-except", JUDGES,                                                                  \
    "close_range(2) knows flag 1 << 3, CLOSE_RANGE_EXCEPT, and CLOSE_RANGE_CLOEXEC_ONLY", "fs/file.c __close_range",   \
    "7.4", "", PROBED, "asked of everything outside 0..~0, which is nothing: EINVAL where it is unknown",              \
    close_range_except)                                                                                                \
  X(closes_synchronously, "closes-synchronously", JUDGES,                                                              \
    "close_range(2), exec and exit release what they close last at once, not when they return",                        \
    "fs/file.c filp_close against fs/file_table.c fput", "7.4", "", ASSUMED,                                           \
    "only the instant of the release differs, within one call; it came in one series with close-range-except",         \
    close_range_except)                                                                                                \
  X(close_range_array, "close-range-array", ASIDE, "close_range(2) knows flag 1 << 15, an array of numbers that stay", \
    "fs/file.c close_range_array; ci/kernels.d/array", "", "", PROBED,                                                 \
    "asked with an address that nobody has: EFAULT, where it is unknown EINVAL", close_range_array)                    \
  X(wishes, "wishes", ASIDE,                                                                                           \
    "a child may start with an empty table, one call keeps an array of numbers, dup3(2) replaces only what is "        \
    "expected",                                                                                                        \
    "no kernel's: asked for on the kernel list in May 2026", "", "", ASSUMED, "no kernel does it", wishes)             \
  X(close_range, "close-range", ASIDE, "close_range(2) exists", "fs/file.c __close_range", "5.9", "", PROBED,          \
    "an inverted range: EINVAL", close_range)                                                                          \
  X(clone3, "clone3", ASIDE, "clone3(2) exists", "kernel/fork.c clone3", "5.3", "", PROBED, "a size of 0: EINVAL",     \
    clone3)                                                                                                            \
  X(clear_sighand, "clear-sighand", ASIDE, "clone3(2) knows CLONE_CLEAR_SIGHAND", "kernel/fork.c copy_sighand", "5.5", \
    "", PROBED, "a child is made with it", clear_sighand)                                                              \
  X(pidfd_getfd, "pidfd-getfd", ASIDE, "a child may fetch descriptors from its parent",                                \
    "kernel/pid.c pidfd_getfd; ptrace(2), access mode PTRACE_MODE_ATTACH_REALCREDS", "5.6", "", PROBED,                \
    "a child fetches one", pidfd_getfd)                                                                                \
  X(pidfd_thread, "pidfd-thread", ASIDE, "pidfd_open(2) knows PIDFD_THREAD", "kernel/pid.c pidfd_open", "6.9", "",     \
    PROBED, "opened of this thread", pidfd_thread)                                                                     \
  X(dupfd_query, "dupfd-query", ASIDE, "fcntl(2) knows F_DUPFD_QUERY", "fs/fcntl.c f_dupfd_query", "6.10", "", PROBED, \
    "asked of one descriptor twice", dupfd_query)                                                                      \
  X(memfd_exec, "memfd-exec", ASIDE, "memfd_create(2) knows MFD_EXEC", "mm/memfd.c memfd_create", "6.3", "", PROBED,   \
    "created with it", memfd_exec)                                                                                     \
  X(pagemap_scan, "pagemap-scan", ASIDE, "the kernel tells which pages are written",                                   \
    "fs/proc/task_mmu.c PAGEMAP_SCAN", "6.7", "", PROBED,                                                              \
    "asked with a null argument: EFAULT, where it is unknown ENOTTY", pagemap_scan)

enum class Behaviour : std::uint8_t {
#define SPAWNCHECK_ROW(id, ...) id,
  SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

#define SPAWNCHECK_ROW(id, ...) +1
inline constexpr int behaviour_count = 0 SPAWNCHECK_BEHAVIOURS(SPAWNCHECK_ROW);
#undef SPAWNCHECK_ROW

struct BehaviourRow {
  std::string_view word;
  bool judges;
  std::string_view meaning, source, since, until;
  bool is_probed;
  std::string_view how;
  Behaviour with;
};
const BehaviourRow& row(Behaviour);

// All words, separated by commas: for messages.
std::string behaviour_words();
std::optional<Behaviour> behaviour_named(std::string_view word);

// A set of behaviours: what one kernel does.
class Behaviours {
 public:
  constexpr Behaviours() = default;
  constexpr Behaviours(std::initializer_list<Behaviour> all) {
    for (const Behaviour b : all) set(b, true);
  }
  constexpr bool has(Behaviour b) const { return (bits_ >> static_cast<unsigned>(b) & 1) != 0; }
  constexpr void set(Behaviour b, bool is_there) {
    const std::uint32_t bit = 1u << static_cast<unsigned>(b);
    bits_ = is_there ? bits_ | bit : bits_ & ~bit;
  }
  constexpr bool operator==(const Behaviours&) const = default;

 private:
  std::uint32_t bits_ = 0;
};
static_assert(behaviour_count <= 32);

struct Release {
  unsigned major = 0, minor = 0, patch = 0;
  constexpr auto operator<=>(const Release&) const = default;
};

// "6.12" is 6.12.0. Returns nullopt if the text does not begin with two or three numbers, or if more text follows
// them and `whole` is true ("6.18.44-custom").
std::optional<Release> release_in(std::string_view text, bool whole = true);

Behaviours behaviours_of(Release);

// Releases that tables and tests go through: some behaviour changes between any two neighbours.
inline constexpr std::string_view named_releases[] = {"6.1", "6.1.192", "6.12", "6.12.118", "6.18", "7.3.4", "7.4"};

// What a user says: a release ("6.1.192"), a release with changes ("6.18,exec-closes-before-wake,-pidfd-thread"), or
// behaviours ("clone3,close-range"). On error returns a message: what is wrong, and the known words.
std::variant<Behaviours, std::string> behaviours_in(std::string_view text);

}  // namespace spawncheck::model
