// SPDX-License-Identifier: MIT
//
// The judge on histories written by hand: one that once accused a correct spawn must hold, and the similar one that is
// a violation must still be accused. No system call is made.
#include "model/judge/judge.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

#include "properties/told.h"

namespace spawncheck {
namespace {

// ---- calls take their steps ---------------------------------------------------------------------

TEST(Judge, ALimitMayHaveBeenReadBeforeItWasLowered) {
  Told told("fd 0 memfd\nthread\n  limit 27\n  memfd -> $2\nthread\n  dup3 1 68 -> $1\n");
  holds(told.op(1, 0, 1, 6, 68).op(0, 0, 2, 3).op(0, 1, 4, 5, 1));
}

TEST(Judge, ALimitThatWasLoweredBeforeTheCallCounts) {
  Told told("fd 0 memfd\nthread\n  limit 27\n  memfd -> $2\nthread\n  dup3 1 68 -> $1\n");
  violates(told.op(0, 0, 1, 2).op(0, 1, 3, 4, 1).op(1, 0, 5, 6, 68), Clause::fd_untouched);
}

TEST(Judge, ListenMayFindItsNumberClosed) {
  Told told("fds 0 2 pipe\nthread\n  close_range 1 4\nthread\n  listen d -> $2\n");
  holds(told.op(0, 0, 2, 3).failed(1, 0, 1, 4, EBADF));
}

TEST(Judge, ListenAloneFindsItsNumber) {
  Told told("thread\n  listen d -> $2\n");
  violates(told.failed(0, 0, 1, 2, EBADF), Clause::fd_untouched);
}

constexpr const char* interrupted_fifo =
    "disposition USR1 handler\nthread\n  fifo a read -> $0\nthread\n  memfd -> $0\n  null -> $1\n  fifo a write -> "
    "$2\nthread\n  kill USR1\n";

TEST(Judge, AnInterruptedOpenOfAFifoTakesAnotherNumber) {
  Told told(interrupted_fifo);
  holds(told.op(0, 0, 1, 10, 2).op(1, 0, 2, 3, 1).op(2, 0, 4, 5).op(1, 1, 6, 7, 0).op(1, 2, 8, 9, 3));
}

TEST(Judge, AnOpenOfAFifoThatNobodyInterruptsKeepsItsNumber) {
  Told told("thread\n  fifo a read -> $0\nthread\n  memfd -> $0\n  null -> $1\n  fifo a write -> $2\n");
  violates(told.op(0, 0, 1, 10, 2).op(1, 0, 2, 3, 1).op(1, 1, 6, 7, 0).op(1, 2, 8, 9, 3), Clause::fd_untouched);
}

TEST(Judge, SetfdMayMarkWhatWasPutAtItsNumberMeanwhile) {
  Told told("fd 3 memfd\nfd 4 memfd\nthread\n  setfd 3 cloexec\nthread\n  dup2 4 3 -> $0\n  getfd 3\n  getfd 3\n");
  holds(told.op(0, 0, 1, 8).op(1, 0, 2, 3, 3).op(1, 1, 4, 5, 0).op(1, 2, 6, 7, 1));
}

// The source is closed and the same file opened again during the spawn: the child has either description.
Told reopened() {
  Told told(
      "thread\n  file c -> $0\n  flock $0\n  close $0\n  file c -> $1\n  flock $1\nthread\n  spawn only hold keep 0>14 "
      "-> $2\n");
  told.op(0, 0, 1, 2, 0).op(0, 1, 3, 4).op(1, 0, 5, 10, 77).child(1, 0);
  const auto has_file_at = [](sc_process& process, std::int32_t number) {
    process.entry[0] = {};
    process.entry[0].number = process.entry[0].last = number;
    process.entry[0].key = {SC_FILE_REGULAR, 2};
    process.entry_count = 1;
  };
  has_file_at(told.seen(), 14);
  has_file_at(told.history().parent, 0);
  told.op(0, 2, 6, 7).op(0, 3, 8, 9, 0);
  return told;
}

TEST(Judge, AChildMayHaveTheFileThatWasOpenedAgain) { holds(reopened().op(0, 4, 12, 13)); }

TEST(Judge, AChildMayHaveTheFileThatWasClosed) { holds(reopened().failed(0, 4, 12, 13, EAGAIN)); }

TEST(Judge, AChildThatHasTheClosedFileHoldsItsLock) {
  Told told = reopened();
  sc_entry& kept = told.history().child[0].entry[0];
  kept.compared = 1;
  kept.same_as_parent = -1;
  violates(told.op(0, 4, 12, 13), Clause::fd_kept);
}

// ---- obligations end with the process -----------------------------------------------------------

constexpr const char* spawn_and_stop = "thread\n  load 0\n  spawn only hold -> $0 $1\nthread\n  kill_group STOP\n";

TEST(Judge, ACallerThatTheScenarioHasStoppedIsOwedNoReturn) {
  holds(Told(spawn_and_stop).op(0, 0, 1, 2, 0).op(0, 1, 3, 0).op(1, 0, 4, 0).ends(SC_RUN_STOPPED, SIGSTOP));
}

TEST(Judge, ARunThatTheScenarioStoppedBeforeAnythingReturnedDecidesNothing) {
  EXPECT_EQ(Told(spawn_and_stop).op(0, 0, 1, 0).op(1, 0, 2, 0).ends(SC_RUN_STOPPED, SIGSTOP).verdict().status,
            Status::inconclusive);
}

TEST(Judge, ACallerThatNobodyInTheScenarioHasStoppedIsOwedAReturn) {
  violates(Told("thread\n  spawn only hold -> $0 $1\n").op(0, 0, 1, 0).ends(SC_RUN_STOPPED, SIGSTOP),
           Clause::live_returns);
}

TEST(Judge, ACallUnderWayAtAStopMayHaveHadItsEffect) {
  Told told("fd 0 memfd\nthread\n  kill STOP\nthread\n  close 0\nthread\n  getfd 0\n");
  holds(told.op(0, 0, 1, 0).op(1, 0, 2, 0).failed(2, 0, 3, 4, EBADF).ends(SC_RUN_STOPPED, SIGSTOP));
}

constexpr const char* spawn_and_end = "thread\n  spawn only hold -> $0 $1\n  tgkill 0 ILL\n";

TEST(Judge, OfACallerThatTheScenarioHasEndedNothingMoreIsClaimed) {
  holds(Told(spawn_and_end).op(0, 0, 1, 2, 77).child(0, 0).op(0, 1, 3, 0).ends(SC_RUN_KILLED, SIGILL));
}

TEST(Judge, ASpawnUnderWayWhenTheScenarioEndsItsCallerOwesNoReturn) {
  holds(Told("thread\n  spawn only hold -> $0 $1\nthread\n  load 0\n  kill ILL\n")
            .op(0, 0, 1, 0)
            .op(1, 0, 2, 3, 0)
            .op(1, 1, 4, 0)
            .ends(SC_RUN_KILLED, SIGILL));
}

TEST(Judge, ACallerThatASignalOfNobodyHasEndedIsAViolation) {
  violates(Told("thread\n  spawn only hold -> $0 $1\n").op(0, 0, 1, 2, 77).child(0, 0).ends(SC_RUN_KILLED, SIGSEGV),
           Clause::mm_unwritten);
}

// A child that shares the handlers (CLONE_SIGHAND) and resets them would cause this.
TEST(Judge, ASignalThatTheWorldHandlesDoesNotEndTheCaller) {
  Told told("disposition ILL handler\nthread\n  spawn only hold -> $0 $1\n  tgkill 0 ILL\n");
  violates(told.op(0, 0, 1, 2, 77).child(0, 0).op(0, 1, 3, 0).ends(SC_RUN_KILLED, SIGILL), Clause::mm_unwritten);
}

// glibc's handler of 33 follows a pointer that only setuid(3) sets.
TEST(Judge, ASignalThatLibcKeepsForItselfMayEndTheCaller) {
  Told told("thread\n  spawn only hold -> $0 $1\n  tgkill 0 33\n");
  told.op(0, 0, 1, 2, 77).child(0, 0).op(0, 1, 3, 0).ends(SC_RUN_KILLED, SIGSEGV);
  violates(told, Clause::mm_unwritten);
  holds(told.libc_catches(33));
}

TEST(Judge, ASignalWhoseDefaultIsToBeIgnoredExcusesNothing) {
  Told told("thread\n  spawn only hold -> $0 $1\nthread\n  kill CHLD\n");
  violates(told.op(0, 0, 1, 0).op(1, 0, 2, 3).ends(SC_RUN_BLOCKED), Clause::live_returns);
}

TEST(Judge, SigkillOfNobodyDecidesNothing) {
  EXPECT_EQ(Told("thread\n  spawn only hold -> $0 $1\n")
                .op(0, 0, 1, 2, 77)
                .child(0, 0)
                .ends(SC_RUN_KILLED, SIGKILL)
                .verdict()
                .status,
            Status::inconclusive);
}

TEST(Judge, ATimeDecidesNothing) {
  EXPECT_EQ(Told("thread\n  spawn only hold -> $0 $1\n").op(0, 0, 1, 0).ends(SC_RUN_TIMEOUT).verdict().status,
            Status::inconclusive);
}

// ---- children -----------------------------------------------------------------------------------

constexpr const char* spawn_and_kill = "thread\n  spawn only hold -> $0 $1\n  kill_child $0 KILL\n  wait $0\n";

TEST(Judge, AChildThatWasNotSeenAccusesNobody) {
  holds(Told("thread\n  spawn only hold -> $0 $1\n").op(0, 0, 1, 2, 77).child(0, 0));
}

TEST(Judge, AChildThatEndedBeforeAnybodyEndedItIsAViolation) {
  violates(Told("thread\n  spawn only hold -> $0 $1\n").op(0, 0, 1, 2, 77).child(0, 0).died(127), Clause::proc_child);
}

TEST(Judge, AChildThatItsThreadEndsMayBeSeenDead) {
  holds(Told(spawn_and_kill).op(0, 0, 1, 2, 77).child(0, 0).died(-SIGKILL).op(0, 1, 3, 4).op(0, 2, 5, 6, -SIGKILL));
}

TEST(Judge, WhereSigchldIsIgnoredThereMayBeNothingToWaitFor) {
  Told told("thread\n  disposition CHLD ignore\n  spawn only hold -> $2\n  kill_child $2 KILL\n  wait $2\n");
  holds(told.op(0, 0, 1, 2).op(0, 1, 3, 4, 77).child(0, 1).op(0, 2, 5, 6).failed(0, 3, 7, 8, ECHILD));
}

TEST(Judge, WhereSigchldIsNotIgnoredThereIsAStatus) {
  violates(Told(spawn_and_kill).op(0, 0, 1, 2, 77).child(0, 0).op(0, 1, 3, 4).failed(0, 2, 5, 6, ECHILD),
           Clause::proc_child);
}

// ---- what harms nobody --------------------------------------------------------------------------

TEST(Judge, ANumberKeptWhereItIsMaySucceedOrFailAboveTheLimit) {
  constexpr const char* text = "fd 40 memfd\nlimit 20\nthread\n  spawn only hold keep 40>40 -> $0\n";
  holds(Told(text).op(0, 0, 1, 2, 77).child(0, 0));
  holds(Told(text).failed(0, 0, 1, 2, EBADF));
}

TEST(Judge, ATargetAboveTheLimitFails) {
  violates(Told("fd 4 memfd\nlimit 20\nthread\n  spawn only hold keep 4>40 -> $0\n").op(0, 0, 1, 2, 77).child(0, 0),
           Clause::err_exact);
}

// ---- groups, lists, refusals --------------------------------------------------------------------

constexpr const char* joins_group = "thread\n  spawn only hold pgroup 0 -> $0\n  spawn only hold pgroup $0 -> $1\n";

TEST(Judge, AGroupThatIsKnownIsJoined) {
  holds(Told(joins_group).op(0, 0, 1, 2, 77).child(0, 0).in_group(77).op(0, 1, 3, 4, 78).child(0, 1).in_group(77));
  violates(Told(joins_group).op(0, 0, 1, 2, 77).child(0, 0).in_group(77).failed(0, 1, 3, 4, EPERM), Clause::err_exact);
  violates(Told(joins_group).op(0, 0, 1, 2, 77).child(0, 0).in_group(77).op(0, 1, 3, 4, 78).child(0, 1).in_group(78),
           Clause::proc_child);
  violates(Told(joins_group).op(0, 0, 1, 2, 77).child(0, 0).in_group(77).op(0, 1, 3, 4, 78).child(0, 1).in_group(0),
           Clause::proc_child);
}

TEST(Judge, AGroupOfWhichNothingIsKnownMayBeMissing) {
  holds(Told("thread\n  disposition CHLD ignore\n  spawn only hold pgroup 0 -> $0\n  spawn only hold pgroup $0 -> $1\n")
            .op(0, 0, 1, 2)
            .op(0, 1, 3, 4, 77)
            .child(0, 1)
            .failed(0, 2, 5, 6, EPERM));
  holds(Told("thread\n  spawn only exit pgroup 0 -> $0\n  wait $0\n  spawn only hold pgroup $0 -> $1\n")
            .op(0, 0, 1, 2, 77)
            .child(0, 0)
            .op(0, 1, 3, 4, 7)
            .failed(0, 2, 5, 6, EPERM));
  holds(Told("thread\n  spawn only hold -> $0\n  spawn only hold pgroup $0 -> $1\n")
            .op(0, 0, 1, 2, 77)
            .child(0, 0)
            .failed(0, 1, 3, 4, EPERM));
  holds(Told("thread\n  spawn only hold pgroup 1\n").failed(0, 0, 1, 2, ESRCH));
}

TEST(Judge, TheGroupOfASpawnThatFailedIsNone) {
  violates(Told("thread\n  spawn only missing -> $0\n  spawn only hold pgroup $0 -> $1\n")
               .failed(0, 0, 1, 2, ENOENT)
               .op(0, 1, 3, 4, 78)
               .child(0, 1),
           Clause::err_exact);
  holds(Told("thread\n  spawn only missing -> $0\n  spawn only hold pgroup $0 -> $1\n")
            .failed(0, 0, 1, 2, ENOENT)
            .failed(0, 1, 3, 4, EINVAL));
}

Verdict of_reference(const Told& told, bool is_reference) {
  JudgeOptions options;
  options.resource_errors_allowed = !is_reference;
  return told.verdict(options);
}

TEST(Judge, ALongListMayBeRefusedByOthersThanTheReference) {
  const Told refused =
      std::move(Told("fill 100 400\nthread\n  spawn only hold keep 100..199>500\n").failed(0, 0, 1, 2, E2BIG));
  EXPECT_EQ(of_reference(refused, false).status, Status::holds);
  EXPECT_EQ(of_reference(refused, true).clause, Clause::err_exact);
  const Told beyond = std::move(Told("limit 12000\nfill 100 4300\nthread\n  spawn only hold keep 100..4196>5000\n")
                                    .op(0, 0, 1, 2, 77)
                                    .child(0, 0));
  EXPECT_EQ(of_reference(beyond, false).status, Status::holds);
  EXPECT_EQ(of_reference(beyond, true).clause, Clause::err_exact);
}

TEST(Judge, WhatIsRefusedMayBeReported) {
  const auto refused = [](const char* line, int error) {
    return std::move(Told((std::string(line) + "\nfd 3 memfd\nthread\n  spawn only hold keep 3>4\n").c_str())
                         .failed(0, 0, 1, 2, error));
  };
  EXPECT_EQ(of_reference(refused("refuse execve EACCES", EACCES), true).status, Status::holds);
  EXPECT_EQ(of_reference(refused("refuse clone3 ENOMEM", ENOMEM), true).status, Status::holds)
      << "and not that the machine may be full";
  EXPECT_EQ(of_reference(refused("refuse close_range ENOSYS", ENOSYS), false).status, Status::holds);
  EXPECT_EQ(of_reference(refused("refuse close_range ENOSYS", ENOSYS), true).clause, Clause::err_exact)
      << "it has another way";
  EXPECT_EQ(of_reference(refused("refuse close_range ENOSYS", EPERM), false).clause, Clause::err_exact);
}

// ---- EAGAIN, and whether the machine was full ----------------------------------------------------

Told failed_with_again(bool memory_is_left) {
  Told told("thread\n  spawn only hold -> $0\n");
  told.failed(0, 0, 1, 2, EAGAIN);
  if (memory_is_left) told.record(0, 0).looked |= SC_LOOKED_MEMORY_IS_LEFT;
  return told;
}

TEST(Judge, AgainWithoutACallThatGaveItIsAnInventedError) {
  JudgeOptions options;
  options.processes_sufficed = true;
  violates(failed_with_again(true), Clause::err_exact, options);
  options.resource_errors_allowed = false;
  violates(failed_with_again(true), Clause::err_exact, options);
}

TEST(Judge, AgainDecidesNothingUnlessProcessesAndMemoryAreKnownToSuffice) {
  JudgeOptions options;
  EXPECT_EQ(failed_with_again(true).verdict(options).status, Status::inconclusive);
  options.processes_sufficed = true;
  EXPECT_EQ(failed_with_again(false).verdict(options).status, Status::inconclusive);
}

TEST(Judge, OtherErrorsOfAFullMachineDecideNothing) {
  JudgeOptions options;
  options.processes_sufficed = true;
  for (const int error : {ENOMEM, ENFILE}) {
    Told told("thread\n  spawn only hold -> $0\n");
    told.failed(0, 0, 1, 2, error).record(0, 0).looked |= SC_LOOKED_MEMORY_IS_LEFT;
    EXPECT_EQ(told.verdict(options).status, Status::inconclusive) << error;
  }
}

TEST(Judge, AgainIsAllowedWhereFewNumbersAreFree) {
  JudgeOptions options;
  options.processes_sufficed = true;
  Told told("limit 8\nfd 5 memfd\nthread\n  spawn only hold keep 5>3 -> $0\n");
  told.failed(0, 0, 1, 2, EAGAIN).record(0, 0).looked |= SC_LOOKED_MEMORY_IS_LEFT;
  holds(told, options);
}

}  // namespace
}  // namespace spawncheck
