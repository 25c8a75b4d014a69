// SPDX-License-Identifier: MIT
//
// The model's rules, one claim a test; the same rules are confronted with the running kernel by the
// single-threaded scenarios of descriptors_test.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <spawncheck/spawn/plan.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "model/kernel/call.h"
#include "model/kernel/invariants.h"

namespace spawncheck::model {
namespace {

constexpr std::uint32_t unshare_flag = 2, cloexec_flag = 4;

Call call(CallKind kind, std::int32_t a = -1, std::int32_t b = -1, std::uint32_t flags = 0) {
  Call c = make_call(kind, a, b, flags);
  c.key[0].kind = SC_FILE_NULL;
  c.key[1].kind = SC_FILE_NULL;
  return c;
}

// Two threads (tasks 0 and 1) and the main one, an empty table, the given limit.
class Model : public ::testing::Test {
 protected:
  Model() {
    sc_world world{};
    world.limit = 256;
    state = initial_state(world, 2, nullptr);
    state.has_limit_changes = false;  // reading the limit is a step of its own only in the tests that set this
  }
  Result run(Index task, const Call& c) {
    Result result;
    EXPECT_EQ(run_call(kernel, state, task, c, result), Step::done);
    return result;
  }
  // Makes `steps` steps of a call and leaves it under way.
  void start(Index task, const Call& c, int steps) {
    begin(state, task, c);
    Result result;
    for (int i = 0; i < steps; ++i) ASSERT_EQ(step(kernel, state, task, 0, result), Step::advanced);
  }
  Result rest(Index task) {
    Result result;
    for (int i = 0; i < 1000; ++i)
      if (step(kernel, state, task, 0, result) == Step::done) return result;
    ADD_FAILURE() << "the call does not return";
    return result;
  }
  void open(std::int32_t number) { state.put(0, number, state.add(Description{}), false); }
  bool is_open(std::int32_t number) { return state.table_of(0).find(number) != nullptr; }

