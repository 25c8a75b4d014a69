/* SPDX-License-Identifier: MIT
 *
 * THE table of planted bugs. Each becomes a shared object, mutants/WORD.so, that the suite must reject; the
 * controls have no bug and must pass.
 *
 * Columns: enumerator, word, class, how it shows (D: in any run, R: in a race, F: when a call fails), the clauses that
 * may name it, what is wrong. Rows of the classes plan, staged and fetched are made from the reference
 * (plan_mutant.cpp), all others from mutant.c. */
#ifndef SPAWNCHECK_MUTANTS_FAULTS_H
#define SPAWNCHECK_MUTANTS_FAULTS_H

/* Two children on the same memory: nearly everything can go wrong. */
#define SPAWNCHECK_MEMORY_MIXED_UP                                                                                     \
  "live.returns mm.unwritten proc.child err.exact fd.kept fd.exact fd.untouched mm.released sig.mask sig.disposition " \
  "sig.parent_restored "                                                                                               \
  "proc.unzombied"

#define SPAWNCHECK_FAULTS(X)                                                                                           \
  X(NONE, "control", "control", "", "", "nothing: the implementation the others are made from")                        \
  X(NO_UNSHARE, "no-unshare", "table", "D", "fd.untouched", "close_range without UNSHARE, in the caller's table")      \
  X(UNSHARE_LAST, "unshare-last", "table", "D", "fd.untouched", "UNSHARE only on the last of several ranges")          \
  X(DUP_FIRST, "dup-first", "table", "D", "fd.untouched", "descriptors are moved before the table is private")         \
  X(CLEAR_FIRST, "clear-first", "table", "D", "fd.untouched", "close-on-exec is cleared before the table is private")  \
  X(LOOP_SHARED, "loop-shared", "table", "D", "fd.untouched",                                                          \
    "the closing loop that replaces close_range runs in the shared table")                                             \
  X(VISIBLE_TEMPORARY, "visible-temporary", "table", "R", "fd.untouched",                                              \
    "a temporary of its own lives in the caller's table for a while")                                                  \
  X(SOURCE_CONSUMED, "source-consumed", "table", "D", "fd.untouched",                                                  \
    "kept sources are closed in the caller, as if they were given away")                                               \
  X(SOURCE_MARKED, "source-marked", "table", "D", "fd.untouched",                                                      \
    "kept sources are close-on-exec in the caller from then on")                                                       \
  X(CLEARED_MEANWHILE, "cleared-meanwhile", "table", "R", "fd.untouched fd.exact",                                     \
    "close-on-exec of kept sources is cleared in the caller, and set again after clone")                               \
  X(CAPTURED_TWICE, "captured-twice", "table", "R", "fd.snapshot fd.kept fd.exact",                                    \
    "kept sources are duplicated one by one in the caller before clone")                                               \
  X(CAPTURED_PLAIN, "captured-plain", "table", "R", "fd.untouched fd.exact",                                           \
    "likewise, and the duplicates become close-on-exec by a second call")                                              \
  X(RANGE_IGNORED, "range-ignored", "sweep", "D", "fd.exact", "close_range was refused and nobody noticed")            \
  X(GAP_INCLUSIVE, "gap-inclusive", "sweep", "D", "fd.kept err.exact", "a gap ends at the kept number")                \
  X(NOT_SORTED, "not-sorted", "sweep", "D", "fd.kept fd.exact err.exact", "gaps are taken in list order")              \
  X(NO_SWEEP, "no-sweep", "sweep", "D", "fd.exact", "policy only trusts close-on-exec")                                \
  X(LISTED_BEFORE, "listed-before", "sweep", "R", "fd.exact", "the numbers to close are read before clone")            \
  X(LISTED_ONCE, "listed-once", "sweep", "D", "fd.exact", "the numbers to close are read by the first spawn, for all") \
  X(SWEEP_FIRST, "sweep-first", "sweep", "D", "fd.kept fd.exact err.exact",                                            \
    "sources of 3 and above are swept before they are moved")                                                          \
  X(SWEEP_TO_LIMIT, "sweep-to-limit", "sweep", "D", "fd.exact",                                                        \
    "what is open at or above the soft limit is not closed")                                                           \
  X(SWEEP_TO_256, "sweep-to-256", "sweep", "D", "fd.exact", "what is open at 256 and above is not closed")             \
  X(SWEEP_TO_1024, "sweep-to-1024", "sweep", "D", "fd.exact", "what is open at 1024 and above is not closed")          \
  X(SWEEP_TO_GAP, "sweep-to-gap", "sweep", "D", "fd.exact", "the closing loop ends at the first closed number")        \
  X(STDIO_KEPT, "stdio-kept", "sweep", "D", "fd.exact", "policy only leaves 0, 1 and 2 open")                          \
  X(STDIO_OPENED, "stdio-opened", "sweep", "D", "fd.exact",                                                            \
    "0, 1 and 2 are opened on /dev/null where they are closed")                                                        \
  X(SOURCES_LEFT, "sources-left", "sweep", "D", "fd.exact", "policy only leaves sources open beside their targets")    \
  X(INHERIT_NOTHING, "inherit-nothing", "sweep", "D", "fd.exact fd.kept", "policy inherit is taken for only")          \
  X(INHERIT_ALL, "inherit-all", "sweep", "D", "fd.exact", "policy inherit clears close-on-exec everywhere")            \
  X(DROPPED_LATE, "dropped-late", "sweep", "D", "fd.released",                                                         \
    "what is not kept is marked close-on-exec only: exec drops it after it has woken the caller")                      \
  X(CLOEXEC_KEPT, "cloexec-kept", "kept", "D", "fd.kept", "moved descriptors keep close-on-exec")                      \
  X(SEQUENTIAL, "sequential", "kept", "D", "fd.kept", "dup2 in list order, without temporaries")                       \
  X(REVERSED, "reversed", "kept", "D", "fd.kept", "dup2 in reverse list order, without temporaries")                   \
  X(TEMPORARY_LEFT, "temporary-left", "kept", "D", "fd.exact", "a temporary stays open, without close-on-exec")        \
  X(TEMPORARY_ON_TARGET, "temporary-on-target", "kept", "D", "fd.kept",                                                \
    "a temporary is put at the lowest free number, which may be a target")                                             \
  X(SECOND_CYCLE, "second-cycle", "kept", "D", "fd.kept", "only the first cycle is opened by a temporary")             \
  X(IDENTITY_CLOEXEC, "identity-cloexec", "kept", "D", "fd.kept",                                                      \
    "a source that is its own target keeps close-on-exec")                                                             \
  X(IDENTITY_INHERITED, "identity-inherited", "kept", "D", "fd.kept", "likewise, under policy inherit only")           \
  X(DROPPED_BY_OLD_FLAGS, "dropped-by-old-flags", "kept", "D", "fd.kept fd.exact",                                     \
    "policy drop closes what was close-on-exec before the moves, targets too")                                         \
  X(KEEP_16, "keep-16", "number", "D", "fd.kept fd.exact err.exact", "only the first 16 entries are kept")             \
  X(KEEP_64, "keep-64", "number", "D", "fd.kept fd.exact err.exact", "only the first 64 entries are kept")             \
  X(KEEP_255, "keep-255", "number", "D", "fd.kept fd.exact err.exact", "the number of entries is counted in 8 bits")   \
  X(NUMBER_255, "number-255", "number", "D", "fd.kept fd.exact err.exact", "targets are stored in 8 bits")             \
  X(NUMBER_1024, "number-1024", "number", "D", "fd.kept fd.exact err.exact",                                           \
    "entries with numbers of 1024 and above are skipped, as by an fd_set")                                             \
  X(TARGET_0, "target-0", "number", "D", "fd.kept fd.exact err.exact",                                                 \
    "an entry with target 0 is taken for an unset one")                                                                \
  X(SOURCE_0, "source-0", "number", "D", "fd.kept fd.exact err.exact",                                                 \
    "an entry with source 0 is taken for an unset one")                                                                \
  X(DUPLICATE_ACCEPTED, "duplicate-accepted", "request", "D", "err.exact fd.kept",                                     \
    "a target that is named twice gets the last source")                                                               \
  X(NEGATIVE_SKIPPED, "negative-skipped", "request", "D", "err.exact fd.kept",                                         \
    "entries with negative numbers are skipped")                                                                       \
  X(CLOSED_SKIPPED, "closed-skipped", "request", "D", "err.exact fd.kept", "entries with closed sources are skipped")  \
  X(CLOSED_HIGH_SKIPPED, "closed-high-skipped", "request", "D", "err.exact fd.kept",                                   \
    "likewise, where the source is 64 or above")                                                                       \
  X(LIMIT_SKIPPED, "limit-skipped", "request", "D", "err.exact fd.kept",                                               \
    "entries with targets at or above the limit are skipped")                                                          \
  X(LIMIT_ONCE, "limit-once", "request", "D", "err.exact", "the limit is read by the first spawn, for all")            \
  X(PIDFD_AS_SOURCE, "pidfd-as-source", "request", "D", "err.exact fd.kept",                                           \
    "a closed source whose number the pidfd gets is taken for open")                                                   \
  X(KEEP_SORTED, "keep-sorted", "request", "D", "mm.unwritten", "the request's keep array is sorted in place")         \
  X(ARGUMENT_WRITTEN, "argument-written", "request", "D", "mm.unwritten",                                              \
    "the first argument's text is changed in place")                                                                   \
  X(CWD_TRIMMED, "cwd-trimmed", "request", "D", "live.returns mm.unwritten",                                           \
    "the directory's name is changed in place, and changed back")                                                      \
  X(ENVIRONMENT_WRITTEN, "environment-written", "request", "D", "mm.unwritten",                                        \
    "the environment's first string is changed in place")                                                              \
  X(ENVIRON_GROWN, "environ-grown", "request", "D", "mm.unwritten", "the caller's environ gets a variable more")       \
  X(REOPENED, "reopened", "description", "D", "fd.kept", "a kept file is opened anew through /proc/self/fd")           \
  X(REOPENED_HIGH, "reopened-high", "description", "D", "fd.kept", "likewise, where the target is 3 or above")         \
  X(NONBLOCK_SET, "nonblock-set", "description", "D", "fd.kept fd.untouched", "kept descriptions become O_NONBLOCK")   \
  X(POSITION_MOVED, "position-moved", "description", "D", "fd.kept fd.untouched",                                      \
    "the file position of kept descriptions moves")                                                                    \
  X(PIDFD_LEFT, "pidfd-left", "result", "D", "fd.untouched", "the pidfd stays open after a failure")                   \
  X(PIDFD_PASSED, "pidfd-passed", "result", "D", "fd.exact", "the pidfd is passed on to the child")                    \
  X(PIDFD_INHERITABLE, "pidfd-inheritable", "result", "D", "proc.child fd.untouched",                                  \
    "the pidfd is not close-on-exec")                                                                                  \
  X(PIDFD_OF_CALLER, "pidfd-of-caller", "result", "D", "proc.child fd.untouched", "the pidfd names the caller")        \
  X(PIDFD_UNASKED, "pidfd-unasked", "result", "D", "proc.child fd.untouched",                                          \
    "a pidfd is opened and given that nobody asked for")                                                               \
  X(PIDFD_ZERO, "pidfd-zero", "result", "D", "proc.child", "the result names 0 as pidfd where none was asked for")     \
  X(PIDFD_MISSING, "pidfd-missing", "result", "D", "proc.child",                                                       \
    "a pidfd was asked for, and success comes without one")                                                            \
  X(PID_ZERO, "pid-zero", "result", "D", "proc.child proc.unzombied", "success comes with pid 0")                      \
  X(ERROR_STALE, "error-stale", "result", "D", "err.exact",                                                            \
    "the result's error is that of an earlier try, although spawn returns 0")                                          \
  X(ERROR_UNSET, "error-unset", "result", "D", "err.exact",                                                            \
    "the result's error is 0, although spawn returns an errno")                                                        \
  X(ERRNO_LOST, "errno-lost", "error", "D", "err.exact", "every failure is reported as ENOENT")                        \
  X(ERRNO_IO, "errno-io", "error", "D", "err.exact", "every failure is reported as EIO")                               \
  X(ERRNO_NEGATIVE, "errno-negative", "error", "D", "err.exact proc.child",                                            \
    "failures are reported with a negative sign")                                                                      \
  X(ACCESS_AS_MISSING, "access-as-missing", "error", "D", "err.exact", "EACCES is reported as ENOENT")                 \
  X(FAILURE_HIDDEN, "failure-hidden", "error", "D", "err.exact proc.child",                                            \
    "an exec that failed is reported as success")                                                                      \
  X(MISSING_HIDDEN, "missing-hidden", "error", "D", "err.exact proc.child",                                            \
    "a program that is missing is reported as success: the child exits with 127")                                      \
  X(BUSY_HIDDEN, "busy-hidden", "error", "D", "err.exact proc.child", "a program that is busy is reported as success") \
  X(SHELL_TRIED, "shell-tried", "error", "D", "err.exact proc.child", "what is no program is given to /bin/sh")        \
  X(CHILD_LEFT, "child-left", "error", "D", "proc.unzombied err.exact",                                                \
    "a spawn with a pidfd and a directory reports an error, and its child runs")                                       \
  X(AGAIN_WHEN_BUSY, "again-when-busy", "error", "R", "err.exact",                                                     \
    "EAGAIN while another thread's spawn is under way, as if there were no processes")                                 \
  X(ERRNO_WRITTEN, "errno-written", "error", "D", "mm.unwritten", "the caller's errno changes")                        \
  X(ERRNO_ON_SUCCESS, "errno-on-success", "error", "D", "mm.unwritten",                                                \
    "the caller's errno changes where spawn succeeds")                                                                 \
  X(MASK_LEFT, "mask-left", "mask", "D", "sig.parent_restored",                                                        \
    "the caller's mask is not restored when the spawn fails")                                                          \
  X(MASK_FULL, "mask-full", "mask", "D", "sig.mask", "the child keeps everything blocked")                             \
  X(MASK_CLEARED, "mask-cleared", "mask", "D", "sig.mask", "the child blocks nothing unless it is asked to")           \
  X(MASK_32, "mask-32", "mask", "D", "sig.mask", "of a mask that was asked for the lower 32 signals count")            \
  X(MASK_ADDED, "mask-added", "mask", "D", "sig.mask", "a mask that was asked for is added to the caller's")           \
  X(MASK_ONCE, "mask-once", "mask", "D", "sig.parent_restored sig.mask",                                               \
    "the mask to restore is read by the first spawn, for all")                                                         \
  X(MASK_IN_STATIC, "mask-in-static", "mask", "R", "sig.parent_restored sig.mask sig.no_handler_in_child",             \
    "the mask to restore is in memory that all threads share")                                                         \
  X(MASK_RETURNED, "mask-returned", "mask", "D", "sig.parent_restored", "the caller gets the mask of the request")     \
  X(UNBLOCK_EARLY, "unblock-early", "disposition", "R", "sig.no_handler_in_child",                                     \
    "signals are unblocked before handlers are reset")                                                                 \
  X(NEVER_BLOCKED, "never-blocked", "disposition", "R", "sig.no_handler_in_child",                                     \
    "signals are not blocked around clone")                                                                            \
  X(LIBC_FILL, "libc-fill", "disposition", "R", "sig.no_handler_in_child",                                             \
    "sigfillset(3) of libc, which leaves out 32 and 33")                                                               \
  X(RESET_TO_31, "reset-to-31", "disposition", "R", "sig.no_handler_in_child",                                         \
    "handlers of realtime signals are left to exec")                                                                   \
  X(IGNORE_RESET, "ignore-reset", "disposition", "D", "sig.disposition", "ignored signals are reset to their default") \
  X(REALTIME_RESET, "realtime-reset", "disposition", "D", "sig.disposition",                                           \
    "ignored realtime signals are reset to their default")                                                             \
  X(CHILD_RESET, "child-reset", "disposition", "D", "sig.disposition", "an ignored SIGCHLD is reset to its default")   \
  X(PIPE_RESET, "pipe-reset", "disposition", "D", "sig.disposition", "an ignored SIGPIPE is reset to its default")     \
  X(DEFAULT_IGNORED, "default-ignored", "disposition", "D", "sig.disposition",                                         \
    "set-default does not reach ignored signals")                                                                      \
  X(DEFAULT_TO_63, "default-to-63", "disposition", "D", "sig.disposition", "set-default does not reach signal 64")     \
  X(DEFAULT_FROM_2, "default-from-2", "disposition", "D", "sig.disposition", "set-default does not reach signal 1")    \
  X(IGNORE_FIRST, "ignore-first", "disposition", "D", "sig.disposition",                                               \
    "of set-ignore only the lowest signal counts")                                                                     \
  X(HANDLERS_SHARED, "handlers-shared", "disposition", "D", "sig.parent_restored",                                     \
    "CLONE_SIGHAND: the child's dispositions are the caller's")                                                        \
  X(HANDLERS_WITHOUT_FLAGS, "handlers-without-flags", "caller", "D", "sig.parent_restored",                            \
    "handlers are installed again without SA_RESTART and SA_ONSTACK")                                                  \
  X(HANDLERS_OTHER_MASK, "handlers-other-mask", "caller", "D", "sig.parent_restored",                                  \
    "handlers are installed again with every signal in sa_mask")                                                       \
  X(PIPE_IGNORED, "pipe-ignored", "caller", "D", "sig.parent_restored sig.disposition",                                \
    "SIGPIPE is ignored in the caller from then on")                                                                   \
  X(IGNORED_MEANWHILE, "ignored-meanwhile", "caller", "D", "sig.none_lost sig.disposition sig.parent_restored",        \
    "INT, QUIT and PIPE are ignored in the caller for the time of the call, as by system(3)")                          \
  X(ALTSTACK_SMALLER, "altstack-smaller", "caller", "D", "sig.parent_restored",                                        \
    "the alternate stack is set again with half its size")                                                             \
  X(ALTSTACK_LOST, "altstack-lost", "caller", "D", "sig.parent_restored", "the alternate stack is disabled")           \
  X(CANCEL_DISABLED, "cancel-disabled", "caller", "D", "sig.parent_restored",                                          \
    "the calling thread cannot be cancelled any more")                                                                 \
  X(CANCEL_TYPE, "cancel-type", "caller", "D", "sig.parent_restored",                                                  \
    "the calling thread can be cancelled asynchronously")                                                              \
  X(SIGNAL_SWALLOWED, "signal-swallowed", "caller", "D", "sig.none_lost",                                              \
    "signals that are pending in the caller are taken before clone, so that the child has none")                       \
  X(CHILD_SWALLOWED, "child-swallowed", "caller", "D", "sig.none_lost", "a pending SIGCHLD is taken before clone")     \
  X(UMASK_LEFT, "umask-left", "caller", "D", "sig.parent_restored proc.child", "the caller's umask is 0 from then on") \
  X(CWD_LEFT, "cwd-left", "caller", "D", "sig.parent_restored proc.child",                                             \
    "the caller changes its directory, for the child, and not back")                                                   \
  X(FS_SHARED, "fs-shared", "caller", "D", "sig.parent_restored proc.child",                                           \
    "CLONE_FS: the child's directory is the caller's")                                                                 \
  X(LIMIT_LEFT, "limit-left", "caller", "D", "sig.parent_restored proc.child err.exact fd.untouched",                  \
    "the caller's limit of descriptors is raised to the hard one")                                                     \
  X(TIMER_CANCELLED, "timer-cancelled", "caller", "D", "sig.parent_restored",                                          \
    "the caller's interval timer is cancelled")                                                                        \
  X(TIMER_LEFT, "timer-left", "caller", "D", "sig.parent_restored",                                                    \
    "the caller's interval timer is set, and not stopped again")                                                       \
  X(DUMPABLE_CLEARED, "dumpable-cleared", "caller", "D", "sig.parent_restored", "the caller is not dumpable any more") \
  X(NAME_CHANGED, "name-changed", "caller", "D", "sig.parent_restored", "the calling thread has another name")         \
  X(SLACK_LEFT, "slack-left", "caller", "D", "sig.parent_restored proc.child",                                         \
    "the calling thread has another timer slack")                                                                      \
  X(HUGE_PAGES_OFF, "huge-pages-off", "caller", "D", "sig.parent_restored proc.child",                                 \
    "the caller gets no transparent huge pages any more")                                                              \
  X(CWD_IGNORED, "cwd-ignored", "child", "D", "proc.child", "the directory is not changed")                            \
  X(GROUP_IGNORED, "group-ignored", "child", "D", "proc.child", "the process group is not set")                        \
  X(GROUP_0_ONLY, "group-0-only", "child", "D", "proc.child err.exact", "a process group is set only where it is 0")   \
  X(GROUP_OWN, "group-own", "child", "D", "proc.child err.exact",                                                      \
    "whatever group was asked for, the child leads its own")                                                           \
  X(GROUP_ALWAYS, "group-always", "child", "D", "proc.child", "the child leads a group of its own, asked for or not")  \
  X(GROUP_UNCHECKED, "group-unchecked", "child", "D", "proc.child err.exact", "setpgid may fail, and nobody looks")    \
  X(SESSION_ALWAYS, "session-always", "child", "D", "proc.child err.exact",                                            \
    "the child leads a session, asked for or not")                                                                     \
  X(SESSION_IGNORED, "session-ignored", "child", "D", "proc.child err.exact", "the child leads no session")            \
  X(NICE_CHANGED, "nice-changed", "child", "D", "proc.child", "the child is nicer than its caller")                    \
  X(SCHEDULING_CHANGED, "scheduling-changed", "child", "D", "proc.child", "the child is scheduled as SCHED_BATCH")     \
  X(IO_PRIORITY_CHANGED, "io-priority-changed", "child", "D", "proc.child",                                            \
    "the child's I/O priority is that of an idle process")                                                             \
  X(AFFINITY_RESET, "affinity-reset", "child", "D", "proc.child", "the child may run on every processor")              \
  X(LIMIT_RAISED, "limit-raised", "child", "D", "proc.child", "the child's limit of descriptors is the hard one")      \
  X(CORE_LIMITED, "core-limited", "child", "D", "proc.child", "the child may leave no core file")                      \
  X(UMASK_CLEARED, "umask-cleared", "child", "D", "proc.child", "the child's umask is 0")                              \
  X(GROUPS_DROPPED, "groups-dropped", "child", "D", "proc.child",                                                      \
    "the child has no supplementary groups (shows where the caller may, and has some)")                                \
  X(DEATH_SIGNAL, "death-signal", "child", "D", "proc.child", "the child is killed when the calling thread ends")      \
  X(NO_NEW_PRIVS, "no-new-privs", "child", "D", "proc.child", "the child can gain no privileges")                      \
  X(PERSONALITY_CHANGED, "personality-changed", "child", "D", "proc.child",                                            \
    "the child's addresses are not randomised")                                                                        \
  X(ENVIRON_PASSED, "environ-passed", "arguments", "D", "proc.child",                                                  \
    "the child gets environ instead of the request's environment")                                                     \
  X(ENVIRONMENT_CUT, "environment-cut", "arguments", "D", "proc.child",                                                \
    "the environment ends at the first string without '='")                                                            \
  X(ENVIRONMENT_UNIQUE, "environment-unique", "arguments", "D", "proc.child",                                          \
    "of a name that is twice in the environment the first stays")                                                      \
  X(ENVIRONMENT_LONGER, "environment-longer", "arguments", "D", "proc.child", "the environment gets one string more")  \
  X(ARGUMENT_0_PATH, "argument-0-path", "arguments", "D", "proc.child", "argument 0 is replaced by the path")          \
  X(ARGUMENTS_1024, "arguments-1024", "arguments", "D", "proc.child", "arguments after the 1024th are lost")           \
  X(ARGUMENT_EMPTY, "argument-empty", "arguments", "D", "proc.child", "empty arguments are dropped")                   \
  X(NO_VFORK, "no-vfork", "start", "R", "mm.released proc.child err.exact", "the caller is not suspended until exec")  \
  X(NO_VFORK_COPIED, "no-vfork-copied", "start", "R", "mm.released proc.child err.exact",                              \
    "likewise not suspended, with a table copied at clone")                                                            \
  X(ONE_STACK, "one-stack", "start", "R", SPAWNCHECK_MEMORY_MIXED_UP, "one child stack for all threads")               \
  X(ONE_JOB, "one-job", "start", "R", SPAWNCHECK_MEMORY_MIXED_UP, "one copy of the request for all threads")           \
  X(SMALL_STACK, "small-stack", "start", "D", "live.returns mm.unwritten err.exact proc.child",                        \
    "arguments are copied to a child stack of two pages")                                                              \
  X(STILLBORN, "stillborn", "start", "D", "proc.child live.returns err.exact",                                         \
    "the child ends before it could do anything, which is taken for success")                                          \
  X(NEVER_RETURNS, "never-returns", "start", "D", "live.returns",                                                      \
    "after a failure it waits for somebody who will not come")                                                         \
  X(EXIT_IN_CHILD, "exit-in-child", "start", "D", "proc.child mm.unwritten",                                           \
    "a child that fails calls exit(3), on the caller's memory")                                                        \
  X(EXIT_IN_COPY, "exit-in-copy", "start", "D", "proc.child mm.unwritten",                                             \
    "a child that fails calls exit(3), on a copy of the memory")                                                       \
  X(FORKED_TWICE, "forked-twice", "start", "D", "proc.child proc.unzombied",                                           \
    "the child starts another one for the program, and ends")                                                          \
  X(ZOMBIE, "zombie", "reap", "D", "proc.unzombied", "a child that failed is not reaped")                              \
  X(WAITED_FOR_ANY, "waited-for-any", "reap", "D", "proc.child proc.unzombied live.returns",                           \
    "after a failure any child is waited for")                                                                         \
  X(STALE_REAPED, "stale-reaped", "reap", "D", "proc.child err.exact", "before it starts it reaps whatever has ended") \
  X(CLONE_CHILD_MISSED, "clone-child-missed", "reap", "D", "proc.unzombied",                                           \
    "a child without exit signal is waited for without __WALL")                                                        \
  X(WAIT_ONCE, "wait-once", "reap", "F", "proc.unzombied",                                                             \
    "a child that failed is waited for with signals unblocked, and after EINTR not again")                             \
  X(PIPE_LEFT, "pipe-left", "channel", "D", "fd.untouched", "the reading end of an error pipe stays in the caller")    \
  X(PIPE_PASSED, "pipe-passed", "channel", "D", "fd.exact fd.untouched",                                               \
    "the writing end of an error pipe is passed on to the child")                                                      \
  X(PIPE_MARKED_LATER, "pipe-marked-later", "channel", "R", "fd.untouched fd.exact",                                   \
    "an error pipe becomes close-on-exec by a second call")                                                            \
  X(PIPE_CLOSED_TWICE, "pipe-closed-twice", "channel", "R", "fd.untouched",                                            \
    "an end of an error pipe is closed twice in the caller")                                                           \
  X(PIPE_OVERWRITTEN, "pipe-overwritten", "channel", "D", "err.exact proc.child fd.untouched",                         \
    "a target may be the number of the error pipe, which is lost")                                                     \
  X(CLONE_MASK_LEFT, "clone-mask-left", "unchecked", "F", "sig.parent_restored",                                       \
    "the caller's mask is not restored when clone fails")                                                              \
  X(MOVE_UNCHECKED, "move-unchecked", "unchecked", "F", "fd.kept fd.exact",                                            \
    "dup2 into place may fail, and nobody looks")                                                                      \
  X(UNSHARE_UNCHECKED, "unshare-unchecked", "unchecked", "F", "fd.untouched fd.exact",                                 \
    "unshare may fail, and the shared table is changed")                                                               \
  X(RANGE_UNCHECKED, "range-unchecked", "unchecked", "F", "fd.exact fd.untouched",                                     \
    "close_range may fail, and nobody looks")                                                                          \
  X(ASIDE_UNCHECKED, "aside-unchecked", "unchecked", "F", "fd.kept fd.exact err.exact",                                \
    "a source that could not be put aside is moved in list order")                                                     \
  X(CLOSE_CANCELLABLE, "close-cancellable", "unchecked", "F", "sig.parent_restored",                                   \
    "the child closes by close(3), a cancellation point: where it is killed there, its caller stays cancellable")      \
  X(PIDFD_CHILD_LEFT, "pidfd-child-left", "unchecked", "F", "proc.unzombied",                                          \
    "pidfd_open fails after the start, and the child stays")                                                           \
  X(PLAN, "control-plan", "plan", "", "", "nothing: the reference, linked into an object of its own")                  \
  X(PLAN_SWEPT_BY_EXEC, "plan-swept-by-exec", "plan", "D", "fd.released", "what is close-on-exec is left to exec")     \
  X(PLAN_CYCLE_UNASKED, "plan-cycle-unasked", "plan", "R", "fd.kept fd.exact err.exact",                               \
    "a cycle is opened without asking whether its numbers are open")                                                   \
  X(PLAN_PIDFD_LATE, "plan-pidfd-late", "plan", "R", "fd.kept fd.exact fd.snapshot",                                   \
    "the child closes its pidfd after it has moved the sources")                                                       \
  X(PLAN_LOW_RANGE_FIRST, "plan-low-range-first", "plan", "D", "fd.untouched",                                         \
    "the ranges below are closed before the table is private")                                                         \
  X(PLAN_HANDLERS_KEPT, "plan-handlers-kept", "plan", "R", "sig.no_handler_in_child",                                  \
    "handlers are left to exec, which comes after the mask")                                                           \
  X(STAGED, "control-staged", "staged", "", "", "nothing: the reference, staged")                                      \
  X(STAGED_READ_ONCE, "staged-read-once", "staged", "R", "fd.untouched fd.kept err.exact",                             \
    "a source that is replaced between slot and witness is not read again")                                            \
  X(STAGED_FIRST_LOST, "staged-first-lost", "staged", "D", "fd.kept",                                                  \
    "one source is not staged: the child gets the placeholder")                                                        \
  X(STAGED_SWAPPED, "staged-swapped", "staged", "D", "fd.kept", "two sources are staged in each other's slot")         \
  X(STAGED_SLOT_LEFT, "staged-slot-left", "staged", "D", "fd.untouched",                                               \
    "what was staged stays in the caller's window")                                                                    \
  X(STAGED_WITNESS_LEFT, "staged-witness-left", "staged", "D", "fd.untouched",                                         \
    "the witness stays in the caller's window")                                                                        \
  X(STAGED_SLOT_CLOSED, "staged-slot-closed", "staged", "D", "fd.untouched err.exact",                                 \
    "the slot is closed instead of getting its placeholder again")                                                     \
  X(STAGED_BY_SOURCE, "staged-by-source", "staged", "R", "fd.untouched",                                               \
    "a slot is taken for another's where its source has been replaced meanwhile")                                      \
  X(STAGED_BLINDLY, "staged-blindly", "staged", "D", "fd.untouched err.exact fd.kept",                                 \
    "a source is put in a slot although other code has taken the number")                                              \
  X(STAGED_TOGETHER, "staged-together", "staged", "R", "fd.kept fd.untouched err.exact",                               \
    "two spawns may take the same slots")                                                                              \
  X(STAGED_SOURCE_CLOEXEC, "staged-source-cloexec", "staged", "D", "fd.kept",                                          \
    "what is moved out of a slot keeps close-on-exec")                                                                 \
  X(STAGED_COPY_LEFT, "staged-copy-left", "staged", "D", "fd.exact", "the child keeps the slot beside the target")     \
  X(STAGED_IN_NAMED, "staged-in-named", "staged", "R", "fd.kept fd.exact",                                             \
    "a number of the window that a request names is not taken out of use")                                             \
  X(FETCHED, "control-fetched", "fetched", "", "", "nothing: the reference, fetched")                                  \
  X(FETCHED_CLOEXEC, "fetched-cloexec", "fetched", "D", "fd.kept",                                                     \
    "what was fetched keeps close-on-exec where it arrives at its target")                                             \
  X(FETCHED_MOVED_CLOEXEC, "fetched-moved-cloexec", "fetched", "D", "fd.kept",                                         \
    "what was fetched keeps close-on-exec where it is moved")                                                          \
  X(FETCHED_CALLER_LEFT, "fetched-caller-left", "fetched", "D", "fd.exact",                                            \
    "the pidfd by which it fetches is passed on to the program")                                                       \
  X(FETCHED_LEFT, "fetched-left", "fetched", "D", "fd.exact", "what was moved stays at the number it arrived at")      \
  X(FETCHED_BY_TARGET, "fetched-by-target", "fetched", "D", "fd.kept err.exact",                                       \
    "the target's number is fetched in place of the source's")                                                         \
  X(FETCHED_SWAPPED, "fetched-swapped", "fetched", "D", "fd.kept",                                                     \
    "the first two sources are fetched in each other's place")                                                         \
  X(FETCHED_LAST_LOST, "fetched-last-lost", "fetched", "D", "fd.kept err.exact", "the last entry is not fetched")      \
  X(FETCHED_SHARED, "fetched-shared", "fetched", "D", "fd.untouched", "the table is emptied before it is private")     \
  X(FETCHED_COPIED, "fetched-copied", "fetched", "D", "fd.kept fd.exact",                                              \
    "an entry that shares its source takes what arrived last")

enum spawncheck_fault {
#define SPAWNCHECK_ROW(id, word, class_, shows, clauses, what) SPAWNCHECK_FAULT_##id,
  SPAWNCHECK_FAULTS(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
      SPAWNCHECK_FAULT_COUNT
};

#endif
