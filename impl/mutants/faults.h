/* SPDX-License-Identifier: MIT
 *
 * THE table of planted bugs. Each becomes a shared object, mutants/WORD.so, that the suite must reject; the
 * control has none and must pass.
 *
 * Columns: enumerator, word, how it shows (D: in any run, R: in a race, F: when a call fails), the clauses that may name it, what
 * is wrong. */
#ifndef SPAWNCHECK_MUTANTS_FAULTS_H
#define SPAWNCHECK_MUTANTS_FAULTS_H

#define SPAWNCHECK_FAULTS(X)                                                                                     \
  X(NONE, "control", "", "", "nothing: the implementation the others are made from")                            \
  X(NO_UNSHARE, "no-unshare", "D", "fd.untouched", "close_range without UNSHARE, in the caller's table")         \
  X(UNSHARE_LAST, "unshare-last", "D", "fd.untouched", "UNSHARE only on the last of several ranges")             \
  X(DUP_FIRST, "dup-first", "D", "fd.untouched", "descriptors are moved before the table is private")            \
  X(CLEAR_FIRST, "clear-first", "D", "fd.untouched", "close-on-exec is cleared before the table is private")     \
  X(LOOP_SHARED, "loop-shared", "D", "fd.untouched", "the closing loop that replaces close_range runs in the shared table") \
  X(RANGE_IGNORED, "range-ignored", "D", "fd.exact", "close_range was refused and nobody noticed")               \
  X(GAP_INCLUSIVE, "gap-inclusive", "D", "fd.kept err.exact", "a gap ends at the kept number")                    \
  X(NOT_SORTED, "not-sorted", "D", "fd.kept fd.exact err.exact", "gaps are taken in list order")                 \
  X(CLOEXEC_KEPT, "cloexec-kept", "D", "fd.kept", "moved descriptors keep close-on-exec")                        \
  X(NO_SWEEP, "no-sweep", "D", "fd.exact", "policy only trusts close-on-exec")                                   \
  X(LISTED_BEFORE, "listed-before", "R", "fd.exact", "the numbers to close are read before clone")               \
  X(SWEEP_FIRST, "sweep-first", "D", "fd.kept err.exact", "sources of 3 and above are swept before they are moved") \
  X(SEQUENTIAL, "sequential", "D", "fd.kept", "dup2 in list order, without temporaries")                         \
  X(TEMPORARY_LEFT, "temporary-left", "D", "fd.exact", "a temporary stays open, without close-on-exec")          \
  X(IDENTITY_CLOEXEC, "identity-cloexec", "D", "fd.kept", "a source that is its own target keeps close-on-exec") \
  X(REVERSED, "reversed", "D", "fd.kept", "dup2 in reverse list order, without temporaries")                     \
  X(UNBLOCK_EARLY, "unblock-early", "R", "sig.no_handler_in_child", "signals are unblocked before handlers are reset") \
  X(NEVER_BLOCKED, "never-blocked", "R", "sig.no_handler_in_child", "signals are not blocked around clone")      \
  X(LIBC_FILL, "libc-fill", "R", "sig.no_handler_in_child", "sigfillset(3) of libc, which leaves out 32 and 33") \
  X(MASK_LEFT, "mask-left", "D", "sig.parent_restored", "the caller's mask is not restored when the spawn fails") \
  X(MASK_FULL, "mask-full", "D", "sig.mask", "the child keeps everything blocked")                               \
  X(IGNORE_RESET, "ignore-reset", "D", "sig.disposition", "ignored signals are reset to their default")          \
  X(DEFAULT_IGNORED, "default-ignored", "D", "sig.disposition", "set-default does not reach ignored signals")    \
  X(NO_VFORK, "no-vfork", "R", "mm.released proc.child", "the caller is not suspended until exec")               \
  X(ONE_STACK, "one-stack", "R", "live.returns mm.unwritten proc.child err.exact fd.kept fd.exact fd.untouched mm.released sig.mask sig.disposition proc.unzombied", "one child stack for all threads") \
  X(ZOMBIE, "zombie", "D", "proc.unzombied", "a child that failed is not reaped")                                \
  X(PIDFD_LEFT, "pidfd-left", "D", "fd.untouched", "the pidfd stays open after a failure")                       \
  X(PIDFD_PASSED, "pidfd-passed", "D", "fd.exact", "the pidfd is passed on to the child")                        \
  X(SMALL_STACK, "small-stack", "D", "live.returns mm.unwritten err.exact proc.child", "arguments are copied to a child stack of two pages") \
  X(ERRNO_LOST, "errno-lost", "D", "err.exact", "every failure is reported as ENOENT")                           \
  X(FAILURE_HIDDEN, "failure-hidden", "D", "err.exact proc.child", "an exec that failed is reported as success") \
  X(ERRNO_WRITTEN, "errno-written", "D", "mm.unwritten", "the caller's errno changes")                           \
  X(VISIBLE_TEMPORARY, "visible-temporary", "R", "fd.untouched", "a temporary of its own lives in the caller's table for a while") \
  X(CAPTURED_TWICE, "captured-twice", "R", "fd.snapshot fd.kept fd.exact", "kept sources are duplicated one by one in the caller before clone") \
  X(REOPENED, "reopened", "D", "fd.kept", "a kept file is opened anew through /proc/self/fd")                    \
  X(NEVER_RETURNS, "never-returns", "D", "live.returns", "after a failure it waits for somebody who will not come") \
  X(CWD_IGNORED, "cwd-ignored", "D", "proc.child", "the directory is not changed")                               \
  X(GROUP_IGNORED, "group-ignored", "D", "proc.child", "the process group is not set")                            \
  X(CLONE_MASK_LEFT, "clone-mask-left", "F", "sig.parent_restored", "the caller's mask is not restored when clone fails") \
  X(WAIT_ONCE, "wait-once", "F", "proc.unzombied", "a child that failed is waited for with signals unblocked, and after EINTR not again")     \
  X(MOVE_UNCHECKED, "move-unchecked", "F", "fd.kept fd.exact", "dup2 into place may fail, and nobody looks")       \
  X(UNSHARE_UNCHECKED, "unshare-unchecked", "F", "fd.untouched fd.exact", "unshare may fail, and the shared table is changed") \
  X(NO_VFORK_COPIED, "no-vfork-copied", "R", "mm.released proc.child", "likewise not suspended, with a table copied at clone") \
  X(DROPPED_LATE, "dropped-late", "D", "fd.released", "what is not kept is marked close-on-exec only: exec drops it after it has woken the caller") \
  X(STILLBORN, "stillborn", "D", "proc.child live.returns", "the child ends before it could do anything, which is taken for success") \
  X(SIGNAL_SWALLOWED, "signal-swallowed", "D", "sig.none_lost", "signals that are pending in the caller are taken before clone, so that the child has none") \
  X(ENVIRONMENT_WRITTEN, "environment-written", "D", "mm.unwritten", "the environment's first string is changed in place")

enum spawncheck_fault {
#define SPAWNCHECK_ROW(id, word, shows, clauses, what) SPAWNCHECK_FAULT_##id,
  SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
      SPAWNCHECK_FAULT_COUNT
};

#endif