  Kernel kernel;
  State state;
};

TEST_F(Model, OpenTakesTheLowestFreeNumber) {
  open(0);
  open(2);
  EXPECT_EQ(run(0, call(CallKind::create)).value[0], 1);
  EXPECT_EQ(run(0, call(CallKind::create)).value[0], 3);
}

TEST_F(Model, OpenFailsWithEmfileAtTheLimitAndDescriptorsAboveItStayUsable) {
  open(0);
  open(9);
  run(0, call(CallKind::limit, 1));
  EXPECT_EQ(run(0, call(CallKind::create)).error, EMFILE);
  EXPECT_EQ(run(0, call(CallKind::getfd, 9)).error, 0);
}

TEST_F(Model, APipeWithoutASecondNumberGivesTheFirstBack) {
  run(0, call(CallKind::limit, 1));
  EXPECT_EQ(run(0, call(CallKind::create_pair)).error, EMFILE);
  EXPECT_FALSE(is_open(0));
}

TEST_F(Model, AReservedEmptySlotCannotBeUsedNorReplacedNorTaken) {
  start(0, call(CallKind::create), 1);  // reserved 0
  EXPECT_EQ(run(1, call(CallKind::getfd, 0)).error, EBADF);
  EXPECT_EQ(run(1, call(CallKind::close, 0)).error, EBADF);
  EXPECT_EQ(run(1, call(CallKind::create)).value[0], 1);
  EXPECT_EQ(run(1, call(CallKind::dup3, 1, 0)).error, EBUSY);
  EXPECT_EQ(rest(0).value[0], 0);
  EXPECT_EQ(run(1, call(CallKind::getfd, 0)).error, 0);
}

TEST_F(Model, AReservedEmptySlotIsFreeInACopiedTable) {
  start(0, call(CallKind::create), 1);
  const Index child = static_cast<Index>(run(1, call(CallKind::clone, -1, -1, 0)).value[0]);
  EXPECT_EQ(state.table_of(child).find(0), nullptr);
}

TEST_F(Model, DupMayReturnADescriptionWhoseNumberWasClosedMeanwhile) {
  open(0);
  open(1);
  const Index description = state.table_of(0).find(0)->description;
  start(0, call(CallKind::dup, 0), 1);  // looked up
  EXPECT_EQ(run(1, call(CallKind::close, 0)).error, 0);
  const Result r = rest(0);
  EXPECT_EQ(r.value[0], 0);
  EXPECT_EQ(state.table_of(0).find(0)->description, description);
}

TEST_F(Model, Dup2ChecksTheNewNumbersRangeBeforeTheOld) {
  EXPECT_EQ(run(0, call(CallKind::dup3, 7, 256)).error, EBADF);
  EXPECT_EQ(run(0, call(CallKind::dup3, 7, 5)).error, EBADF);
}

TEST_F(Model, Dup2OntoItselfChangesNothingAndDup3Refuses) {
  open(4);
  run(0, call(CallKind::setfd, 4, -1, SC_FLAG_CLOEXEC));
  EXPECT_EQ(run(0, call(CallKind::dup3, 4, 4)).value[0], 4);
  EXPECT_EQ(run(0, call(CallKind::getfd, 4)).value[0], 1);
  Call dup3 = call(CallKind::dup3, 4, 4);
  dup3.name = 1;
  EXPECT_EQ(run(0, dup3).error, EINVAL);
}

TEST_F(Model, FDupfdBoundAtTheLimitIsEinval) {
  open(0);
  EXPECT_EQ(run(0, call(CallKind::dupfd, 0, 256)).error, EINVAL);
  EXPECT_EQ(run(0, call(CallKind::dupfd, 0, 255)).value[0], 255);
  EXPECT_EQ(run(0, call(CallKind::dupfd, 0, 255)).error, EMFILE);
}

TEST_F(Model, CloseRangeRefusesAnInvertedRangeAndUnknownFlagsWithoutUnsharing) {
  open(5);
  EXPECT_EQ(run(0, call(CallKind::close_range, 6, 5, unshare_flag)).error, EINVAL);
  EXPECT_EQ(run(0, call(CallKind::close_range, 5, 5, 1u << 7)).error, EINVAL);
  EXPECT_EQ(state.tasks[0].table, state.tasks[1].table);
  EXPECT_TRUE(is_open(5));
}

TEST_F(Model, CloseRangeUnshareLeavesTheOtherSharerAlone) {
  open(3);
  open(7);
  run(0, call(CallKind::close_range, 4, -1, unshare_flag));
  EXPECT_NE(state.tasks[0].table, state.tasks[1].table);
  EXPECT_EQ(state.table_of(0).find(7), nullptr);
  EXPECT_NE(state.table_of(1).find(7), nullptr);
}

TEST_F(Model, CloseRangeUnshareWithCloexecCopiesAllAndClosesNothing) {
  open(3);
  open(70);
  run(0, call(CallKind::close_range, 4, -1, unshare_flag | cloexec_flag));
  ASSERT_NE(state.table_of(0).find(70), nullptr);
  EXPECT_TRUE(state.table_of(0).find(70)->cloexec);
  EXPECT_FALSE(state.table_of(1).find(70)->cloexec);
}

// fs/file.c sane_fdtable_size: (first, last, the numbers that the unsharing copy references for a while).
struct Sizing {
  const char* name;
  std::int32_t first, last;
  std::vector<std::int32_t> touched;
};

class UnshareSizing : public Model, public ::testing::WithParamInterface<Sizing> {};

TEST_P(UnshareSizing, CopiesWholeWordsBelowTheRangeOrEverything) {
  for (std::int32_t n : {1, 40, 80, 100, 200}) open(n);
  const Sizing& p = GetParam();
  const bool must_allocate = p.touched.back() >= 64;
  start(0, call(CallKind::close_range, p.first, p.last, unshare_flag),
        must_allocate ? 2 : 1);  // copied, nothing closed yet
  ASSERT_NE(state.tasks[0].flight.table, none);
  std::vector<std::int32_t> touched;
  for (const Entry& e : state.tables[state.tasks[0].flight.table].entries()) touched.push_back(e.number);
  EXPECT_EQ(touched, p.touched);
}

INSTANTIATE_TEST_SUITE_P(Ranges, UnshareSizing,
                         ::testing::Values(Sizing{"from_3_to_the_end", 3, -1, {1, 40}},
                                           Sizing{"from_70_to_the_end", 70, -1, {1, 40}},
                                           Sizing{"from_90_to_the_end", 90, -1, {1, 40, 80, 100}},
                                           Sizing{"inner_range", 3, 100, {1, 40, 80, 100, 200}},
                                           Sizing{"from_0_to_the_end", 0, -1, {1, 40}}),
                         [](const auto& i) { return i.param.name; });

TEST_F(Model, CloneWithFilesPutsThePidfdIntoTheSharedTable) {
  open(0);
  const Result r =
      run(0, call(CallKind::clone, -1, -1, SPAWN_START_FILES | SPAWN_START_VM | SPAWN_START_VFORK | SPAWN_START_PIDFD));
  EXPECT_EQ(r.value[1], 1);
  EXPECT_NE(state.table_of(static_cast<Index>(r.value[0])).find(1), nullptr);
}

TEST_F(Model, CloneWithoutFilesKeepsThePidfdFromTheChild) {
  const Result r = run(0, call(CallKind::clone, -1, -1, SPAWN_START_PIDFD));
  EXPECT_EQ(state.table_of(static_cast<Index>(r.value[0])).find(r.value[1]), nullptr);
  EXPECT_TRUE(is_open(r.value[1]));
}

TEST_F(Model, CloneForAPidfdAtTheLimitMakesNoChild) {
  run(0, call(CallKind::limit, 1));
  open(0);
  EXPECT_EQ(run(0, call(CallKind::clone, -1, -1, SPAWN_START_PIDFD)).error, EMFILE);
  EXPECT_EQ(state.processes.size(), 1u);
}

TEST_F(Model, ExecWakesTheVforkParentBeforeItClosesOn618) {
  open(0);
  run(0, call(CallKind::setfd, 0, -1, SC_FLAG_CLOEXEC));
  const Index child =
      static_cast<Index>(run(0, call(CallKind::clone, -1, -1, SPAWN_START_VM | SPAWN_START_VFORK)).value[0]);
  EXPECT_EQ(state.tasks[0].vfork_child, child);
  start(child, call(CallKind::exec, SC_PROGRAM_HOLD), 1);
  EXPECT_EQ(state.tasks[0].vfork_child, none);
  EXPECT_NE(state.table_of(child).find(0), nullptr);
  rest(child);
  EXPECT_EQ(state.table_of(child).find(0), nullptr);
  EXPECT_NE(state.table_of(0).find(0), nullptr);
}

// fs/exec.c exec_mmap: exec_mm_release, then tsk->mm. In between the parent runs and the child still has the parent's
// memory.
TEST_F(Model, ExecReleasesTheMemoryBeforeItTakesItsOwn) {
  const Index child =
      static_cast<Index>(run(0, call(CallKind::clone, 0, -1, SPAWN_START_VM | SPAWN_START_VFORK)).value[0]);
  start(child, call(CallKind::exec, SC_PROGRAM_HOLD), 1);
  EXPECT_EQ(state.tasks[0].vfork_child, none);
  EXPECT_EQ(state.tasks[child].memory, state.tasks[0].memory);
  EXPECT_TRUE(state.tasks[child].has_released_memory) << "it never runs on it again";
  EXPECT_EQ(state.process_of(child).program, -1);
  EXPECT_FALSE(state.process_of(child).is_clone_child) << "de_thread makes SIGCHLD the exit signal before";
  Result result;
  EXPECT_EQ(step(kernel, state, child, 0, result), Step::advanced);
  EXPECT_NE(state.tasks[child].memory, state.tasks[0].memory);
  EXPECT_FALSE(state.tasks[child].has_released_memory);
  EXPECT_EQ(state.process_of(child).program, SC_PROGRAM_HOLD);
  EXPECT_FALSE(broken_invariant(state)) << *broken_invariant(state);
}

// fs/exec.c begin_new_exec: unshare_sighand, before flush_signal_handlers.
TEST_F(Model, ExecLeavesTheHandlersOfWhoSharedThem) {
  run(0, call(CallKind::disposition, 10, SC_DISPOSITION_HANDLER));
  run(0, call(CallKind::disposition, 12, SC_DISPOSITION_IGNORE));
  const Index child =
      static_cast<Index>(run(0, call(CallKind::clone, -1, -1, SPAWN_START_VM | SPAWN_START_VFORK)).value[0]);
  state.tasks[child].dispositions = state.tasks[0].dispositions;  // CLONE_SIGHAND
  run(child, call(CallKind::exec, SC_PROGRAM_HOLD));
  EXPECT_EQ(state.dispositions_of(0).handled, bit(10));
  EXPECT_EQ(state.dispositions_of(child).handled, 0u);
  EXPECT_EQ(state.dispositions_of(child).ignored, bit(12));
}

TEST_F(Model, ExitReleasesTheMemoryBeforeItHasNone) {
  const Index child =
      static_cast<Index>(run(0, call(CallKind::clone, 0, -1, SPAWN_START_VM | SPAWN_START_VFORK)).value[0]);
  start(child, call(CallKind::exit, 1), 1);
  EXPECT_EQ(state.tasks[0].vfork_child, none);
  EXPECT_EQ(state.tasks[child].memory, state.tasks[0].memory);
  EXPECT_TRUE(state.tasks[child].has_released_memory);
  rest(child);
  EXPECT_EQ(state.tasks[child].memory, none);
}

// fs/exec.c begin_new_exec since 6.1.189: do_close_on_exec, then exec_mmap.
TEST_F(Model, WhereExecClosesFirstTheOldProgramHasNoCloseOnExecDescriptors) {
  kernel = kernel_named("6.1.192");
  open(0);
  run(0, call(CallKind::setfd, 0, -1, SC_FLAG_CLOEXEC));
  const Index child =
      static_cast<Index>(run(0, call(CallKind::clone, 0, -1, SPAWN_START_VM | SPAWN_START_VFORK)).value[0]);
  start(child, call(CallKind::exec, SC_PROGRAM_HOLD), 2);
  EXPECT_EQ(state.table_of(child).find(0), nullptr);
  EXPECT_EQ(state.tasks[0].vfork_child, child) << "the parent still sleeps";
  EXPECT_EQ(state.process_of(child).program, -1);
  Result result;
  EXPECT_EQ(step(kernel, state, child, 0, result), Step::advanced);
  EXPECT_EQ(state.tasks[0].vfork_child, none);
  EXPECT_EQ(state.process_of(child).program, -1);
  EXPECT_EQ(step(kernel, state, child, 0, result), Step::advanced);
  EXPECT_EQ(state.process_of(child).program, SC_PROGRAM_HOLD);
}

// fs/file_table.c fput: only the last reference is released by task_work. The task that closes last releases the file;
// a close(2) does so before it returns.
TEST_F(Model, OnlyTheLastReferenceIsReleasedLater) {
  kernel = kernel_named("6.1.192");
  open(0);
  open(1);
  for (const int n : {0, 1}) run(0, call(CallKind::setfd, n, -1, SC_FLAG_CLOEXEC));
  const Index first = state.table_of(0).find(0)->description, second = state.table_of(0).find(1)->description;
  const Index child =
      static_cast<Index>(run(0, call(CallKind::clone, 0, -1, SPAWN_START_VM | SPAWN_START_VFORK)).value[0]);
  run(1, call(CallKind::close, 1));
  start(child, call(CallKind::exec, SC_PROGRAM_HOLD), 3);
  EXPECT_TRUE(state.referenced(second)) << "closed last by the child: until its exec returns";
  EXPECT_TRUE(state.referenced(first));
  run(1, call(CallKind::close, 0));
  EXPECT_FALSE(state.referenced(first)) << "closed last by its parent";
  rest(child);
  EXPECT_FALSE(state.referenced(second));
  EXPECT_FALSE(broken_invariant(state)) << *broken_invariant(state);
}

TEST_F(Model, ClearSighandResetsCaughtAndKeepsIgnored) {
  run(0, call(CallKind::disposition, 10, SC_DISPOSITION_HANDLER));
  run(0, call(CallKind::disposition, 12, SC_DISPOSITION_IGNORE));
  const Index child = static_cast<Index>(run(0, call(CallKind::clone, -1, -1, SPAWN_START_CLEAR_SIGHAND)).value[0]);
  EXPECT_EQ(state.dispositions_of(child).handled, 0u);
  EXPECT_EQ(state.dispositions_of(child).ignored, bit(12));
  EXPECT_EQ(state.dispositions_of(0).handled, bit(10));
}

TEST_F(Model, PendingSignalsAreNotInherited) {
  run(0, call(CallKind::kill, 0, 10));
  const Index child = static_cast<Index>(run(0, call(CallKind::clone)).value[0]);
  EXPECT_EQ(state.process_of(child).shared_pending.set, 0u);
  EXPECT_EQ(state.process_of(0).shared_pending.set, bit(10));
}

TEST_F(Model, AFifoOpenWaitsForTheOtherSideWithItsSlotReserved) {
  Call reader = call(CallKind::open_fifo);
  reader.direction = SC_DIRECTION_READ;
  Call writer = reader;
  writer.direction = SC_DIRECTION_WRITE;
  start(0, reader, 2);
  Result result;
  EXPECT_EQ(step(kernel, state, 0, 0, result), Step::blocked);
  EXPECT_NE(state.table_of(1).find(0), nullptr);
  EXPECT_EQ(run(1, writer).value[0], 1);
  EXPECT_EQ(rest(0).value[0], 0);
}

TEST_F(Model, AnInterruptedFifoOpenGivesItsNumberBackAndIsToBeMadeAgain) {
  Call reader = call(CallKind::open_fifo);
  reader.direction = SC_DIRECTION_READ;
  start(0, reader, 2);
  ASSERT_TRUE(interrupt(state, 0));
  EXPECT_NE(state.table_of(0).find(0), nullptr) << "the number goes back at an instant of its own";
  EXPECT_EQ(rest(0).error, restart);
  EXPECT_EQ(state.table_of(0).find(0), nullptr);
  EXPECT_EQ(run(1, call(CallKind::create)).value[0], 0);
  start(0, reader, 2);
  EXPECT_NE(state.table_of(0).find(1), nullptr) << "made again, it takes the lowest free number anew";
}

TEST_F(Model, AnOpenOfAFifoWhosePartnerHasComeIsNotInterrupted) {
  Call reader = call(CallKind::open_fifo);
  reader.direction = SC_DIRECTION_READ;
  Call writer = reader;
  writer.direction = SC_DIRECTION_WRITE;
  start(0, reader, 2);
  run(1, writer);
  EXPECT_FALSE(interrupt(state, 0));
  EXPECT_EQ(rest(0).error, 0);
}

// ---- the limit is read before the table's lock is taken ------------------------------------------

TEST_F(Model, ALimitThatIsLoweredAfterItWasReadDoesNotCount) {
  open(0);
  state.has_limit_changes = true;
  start(0, call(CallKind::dup3, 0, 68), 1);  // the limit is 256
  start(1, call(CallKind::create), 1);
  run(2, call(CallKind::limit, 1));
  EXPECT_EQ(rest(0).value[0], 68);
  EXPECT_EQ(rest(1).value[0], 1);
  EXPECT_EQ(run(0, call(CallKind::dup3, 0, 69)).error, EBADF);
}

TEST_F(Model, APipeReadsTheLimitForEachOfItsNumbers) {
  state.has_limit_changes = true;
  start(0, call(CallKind::create_pair), 2);  // the first number is reserved
  run(1, call(CallKind::limit, 1));
  EXPECT_EQ(rest(0).error, EMFILE);
  EXPECT_FALSE(is_open(0));
}

TEST_F(Model, FDupfdLooksItsDescriptorUpBeforeItReadsTheLimit) {
  open(0);
  state.has_limit_changes = true;
  start(0, call(CallKind::dupfd, 0, 5), 1);
  run(1, call(CallKind::limit, 5));
  run(1, call(CallKind::close, 0));
  EXPECT_EQ(rest(0).error, EINVAL);
}

// ---- what a call looks up, and the number it then acts on ----------------------------------------

TEST_F(Model, SetfdMarksWhateverHasTheNumberByThen) {
  open(3);
  open(4);
  start(0, call(CallKind::setfd, 3, -1, SC_FLAG_CLOEXEC), 1);  // looked up
  run(1, call(CallKind::dup3, 4, 3));
  EXPECT_EQ(rest(0).error, 0);
  EXPECT_EQ(run(1, call(CallKind::getfd, 3)).value[0], 1);
}

TEST_F(Model, GetfdOfANumberThatWasClosedMeanwhileTellsTheOldFlag) {
  open(3);
  run(0, call(CallKind::setfd, 3, -1, SC_FLAG_CLOEXEC));
  start(0, call(CallKind::getfd, 3), 1);
  run(1, call(CallKind::close, 3));
  const Result r = rest(0);
  EXPECT_EQ(r.error, 0);
  EXPECT_EQ(r.value[0], 1);
}

TEST_F(Model, ListenIsThreeCallsByNumber) {
  Call listen = call(CallKind::listen);
  listen.name = 2;
  EXPECT_EQ(run(0, listen).value[0], 0);
  EXPECT_EQ(run(0, listen).error, EADDRINUSE);
  EXPECT_FALSE(is_open(1)) << "the socket that could not be bound is closed again";
  listen.name = 3;
  start(0, listen, 2);  // socket(2) has returned 1
  run(1, call(CallKind::close, 1));
  EXPECT_EQ(rest(0).error, EBADF);
}

TEST_F(Model, ListenActsOnWhatIsAtItsNumberByThen) {
  open(5);
  state.descriptions.back().key.kind = SC_FILE_MEMFD;
  Call listen = call(CallKind::listen);
  start(0, listen, 2);  // socket(2) has returned 0
  run(1, call(CallKind::dup3, 5, 0));
  EXPECT_EQ(rest(0).error, ENOTSOCK);
  EXPECT_FALSE(is_open(0)) << "what is at the number is closed, whoever put it there";
}

TEST_F(Model, ALockGoesWithTheLastReferenceToItsDescription) {
  Call file = call(CallKind::create);
  file.key[0].kind = SC_FILE_REGULAR;
  run(0, file);
  run(0, file);
  EXPECT_EQ(run(0, call(CallKind::flock, 0)).error, 0);
  EXPECT_EQ(run(0, call(CallKind::flock, 1)).error, EAGAIN);
  run(0, call(CallKind::dup, 0));
  run(0, call(CallKind::close, 0));
  EXPECT_EQ(run(0, call(CallKind::flock, 1)).error, EAGAIN);
  run(0, call(CallKind::close, 2));
  EXPECT_EQ(run(0, call(CallKind::flock, 1)).error, 0);
}

// broken_invariant() sees each kind of break, and none in a state that calls have reached.
TEST_F(Model, InvariantsSeeWhatIsCountedWrong) {
  open(0);
  run(0, call(CallKind::create));
  EXPECT_EQ(broken_invariant(state), std::nullopt);
  const State sound = state;
  const auto is_broken = [&](auto change) {
    state = sound;
    change(state);
    return broken_invariant(state).has_value();
  };
  EXPECT_TRUE(is_broken([](State& s) { s.hold(0); })) << "a reference that nobody has";
  EXPECT_TRUE(is_broken([](State& s) { s.release(0); })) << "one too few";
  EXPECT_TRUE(is_broken([](State& s) { s.use_table(0); })) << "a user that is not there";
  EXPECT_TRUE(is_broken([](State& s) { s.tasks[0].ended = true; })) << "one that is gone";
  EXPECT_TRUE(is_broken([](State& s) { s.memories[0].written_by = 1; })) << "a write by another process";
  EXPECT_TRUE(is_broken([](State& s) { s.tasks[0].vfork_child = 1, s.tasks[1].has_released_memory = true; }))
      << "waiting for nobody";
}

// broken_invariant() sees a child that writes to its parent's memory (mm.unwritten).
TEST_F(Model, AWriteOnBorrowedMemoryIsSeen) {
  const Result made = run(0, [] {
    Call c = call(CallKind::clone);
    c.flags = SPAWN_START_VM | SPAWN_START_FILES;
    return c;
  }());
  run(static_cast<Index>(made.value[0]), call(CallKind::store, 0, 1));
  EXPECT_TRUE(broken_invariant(state).has_value());
}

// The number is free before the file is: in between another thread gets the number and the lock is still taken.
TEST_F(Model, CloseFreesTheNumberBeforeItReleasesTheFile) {
  open(0);
  open(1);
  state.descriptions[1].key = state.descriptions[0].key = {SC_FILE_REGULAR, 1};
  EXPECT_EQ(run(0, call(CallKind::flock, 0)).error, 0);
  start(0, call(CallKind::close, 0), 1);
  EXPECT_FALSE(is_open(0));
  EXPECT_EQ(run(1, call(CallKind::flock, 1)).error, EAGAIN);
  rest(0);
  EXPECT_EQ(run(1, call(CallKind::flock, 1)).error, 0);
}

// A slot that is filled after dup_fd has passed it is not in the copy; one that is filled before is. A call that needs
// the table's lock waits for the copy.
TEST_F(Model, ALocklessInstallMayPassACopy) {
  start(0, call(CallKind::create), 1);  // reserved 0
  start(1, call(CallKind::create), 1);  // reserved 1
  begin(state, 2, call(CallKind::unshare_files));
  Result result;
  ASSERT_EQ(step(kernel, state, 2, 0, result), Step::advanced);  // before slot 0
  ASSERT_EQ(step(kernel, state, 2, 0, result), Step::advanced);  // passed it, before slot 1
  rest(0);
  rest(1);
  begin(state, 0, call(CallKind::close, 0));
  EXPECT_EQ(step(kernel, state, 0, 0, result), Step::blocked);
  EXPECT_EQ(rest(2).error, 0);
  EXPECT_EQ(state.table_of(2).find(0), nullptr);
  EXPECT_NE(state.table_of(2).find(1), nullptr);
  EXPECT_EQ(rest(0).error, 0);
}

TEST_F(Model, OutcomesArePure) {
  open(0);
  begin(state, 0, call(CallKind::create));
  const State before = state;
  EXPECT_EQ(outcomes(kernel, state, 0).size(), 1u);
  EXPECT_TRUE(state == before);
  EXPECT_EQ(hash(state), hash(before));
}

// Two states that differ must not be taken for one: every field counts.
TEST_F(Model, EachFieldOfAStateCountsInItsHash) {
  open(0);
  run(0, call(CallKind::kill, 0, 40));
  start(1, call(CallKind::create), 1);
  const State before = state;
  const auto counts = [&](const char* what, auto change) {
    state = before;
    change(state);
    EXPECT_NE(hash(state), hash(before)) << what;
    EXPECT_NE(hash128(state).high, hash128(before).high) << what;
    EXPECT_NE(hash128(state).low, hash128(before).low) << what;
  };
  counts("queued", [](State& s) { s.processes[0].shared_pending.add(40); });
  counts("status", [](State& s) { s.processes[0].status = 7; });
  counts("umask", [](State& s) { s.processes[0].umask = 0; });
  counts("clone child", [](State& s) { s.processes[0].is_clone_child = true; });
  counts("written program", [](State& s) { s.processes[0].program_name = 1; });
  counts("wildcard", [](State& s) { s.descriptions[0].wildcard = true; });
  counts("kind", [](State& s) { s.descriptions[0].key.kind = SC_FILE_REGULAR; });
  counts("id", [](State& s) { s.descriptions[0].key.id = 5; });
  counts("flag", [](State& s) { s.put(0, 0, 0, true); });
  counts("end of a copy", [](State& s) { s.tasks[1].flight.last = 64; });
  counts("flags of a call", [](State& s) { s.tasks[1].flight.call.flags = SC_FLAG_CLOEXEC; });
  counts("room", [](State& s) { s.tasks[1].flight.room = 64; });
  counts("cell", [](State& s) { s.memories[0].cell[7] = 1; });
  counts("owner", [](State& s) { s.memories[0].owner = 1; });
  counts("table", [](State& s) { s.add_table(); });
}

// The probability that two of n states collide is at most n^2 / 2^129.
TEST(Hash, IsAsLikelyToCollideAsItsBoundSays) {
  EXPECT_EQ(collision_bound(0), 0.0);
  EXPECT_EQ(collision_bound(1ull << 32), 0x1p-65);
  // Neighbouring values, each half of the hash alone: 2^20 random values of 64 bits collide with probability 2^-25.
  std::vector<std::uint64_t> low, high;
  for (std::uint64_t a = 0; a < 1024; ++a)
    for (std::uint64_t b = 0; b < 1024; ++b) {
      const Hash128 h = mix(mix(mix(Hash128{}, a), b), a * b);
      low.push_back(h.low);
      high.push_back(h.high);
    }
  for (std::vector<std::uint64_t>* half : {&low, &high}) {
    std::sort(half->begin(), half->end());
    EXPECT_EQ(std::adjacent_find(half->begin(), half->end()), half->end());
  }
}

// A table stores runs of numbers; it must behave as a map from number to entry.
RC_GTEST_PROP(Table, BehavesAsAMapOfNumbers, ()) {
  State state;
  const Index own = state.add_table();
  for (int d = 0; d < 4; ++d) state.add(Description{});
  const Table& table = state.tables[own];
  std::map<std::int32_t, std::pair<Index, bool>> map;
  const auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int, bool>>>(rc::gen::tuple(
      rc::gen::inRange(0, 3), rc::gen::inRange(0, 12), rc::gen::inRange(0, 4), rc::gen::arbitrary<bool>()));
  for (const auto& [what, number, extra, flag] : steps) {
    if (what == 0) {
      state.remove(own, number, number + extra);
      for (int n = number; n <= number + extra; ++n) map.erase(n);
    } else {
      state.put(own, number, number + (what == 1 ? 0 : extra), static_cast<Index>(extra), flag);
      for (int n = number; n <= number + (what == 1 ? 0 : extra); ++n) map[n] = {static_cast<Index>(extra), flag};
    }
    int lowest = 0;
    while (map.count(lowest) != 0) ++lowest;
    RC_ASSERT(table.lowest_free(0) == lowest);
    for (int n = 0; n < 20; ++n) {
      const Entry* e = table.find(n);
      const auto at = map.find(n);
      RC_ASSERT((e != nullptr) == (at != map.end()));
      if (e != nullptr) RC_ASSERT(e->description == at->second.first && e->cloexec == at->second.second);
    }
    RC_ASSERT(table.count_free_below(20) == 20 - static_cast<int>(map.size()));
  }
}

}  // namespace
}  // namespace spawncheck::model
