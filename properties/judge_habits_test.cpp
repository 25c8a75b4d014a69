// SPDX-License-Identifier: MIT
//
// Habits, which an implementation declares of itself: for each habit an innocent history, which holds with the
// declaration and is accused without it, and a guilty one, which the habit does not excuse. And declined requests.
#include <cerrno>
#include <csignal>

#include "impl/peers/implementation.h"
#include "model/contract/habits.h"
#include "properties/told.h"

namespace spawncheck {
namespace {

JudgeOptions with(std::uint32_t habits) {
  JudgeOptions options;
  options.habits = habits;
  return options;
}

// Expects that `told` holds if the habit is declared and is accused if not.
void is_lifted_by(std::uint32_t habit, const Told& told, Clause clause) {
  violates(told, clause);
  violates(told, clause, with(~habit));
  holds(told, with(habit));
}

// Expects that `told` is accused with the habit and with all habits.
void is_not_lifted(std::uint32_t habit, const Told& told, Clause clause) {
  violates(told, clause, with(habit));
  violates(told, clause, with(~0u));
}

Told one_child(const char* text) {
  Told told(text);
  told.op(0, 0, 1, 2, 5).child(0, 0);
  return told;
}

TEST(Habits, EachHasOneRow) {
  std::uint32_t all = 0;
  for (const HabitRow& row : habits()) {
    EXPECT_EQ(all & row.bit, 0u) << row.word;
    all |= row.bit;
    EXPECT_EQ(habit_words(row.bit), row.word);
    EXPECT_TRUE(!row.lifts || lifts(row.bit, *row.lifts)) << row.word;
  }
  EXPECT_EQ(all, 255u);
  EXPECT_EQ(habit_words(0), "none");
}

TEST(Habits, ReapsLiftsTheStatus) {
  Told told = one_child("thread\n  spawn only exit -> $0\n  wait $0\n");
  told.failed(0, 1, 3, 4, ECHILD);
  is_lifted_by(SPAWNCHECK_REAPS, told, Clause::proc_child);
}

TEST(Habits, ReapsDoesNotLiftAWrongStatus) {
  Told told = one_child("thread\n  spawn only exit -> $0\n  wait $0\n");
  told.op(0, 1, 3, 4, 9);
  is_not_lifted(SPAWNCHECK_REAPS, told, Clause::proc_child);
}

TEST(Habits, ResetsMaskLiftsAnEmptyMask) {
  Told told = one_child("mask USR1\nthread\n  spawn only hold -> $0\n");
  told.seen().mask = 0;
  told.history().thread_mask[0] = 1ull << (SIGUSR1 - 1);
  is_lifted_by(SPAWNCHECK_RESETS_MASK, told, Clause::sig_mask);
}

TEST(Habits, ResetsMaskLiftsNeitherAnotherMaskNorOneThatWasAskedFor) {
  Told other = one_child("mask USR1\nthread\n  spawn only hold -> $0\n");
  other.seen().mask = 1ull << (SIGUSR2 - 1);
  other.history().thread_mask[0] = 1ull << (SIGUSR1 - 1);
  is_not_lifted(SPAWNCHECK_RESETS_MASK, other, Clause::sig_mask);
  Told asked = one_child("thread\n  spawn only hold mask USR1 -> $0\n");
  asked.seen().mask = 0;
  is_not_lifted(SPAWNCHECK_RESETS_MASK, asked, Clause::sig_mask);
}

TEST(Habits, ResetsSignalsLiftsWhatWasIgnored) {
  Told told = one_child("disposition USR1 ignore\nthread\n  spawn only hold -> $0\n");
  told.seen().ignored = 0;
  told.history().parent.ignored = 1ull << (SIGUSR1 - 1);
  is_lifted_by(SPAWNCHECK_RESETS_SIGNALS, told, Clause::sig_disposition);
}

TEST(Habits, ResetsSignalsLiftsNeitherWhatWasAskedForNorWhatIsCaught) {
  Told asked = one_child("thread\n  spawn only hold ignore USR1 -> $0\n");
  asked.seen().ignored = 0;
  is_not_lifted(SPAWNCHECK_RESETS_SIGNALS, asked, Clause::sig_disposition);
  Told more = one_child("thread\n  spawn only hold -> $0\n");
  more.seen().ignored = 1ull << (SIGUSR2 - 1);
  is_not_lifted(SPAWNCHECK_RESETS_SIGNALS, more, Clause::sig_disposition);
  Told caught = one_child("thread\n  spawn only hold -> $0\n");
  caught.seen().caught = 1ull << (SIGUSR1 - 1);
  is_not_lifted(SPAWNCHECK_RESETS_SIGNALS, caught, Clause::sig_disposition);
}

TEST(Habits, TellsNoErrnoLiftsTheErrnoWhereOneIsOwed) {
  Told missing("thread\n  spawn only missing -> $0\n");
  is_lifted_by(SPAWNCHECK_TELLS_NO_ERRNO, missing.failed(0, 0, 1, 2, EIO), Clause::err_exact);
  Told closed("thread\n  spawn only hold keep 4>3 -> $0\n");
  is_lifted_by(SPAWNCHECK_TELLS_NO_ERRNO, closed.failed(0, 0, 1, 2, EIO), Clause::err_exact);
}

// Errors that the table of contract.md allows: too few free numbers, a refused call, a group that may belong to another
// session.
TEST(Habits, TellsNoErrnoLiftsTheErrnoWhereOneMayCome) {
  for (const char* text :
       {"limit 2\nthread\n  spawn only hold -> $0\n", "refuse pipe2 EMFILE\nthread\n  spawn only hold -> $0\n",
        "thread\n  spawn only hold pgroup 1 -> $0\n"}) {
    SCOPED_TRACE(text);
    Told told(text);
    is_lifted_by(SPAWNCHECK_TELLS_NO_ERRNO, told.failed(0, 0, 1, 2, EIO), Clause::err_exact);
  }
}

TEST(Habits, TellsNoErrnoLiftsNoFailureWithoutReasonAndNoSuccess) {
  Told fails("thread\n  spawn only hold -> $0\n");
  is_not_lifted(SPAWNCHECK_TELLS_NO_ERRNO, fails.failed(0, 0, 1, 2, EIO), Clause::err_exact);
  Told succeeds = one_child("thread\n  spawn only missing -> $0\n");
  is_not_lifted(SPAWNCHECK_TELLS_NO_ERRNO, succeeds, Clause::err_exact);
}

TEST(Habits, RunsScriptsLiftsWhatHasNoFormat) {
  Told told = one_child("thread\n  spawn only no-format -> $0\n");
  told.seen().has_execed = 0;
  is_lifted_by(SPAWNCHECK_RUNS_SCRIPTS, told, Clause::err_exact);
  Told refused("thread\n  spawn only no-format -> $0\n");
  holds(refused.failed(0, 0, 1, 2, ENOEXEC), with(SPAWNCHECK_RUNS_SCRIPTS));
}

// The child runs `program` with the caller's 3 as its 2. At the end the caller's 3 has this position and these flags.
Told written_to(const char* program, std::uint64_t position, std::uint32_t status_flags) {
  const std::string text = std::string("fd 3 memfd\nthread\n  spawn only ") + program + " keep 3>2 -> $0\n";
  Told told = one_child(text.c_str());
  for (sc_process* p : {&told.seen(), &told.history().parent}) {
    p->entry_count = 1;
    p->entry[0] = {};
    p->entry[0].number = p->entry[0].last = p == &told.history().parent ? 3 : 2;
    p->entry[0].key.kind = SC_FILE_MEMFD;
    p->entry[0].key.id = 1;  // of world line 0
  }
  told.history().parent.entry[0].position = position;
  told.history().parent.entry[0].status_flags = status_flags;
  return told;
}

TEST(Habits, RunsScriptsLiftsWhatShWritesAndNoStatusFlag) {
  holds(written_to("no-format", 40, 0), with(SPAWNCHECK_RUNS_SCRIPTS));
  violates(written_to("hold", 40, 0), Clause::fd_untouched, with(SPAWNCHECK_RUNS_SCRIPTS));
  violates(written_to("no-format", 0, 04000), Clause::fd_untouched, with(SPAWNCHECK_RUNS_SCRIPTS));
}

TEST(Habits, RunsScriptsLiftsNoOtherProgram) {
  Told directory = one_child("thread\n  spawn only directory -> $0\n");
  is_not_lifted(SPAWNCHECK_RUNS_SCRIPTS, directory, Clause::err_exact);
  Told wrong("thread\n  spawn only no-format -> $0\n");
  violates(wrong.failed(0, 0, 1, 2, EACCES), Clause::err_exact, with(SPAWNCHECK_RUNS_SCRIPTS));
}

TEST(Habits, WritesErrnoLiftsErrno) {
  Told told = one_child("thread\n  spawn only hold -> $0\n");
  told.record(0, 0).disturbed = SC_DISTURBED_ERRNO;
  is_lifted_by(SPAWNCHECK_WRITES_ERRNO, told, Clause::mm_unwritten);
}

TEST(Habits, WritesErrnoLiftsNoOtherMemory) {
  Told told = one_child("thread\n  spawn only hold -> $0\n");
  told.record(0, 0).disturbed = SC_DISTURBED_ERRNO | SC_DISTURBED_ENVIRON;
  is_not_lifted(SPAWNCHECK_WRITES_ERRNO, told, Clause::mm_unwritten);
}

// The executor leaves held descriptors out, by number and file (peers_interface_test): the judge never sees one.
TEST(Habits, HoldsDescriptorsLiftsNothingThatIsSeen) {
  Told told = one_child("thread\n  spawn only hold -> $0\n");
  sc_process& parent = (told.seen(), told.history().parent);
  parent.entry_count = 1;
  parent.entry[0] = {};
  parent.entry[0].number = parent.entry[0].last = 3;
  parent.entry[0].key.kind = SC_FILE_NULL;
  is_not_lifted(SPAWNCHECK_HOLDS_DESCRIPTORS, told, Clause::fd_untouched);
}

// ---- documented limits ----------------------------------------------------------------------------

// A violation within a limit hides no other violation of its clause: neither one of another spawn nor one that another
// check finds.
TEST(Limits, WhatIsWithinOneHidesNothingOfItsClause) {
  JudgeOptions options;
  options.is_excepted = [](const Breach& b) { return b.observed.find("only 32 to 34 differ") != std::string::npos; };
  const char* text = "thread\n  spawn only hold mask 32 -> $0\n  spawn only hold mask USR1 -> $1\n";
  Told within(text);
  within.op(0, 0, 1, 2, 5).child(0, 0).seen().mask = 0;
  violates(within.op(0, 1, 3, 4, 6), Clause::sig_mask, options);
  EXPECT_NE(within.verdict(options).observed.find("only 32 to 34 differ"), std::string::npos);
  Told beyond(text);
  beyond.op(0, 0, 1, 2, 5).child(0, 0).seen().mask = 0;
  beyond.op(0, 1, 3, 4, 6).child(0, 1).seen().mask = 0;
  EXPECT_EQ(beyond.verdict(options).observed.find("only 32 to 34 differ"), std::string::npos);
  EXPECT_NE(beyond.verdict(options).observed.find("operation 1"), std::string::npos)
      << beyond.verdict(options).observed;
}

TEST(Limits, AMaskOfLibcThatIsLeftIsToldAsSuchAtTheEndToo) {
  Told told("thread\n  load 0\n");
  told.op(0, 0, 1, 2, 0).history().thread_mask[0] = 1ull << 32;
  violates(told, Clause::sig_parent_restored);
  EXPECT_NE(told.verdict().observed.find("; only 32 to 34 differ"), std::string::npos) << told.verdict().observed;
  told.history().thread_mask[0] = 1ull << 32 | 1;
  EXPECT_EQ(told.verdict().observed.find("; only 32 to 34 differ"), std::string::npos) << told.verdict().observed;
}

TEST(Limits, DispositionsOfLibcAloneAreToldAsSuch) {
  Told told = one_child("thread\n  spawn only hold -> $0\n");
  told.seen().ignored = 3ull << 31;
  EXPECT_NE(told.verdict().observed.find("; only 32 to 34 differ"), std::string::npos) << told.verdict().observed;
  told.seen().ignored = 3ull << 31 | 1ull << (SIGUSR1 - 1);
  EXPECT_EQ(told.verdict().observed.find("; only 32 to 34 differ"), std::string::npos) << told.verdict().observed;
}

// A limit that lets a spawn take numbers for a while lifts fd.untouched: the judge then believes the number that each
// operation recorded.
TEST(Limits, BehindTheTableAQueueIsCloseOnExecAndAMemfdIsNot) {
  JudgeOptions options;
  options.owed = Clauses::basic().without(Clause::fd_untouched);
  Told queue("thread\n  mqueue d -> $1\n  spawn inherit hold -> $4\n");
  queue.op(0, 0, 1, 2, 2).op(0, 1, 3, 4, 5).child(0, 1).seen();
  holds(queue, options);
  Told memfd("thread\n  memfd -> $1\n  spawn inherit hold -> $4\n");
  memfd.op(0, 0, 1, 2, 2).op(0, 1, 3, 4, 5).child(0, 1).seen();
  violates(memfd, Clause::fd_exact, options);
}

// ---- declined -----------------------------------------------------------------------------------

constexpr const char* asks_for_much = "fd 4 memfd\nthread\n  spawn only hold keep 4>3 -> $0\n  memfd -> $1\n";

Told declined() {
  Told told(asks_for_much);
  told.failed(0, 0, 1, 2, SPAWNCHECK_DECLINED).op(0, 1, 3, 4, 0);
  return told;
}

TEST(Declined, ARunThatHoldsInEverythingElseIsDeclined) {
  const Verdict v = declined().verdict();
  EXPECT_EQ(v.status, Status::unsupported);
  EXPECT_TRUE(is_declined(v)) << v.observed;
  EXPECT_TRUE(is_declined(declined().verdict(with(SPAWNCHECK_TELLS_NO_ERRNO))));
}

TEST(Declined, WhatHasNothingToDoWithItIsJudged) {
  Told told(asks_for_much);
  violates(told.failed(0, 0, 1, 2, SPAWNCHECK_DECLINED).op(0, 1, 3, 4, 7), Clause::fd_untouched);
}

TEST(Declined, NothingMayHaveChanged) {
  Told told = declined();
  told.history().stray_count = 1;
  violates(told, Clause::proc_unzombied);
  told = declined();
  told.record(0, 0).disturbed = SC_DISTURBED_MASK;
  violates(told, Clause::sig_parent_restored);
  told = declined();
  told.record(0, 0).disturbed = SC_DISTURBED_RESULT;
  violates(told, Clause::err_exact);
}

}  // namespace
}  // namespace spawncheck
