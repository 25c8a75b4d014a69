// SPDX-License-Identifier: MIT
//
// The contract as tables: what each clause requires, with the rule's source; which errors are allowed, and when; which
// scenario shows a clause kept and broken. contract.md beside this file is the same for people, with the reasons, and
// properties/contract_test.cpp checks it against these tables and runs the scenarios. A verdict cites the rule it rests
// on: rule(Rule::kept_is_source).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "model/contract/verdict.h"

namespace spawncheck {

// Columns: enumerator, clause, identifier (the clause's name and a number that never changes its meaning), the
// obligation, its source.
#define SPAWNCHECK_RULES(X)                                                                                            \
  X(only_the_kept, fd_exact, "fd.exact/1",                                                                             \
    "policy only: the child has the targets of the keep-list, and nothing else",                                       \
    "close_range(2); fs/file.c __close_range")                                                                         \
  X(nothing_more, fd_exact, "fd.exact/2",                                                                              \
    "other policies: what else the child has, the caller had there without close-on-exec at some instant of the call", \
    "execve(2): close-on-exec descriptors are closed; fs/file.c do_close_on_exec")                                     \
  X(nothing_less, fd_exact, "fd.exact/3",                                                                              \
    "other policies: what the caller had without close-on-exec at every instant of the call, the child has",           \
    "fork(2): the child has copies of the parent's descriptors; fs/file.c dup_fd")                                     \
  X(one_instant, fd_snapshot, "fd.snapshot/1",                                                                         \
    "the child's table is what the caller's was at one and the same instant of the call",                              \
    "fs/file.c dup_fd copies under the table's lock")                                                                  \
  X(kept_is_open, fd_kept, "fd.kept/1",                                                                                \
    "each target is open in the program and is the file that its source was at some instant of the call",              \
    "dup2(2): the new descriptor refers to the same open file description, close-on-exec clear")                       \
  X(kept_is_source, fd_kept, "fd.kept/2",                                                                              \
    "each target is the very open file description, not the same file opened anew", "dup2(2); kcmp(2) KCMP_FILE")      \
  X(kept_unchanged, fd_kept, "fd.kept/3", "the description's status flags and position are as the caller left them",   \
    "fcntl(2) F_SETFL, lseek(2): they belong to the description, which both share")                                    \
  X(others_unaffected, fd_untouched, "fd.untouched/1",                                                                 \
    "every call of another thread gives what it would give without the spawn; only a pidfd that was asked for takes "  \
    "a number",                                                                                                        \
    "open(2): the lowest number not in use; fs/file.c alloc_fd")                                                       \
  X(table_at_end, fd_untouched, "fd.untouched/2",                                                                      \
    "at the end the caller's table and its flags are as its own operations left them",                                 \
    "fcntl(2) F_GETFD; proc(5) /proc/pid/fdinfo")                                                                      \
  X(window_at_end, fd_untouched, "fd.untouched/3",                                                                     \
    "a number of the window has its placeholder or nothing, or what another thread has put there",                     \
    "impl/spawn/include/spawncheck/spawn/request.h spawn_window_reserve")                                              \
  X(descriptions_at_end, fd_untouched, "fd.untouched/4",                                                               \
    "at the end the status flags and the position of each of the caller's descriptions are as they were made",         \
    "fcntl(2) F_SETFL, lseek(2); proc(5) /proc/pid/fdinfo")                                                            \
  X(released_at_return, fd_released, "fd.released/1",                                                                  \
    "once spawn has returned, flock, bind and exec of what the child does not get succeed as if there were no child",  \
    "flock(2), bind(2) EADDRINUSE, execve(2) ETXTBSY: each counts references")                                         \
  X(never_referenced, fd_untransient, "fd.untransient/1",                                                              \
    "no table of the child's own ever refers to what its program does not get",                                        \
    "fs/file.c dup_fd; mq_notify(3): ->flush of a transient copy is seen")                                             \
  X(mask_requested, sig_mask, "sig.mask/1", "with SET_MASK the child blocks exactly that, KILL and STOP aside",        \
    "sigprocmask(2)")                                                                                                  \
  X(mask_inherited, sig_mask, "sig.mask/2", "else it blocks what the calling thread blocked",                          \
    "fork(2), execve(2): the mask is inherited; kernel/fork.c dup_task_struct")                                        \
  X(none_caught, sig_disposition, "sig.disposition/1", "the child catches nothing",                                    \
    "execve(2): caught signals get their default disposition")                                                         \
  X(ignored_as_asked, sig_disposition, "sig.disposition/2",                                                            \
    "it ignores what the caller ignored during the call, less SET_DEFAULT, and SET_IGNORE",                            \
    "execve(2): ignored signals stay ignored; kernel/signal.c flush_signal_handlers")                                  \
  X(no_handler_runs, sig_no_handler_in_child, "sig.no_handler_in_child/1", "no handler of the caller runs in a child", \
    "clone(2) CLONE_VM: the memory is shared, handlers included")                                                      \
  X(caller_as_before, sig_parent_restored, "sig.parent_restored/1",                                                    \
    "on return, also with an error, the calling thread's mask, alternate stack and cancel state are as before the "    \
    "call",                                                                                                            \
    "sigprocmask(2), sigaltstack(2), pthread_setcancelstate(3)")                                                       \
  X(process_as_before, sig_parent_restored, "sig.parent_restored/2",                                                   \
    "at the end masks and dispositions are as the scenario's own operations left them",                                \
    "sigaction(2), sigprocmask(2)")                                                                                    \
  X(caller_state_as_before, sig_parent_restored, "sig.parent_restored/3",                                              \
    "on return the caller's handlers have their flags and masks, it has no timer that it had not, and its cancel "     \
    "type, name and what prctl(2) tells are as before",                                                                \
    "sigaction(2), setitimer(2), pthread_setcanceltype(3), prctl(2)")                                                  \
  X(attributes_as_before, sig_parent_restored, "sig.parent_restored/4",                                                \
    "at the end the caller's limits, ids, groups, capabilities, priorities, processors, umask, directories and "       \
    "namespaces are as before",                                                                                        \
    "model/scenario/attributes.h: each with its source")                                                               \
  X(delivered_once, sig_none_lost, "sig.none_lost/1",                                                                  \
    "a signal sent to the caller is delivered in the caller, once; standard signals may merge while pending",          \
    "signal(7); kernel/signal.c __send_signal_locked")                                                                 \
  X(child_pending_empty, sig_none_lost, "sig.none_lost/2", "in the child nothing is pending that was not sent to it",  \
    "fork(2): the child's set of pending signals is empty; kernel/fork.c copy_process")                                \
  X(pending_stays, sig_none_lost, "sig.none_lost/3",                                                                   \
    "a signal that is pending and blocked for the caller as spawn is called is so when it returns, or has been "       \
    "delivered",                                                                                                       \
    "signal(7); kernel/signal.c dequeue_signal, flush_sigqueue_mask")                                                  \
  X(child_signal_arrives, sig_none_lost, "sig.none_lost/4",                                                            \
    "the end of a child that was waited for has run the handler of CHLD, or CHLD is pending",                          \
    "signal(7); kernel/signal.c do_notify_parent")                                                                     \
  X(memory_unwritten, mm_unwritten, "mm.unwritten/1",                                                                  \
    "no memory of the caller changes but the frames of the call and its result: other threads', libc's and the "       \
    "request's do not",                                                                                                \
    "vfork(2): the child runs on its parent's memory")                                                                 \
  X(environment_unwritten, mm_unwritten, "mm.unwritten/2", "environ and its strings are unchanged", "environ(7)")      \
  X(errno_unwritten, mm_unwritten, "mm.unwritten/3", "errno is unchanged: the error is what spawn returns",            \
    "vfork(2): a child on its parent's memory shares errno; impl/peers/implementation.h")                              \
  X(caller_survives, mm_unwritten, "mm.unwritten/4", "the caller is not ended by a signal that nobody sent",           \
    "signal(7)")                                                                                                       \
  X(request_unwritten, mm_unwritten, "mm.unwritten/5", "the request, its arrays and its strings are unchanged",        \
    "impl/peers/implementation.h: const")                                                                              \
  X(caller_goes_on, mm_unwritten, "mm.unwritten/6", "the caller does not exit", "_exit(2)")                            \
  X(memory_released, mm_released, "mm.released/1", "on return the child has memory of its own, or is gone",            \
    "vfork(2); kernel/fork.c wait_for_vfork_done, fs/exec.c exec_mmap; kcmp(2) KCMP_VM")                               \
  X(runs_program, proc_child, "proc.child/1", "when spawn returns the child runs the program that was asked for",      \
    "posix_spawn(3); execve(2)")                                                                                       \
  X(lives_on, proc_child, "proc.child/2", "the child lives until its program or a signal ends it", "posix_spawn(3)")   \
  X(parent_is_caller, proc_child, "proc.child/3", "its parent is the caller", "fork(2); getppid(2)")                   \
  X(session_as_asked, proc_child, "proc.child/4",                                                                      \
    "its session is its own if NEW_SESSION was asked for, else the caller's", "setsid(2)")                             \
  X(group_as_asked, proc_child, "proc.child/5", "its process group is as asked, else the caller's", "setpgid(2)")      \
  X(directory_as_asked, proc_child, "proc.child/6", "its directory is as asked, else the caller's", "chdir(2)")        \
  X(arguments_as_asked, proc_child, "proc.child/7", "its arguments are those of the request", "execve(2)")             \
  X(pidfd_names_child, proc_child, "proc.child/8", "a pidfd that was asked for names the child and is close-on-exec",  \
    "clone(2) CLONE_PIDFD; pidfd_open(2)")                                                                             \
  X(status_once, proc_child, "proc.child/9",                                                                           \
    "its wait status arrives once, unless the kernel reaps it (SIGCHLD ignored, SA_NOCLDWAIT)",                        \
    "waitpid(2); kernel/signal.c do_notify_parent")                                                                    \
  X(pid_is_given, proc_child, "proc.child/10", "a spawn that succeeds gives the pid of its child",                     \
    "impl/peers/implementation.h")                                                                                     \
  X(no_unasked_pidfd, proc_child, "proc.child/11", "the result has no pidfd, -1, where none was asked for",            \
    "impl/peers/implementation.h")                                                                                     \
  X(environment_as_asked, proc_child, "proc.child/12", "its environment is that of the request, string by string",     \
    "execve(2), environ(7)")                                                                                           \
  X(attributes_inherited, proc_child, "proc.child/13",                                                                 \
    "what else a program has of its parent it has of the caller: limits, ids, groups, capabilities, priorities, "      \
    "processors, umask, directories, namespaces",                                                                      \
    "fork(2), execve(2); model/scenario/attributes.h")                                                                 \
  X(no_exit_of_caller, proc_child, "proc.child/14",                                                                    \
    "between clone and exec it runs none of the caller's exit handlers and flushes none of its streams",               \
    "exit(3), _exit(2), vfork(2)")                                                                                     \
  X(nothing_left, proc_unzombied, "proc.unzombied/1",                                                                  \
    "a spawn that failed leaves no child and no zombie; one that succeeded leaves none but the child it reports",      \
    "waitpid(2): a child that is not waited for stays a zombie")                                                       \
  X(no_error_without_reason, err_exact, "err.exact/1",                                                                 \
    "spawn fails only with an error that the table of allowed errors has a reason for", "contract.md, Allowed errors") \
  X(error_where_owed, err_exact, "err.exact/2", "spawn fails where the table of allowed errors says that it must",     \
    "contract.md, Allowed errors")                                                                                     \
  X(error_in_result, err_exact, "err.exact/3", "the result's error is what spawn returns, 0 on success",               \
    "impl/peers/implementation.h")                                                                                     \
  X(returns, live_returns, "live.returns/1",                                                                           \
    "spawn returns, whatever other threads do and whatever becomes of the child", "signal(7), vfork(2)")               \
  X(child_goes_on, live_returns, "live.returns/2", "a child whose caller was killed runs its program or ends",         \
    "vfork(2): a killed parent leaves the child running; kernel/fork.c wait_for_vfork_done")

enum class Rule : std::uint8_t {
#define SPAWNCHECK_ROW(id, clause, identifier, obligation, source) id,
  SPAWNCHECK_RULES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};

struct RuleRow {
  Clause clause;
  std::string_view identifier, obligation, source;
};
inline constexpr RuleRow rule_rows[] = {
#define SPAWNCHECK_ROW(id, clause, identifier, obligation, source) {Clause::clause, identifier, obligation, source},
    SPAWNCHECK_RULES(SPAWNCHECK_ROW)
#undef SPAWNCHECK_ROW
};
inline std::span<const RuleRow> rules() { return rule_rows; }
constexpr const RuleRow& row(Rule r) { return rule_rows[static_cast<std::size_t>(r)]; }
// A report's rule line: "contract fd.kept/1; dup2(2): the new descriptor ...".
inline std::string rule(Rule r) {
  return "contract " + std::string(row(r).identifier) + "; " + std::string(row(r).source);
}
// A rule line of that clause: `cited` if it is one, else the line of the clause's first rule.
inline std::string rule_of(Clause clause, const std::string& cited) {
  if (cited.starts_with("contract " + std::string(name(clause)) + "/")) return cited;
  for (std::size_t r = 0; r < std::size(rule_rows); ++r)
    if (rule_rows[r].clause == clause) return rule(static_cast<Rule>(r));
  return cited;
}

// Columns: enumerator, what stands against the request, the errors that say so, whether spawn must fail ("must"), may
// fail ("may"), or the run decides nothing
// ("undecided"), the source.
#define SPAWNCHECK_ALLOWED_ERRORS(X)                                                                                   \
  X(source_closed, "a source is closed at every instant of the call", "EBADF", "must", "dup2(2), fcntl(2)")            \
  X(source_once_closed, "a source is closed at some instant of the call", "EBADF", "may", "dup2(2), fcntl(2)")         \
  X(negative_number, "a source or a target is negative", "EBADF EINVAL", "must",                                       \
    "dup2(2); posix_spawn_file_actions_adddup2(3)")                                                                    \
  X(target_twice, "a target is named twice", "EINVAL EBADF", "must", "no standard speaks of it")                       \
  X(list_long, "the keep-list has more than 64 entries; not for the reference, whose bound is 4096",                   \
    "EINVAL E2BIG ENOMEM EMFILE", "may", "no standard has a bound")                                                    \
  X(target_at_limit, "a target that is not its own source is at or above RLIMIT_NOFILE at every instant",              \
    "EBADF EINVAL", "must", "dup2(2) EBADF, fcntl(2) F_DUPFD EINVAL; fs/file.c ksys_dup3, f_dupfd")                    \
  X(target_once_at_limit, "the same, at some instant", "EBADF EINVAL", "may",                                          \
    "fs/file.c ksys_dup3 reads the limit without the lock")                                                            \
  X(identity_at_limit, "a source that is its own target is at or above RLIMIT_NOFILE", "EBADF EINVAL", "may",          \
    "getrlimit(2): the limit bounds new numbers; fcntl(2) F_SETFD asks for none")                                      \
  X(program_bad, "the program cannot run: ENOENT, EACCES, ENOEXEC, ENOTDIR, ELOOP or ENAMETOOLONG", "that error",      \
    "must", "execve(2)")                                                                                               \
  X(program_busy, "the program is open for writing at every instant (must) or at some instant (may)", "ETXTBSY",       \
    "must", "execve(2); fs/open.c deny_write_access")                                                                  \
  X(session_and_own_group, "NEW_SESSION with SET_PGROUP 0, which a session's leader has already", "EINVAL EPERM",      \
    "may", "setpgid(2) EPERM: a session leader")                                                                       \
  X(session_and_group, "NEW_SESSION with SET_PGROUP of another group", "EINVAL EPERM", "must", "setpgid(2) EPERM")     \
  X(group_negative, "SET_PGROUP of a negative number", "EINVAL EPERM", "must", "setpgid(2) EINVAL")                    \
  X(group_foreign, "SET_PGROUP of a group that is not known to be in the caller's session", "EPERM ESRCH", "may",      \
    "setpgid(2) EPERM")                                                                                                \
  X(signals_both, "a signal is in SET_DEFAULT and in SET_IGNORE, or KILL or STOP is in one", "EINVAL", "may",          \
    "sigaction(2) EINVAL")                                                                                             \
  X(child_ended, "something may have ended the child before its exec", "ECANCELED", "may", "no standard speaks of it") \
  X(no_number_for_pidfd, "a pidfd is asked for, and no number is free at some instant", "EMFILE", "may",               \
    "clone(2), pidfd_open(2)")                                                                                         \
  X(no_number_for_cycle, "the keep-list has a cycle, and no number is free for a temporary", "EMFILE", "may",          \
    "dup(2)")                                                                                                          \
  X(numbers_scarce,                                                                                                    \
    "fewer than 2 x kept + 8 numbers are free below RLIMIT_NOFILE at some instant; not for the reference",             \
    "EMFILE ENFILE ENOMEM EAGAIN EINVAL", "may", "dup(2); fcntl(2) F_DUPFD EINVAL: an argument at the limit")          \
  X(machine_exhausted, "the machine may be out of processes, memory or files", "EAGAIN ENOMEM ENFILE", "undecided",    \
    "fork(2), open(2) ENFILE")                                                                                         \
  X(injected, "a system call of the spawn was refused on purpose", "that error", "may",                                \
    "a run's fault, or a line `refuse`; after ENOSYS, EPERM or EACCES also EOPNOTSUPP")

struct AllowedErrorRow {
  std::string_view word, reason, errors, owed, source;
};
std::span<const AllowedErrorRow> allowed_errors();

// Columns: clause, a scenario below corpus/, the implementation that keeps the clause there, the one that breaks it,
// how the breach is seen (run: by the judge, in up to 300 runs by chance schedules; explore: on the model).
#define SPAWNCHECK_EXAMPLES(X)                                                                                  \
  X(fd_exact, "contract/fd.exact.scenario", "reference", "mutants/no-sweep", "run")                             \
  X(fd_snapshot, "contract/fd.snapshot.scenario", "reference:copy", "mutants/captured-twice", "run")            \
  X(fd_kept, "contract/fd.kept.scenario", "reference", "mutants/sequential", "run")                             \
  X(fd_untouched, "contract/fd.untouched.scenario", "reference", "mutants/clear-first", "run")                  \
  X(fd_released, "seeds/claims/close-on-exec-except-one.scenario", "reference:copy", "fork", "explore")         \
  X(fd_untransient, "seeds/claims/one-kept.scenario", "reference:except", "reference:unshare", "explore")       \
  X(sig_mask, "contract/sig.mask.scenario", "reference", "mutants/mask-full", "run")                            \
  X(sig_disposition, "contract/sig.disposition.scenario", "reference", "mutants/ignore-reset", "run")           \
  X(sig_no_handler_in_child, "seeds/claims/handlers.scenario", "reference:unshare", "handlers-kept", "explore") \
  X(sig_parent_restored, "contract/sig.parent_restored.scenario", "reference", "mutants/mask-left", "run")      \
  X(sig_none_lost, "contract/sig.none_lost.scenario", "reference", "mutants/signal-swallowed", "run")           \
  X(mm_unwritten, "contract/mm.unwritten.scenario", "reference", "mutants/environment-written", "run")          \
  X(mm_released, "seeds/claims/one-kept.scenario", "reference:copy", "no-vfork", "explore")                     \
  X(proc_child, "contract/proc.child.scenario", "reference", "mutants/cwd-ignored", "run")                      \
  X(proc_unzombied, "contract/proc.unzombied.scenario", "reference", "mutants/zombie", "run")                   \
  X(err_exact, "contract/err.exact.scenario", "reference", "mutants/errno-lost", "run")                         \
  X(live_returns, "contract/live.returns.scenario", "reference", "mutants/never-returns", "run")

struct ExampleRow {
  Clause clause;
  std::string_view scenario, kept_by, broken_by, how;
};
std::span<const ExampleRow> examples();

}  // namespace spawncheck
