// SPDX-License-Identifier: MIT
//
// Litmus tests: the model's sets are those computed by hand, every operation takes part, and a planted error is
// noticed.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "impl/litmus/campaign.h"
#include "impl/session/running_kernel.h"
#include "model/litmus/generate.h"
#include "model/scenario/words.h"

namespace spawncheck::litmus {
namespace {

litmus::Test written(const std::string& text) {
  std::string why;
  const auto parsed = parse(text);
  std::optional<Test> test = make_test(std::get<Scenario>(parsed), "written", "file", why);
  EXPECT_TRUE(test) << why;
  return test ? *test : Test{};
}

std::set<std::string> allowed_texts(const std::string& text) {
  Test test = written(text);
  const Allowed all = allowed(test, model::Kernel{});
  EXPECT_TRUE(all.is_complete);
  std::set<std::string> texts;
  for (const sc_litmus_outcome& o : all.outcomes) texts.insert(describe(test, o));
  return texts;
}

using Texts = std::set<std::string>;

TEST(AllowedOutcomes, OfTwoCallsThatDoNotMeetAreOne) {
  EXPECT_EQ(allowed_texts("fd 0 memfd\nthread\n getfd 0\nthread\n store 0 1\n"), Texts{"0 | ok {0:w0}"});
}

// dup(2) looks the file up first: another thread may then close the number, which becomes the lowest free one.
TEST(AllowedOutcomes, OfDupAndCloseAreThree) {
  EXPECT_EQ(allowed_texts("fd 0 memfd\nthread\n dup 0\nthread\n close 0\n"),
            (Texts{"1 | ok {1:w0}", "0 | ok {0:w0}", "EBADF | ok {}"}));
}

TEST(AllowedOutcomes, OfTwoCreationsAtATightLimitLeaveOneOut) {
  EXPECT_EQ(allowed_texts("limit 1\nthread\n memfd\nthread\n memfd\n"),
            (Texts{"0 | EMFILE {0:memfd@0.0#0}", "EMFILE | 0 {0:memfd@1.0#0}"}));
}

// kernel/signal.c sig_ignored: a blocked signal is kept even if its disposition is to ignore it; do_sigaction drops a
// pending signal that is ignored from then on.
TEST(AllowedOutcomes, OfASignalAndItsBeingIgnoredAreTwo) {
  EXPECT_EQ(allowed_texts("mask USR1\nthread\n kill USR1\nthread\n disposition USR1 ignore\n"),
            (Texts{"ok | ok {} mask0 USR1 mask1 USR1 ignored USR1",
                   "ok | ok {} mask0 USR1 pending0 USR1 mask1 USR1 pending1 USR1 ignored USR1"}));
}

TEST(AllowedOutcomes, OfAStopAndItsContinuation) {
  EXPECT_EQ(allowed_texts("thread\n kill STOP\nthread\n kill CONT\n"), (Texts{"ok | ok {}", "stopped"}));
}

TEST(AllowedOutcomes, OfAFifoThatNobodyElseOpensIsToWait) {
  EXPECT_EQ(allowed_texts("thread\n fifo a read\nthread\n memfd\n"),
            (Texts{"waits | 0 {0:memfd#0}", "waits | 1 {1:memfd#0}"}));
}

// fs/file.c __range_close: the lock is dropped after an empty slot as well, when another task should run.
TEST(AllowedOutcomes, OfADuplicateThatTheWalkHasPassedAreThree) {
  EXPECT_EQ(allowed_texts("fd 5 memfd\nthread\n dup2 5 0\nthread\n close_range 0 max\n"),
            (Texts{"0 | ok {}", "0 | ok {0:w0}", "EBADF | ok {}"}));
}

// fd_install() takes no lock: the walk may miss one end, installed behind it, and close the other, installed ahead.
TEST(AllowedOutcomes, OfAPipeAmongAWalkIncludeEachOfItsEndsAlone) {
  const Texts texts = allowed_texts("fd 3 memfd\nthread\n pipe\nthread\n close_range 0 max\n");
  for (const char* text : {"0,1 | ok {}", "0,1 | ok {0:pipe:read#0}", "0,1 | ok {1:pipe:write#0}",
                           "0,1 | ok {0:pipe:read#0 1:pipe:write#1}"})
    EXPECT_TRUE(texts.contains(text)) << text;
}

// net/socket.c __sys_socketpair: the first number is given back after the second was refused, under another hold of the
// lock.
TEST(AllowedOutcomes, OfTwoPairsForTwoNumbersIncludeThatNeitherGetsThem) {
  EXPECT_TRUE(allowed_texts("limit 2\nthread\n socketpair\nthread\n socketpair\n").contains("EMFILE | EMFILE {}"));
}

TEST(Tests, HaveEveryPairOfOperationsThatNeedNoChild) {
  std::set<std::pair<int, int>> pairs;
  for (const litmus::Test& test : all_tests())
    if (test.shape == "pair") pairs.insert(std::minmax<int>(test.data.op[0][0].kind, test.data.op[1][0].kind));
  for (int a = 0; a < SC_OP_COUNT; ++a)
    for (int b = a; b < SC_OP_COUNT; ++b) {
      const bool needs_child = operation_rows()[a].operands.find_first_of("Rk") != std::string_view::npos ||
                               operation_rows()[b].operands.find_first_of("Rk") != std::string_view::npos;
      EXPECT_EQ(pairs.contains({a, b}), !needs_child) << operation_rows()[a].word << " | " << operation_rows()[b].word;
    }
}

TEST(Tests, AreScenariosThatCanBePrintedAndReplayed) {
  std::set<std::string> names;
  for (const litmus::Test& test : all_tests()) {
    EXPECT_TRUE(names.insert(test.name).second) << test.name;
    ASSERT_TRUE(is_valid(test.scenario)) << test.name;
  }
}

class OnTheKernel : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    bool is_unsupported = false;
    std::string error;
    runner = Runner::start(error, is_unsupported).release();
    ASSERT_TRUE(runner != nullptr || is_unsupported) << error;
  }
  static void TearDownTestSuite() { delete runner; }
  void SetUp() override {
    if (runner == nullptr) GTEST_SKIP() << "kcmp(2) is missing";
  }

  // Bounds the runs, not the time: on a busy machine the threads of a test seldom run at the same time.
  static Campaign run(std::vector<litmus::Test> tests, CampaignOptions options, std::uint64_t runs) {
    options.runs = runs;
    options.seconds = 0;
    return run_campaign(*runner, tests, running_kernel(), options);
  }

  static Runner* runner;
};

Runner* OnTheKernel::runner = nullptr;

TEST_F(OnTheKernel, BothOrdersAreSeenAndNothingElse) {
  const Campaign c = run({written("limit 4\nfd 0 memfd\nfds 1 2 pipe\nthread\n memfd\nthread\n close 0\n")}, {}, 20000);
  EXPECT_EQ(c.outside, 0u);
  EXPECT_EQ(c.allowed, 2u);
  EXPECT_EQ(c.seen, 2u);
  EXPECT_EQ(c.runs, 20000u);
}

TEST_F(OnTheKernel, AnOutcomeThatTheModelDoesNotAllowIsAnError) {
  CampaignOptions options;
  options.hides = [](const litmus::Test& test, const sc_litmus_outcome& o) {
    return describe(test, o).starts_with("3 |");
  };
  const Campaign c =
      run({written("limit 4\nfd 0 memfd\nfds 1 2 pipe\nthread\n memfd\nthread\n close 0\n")}, options, 20000);
  ASSERT_EQ(c.outside, 1u);
  EXPECT_EQ(c.results[0].outside[0].text, "3 | ok {1:w1 2:w2 3:memfd#0}");
  EXPECT_GT(c.results[0].outside[0].count, 0u);
}

TEST_F(OnTheKernel, AnOperationThatDoesSomethingElseIsAnError) {
  CampaignOptions options;
  options.fault = SC_LITMUS_FAULT_CLOSE_KEEPS_OPEN;
  EXPECT_GT(run({written("fd 0 memfd\nthread\n close 0\nthread\n getfd 0\n")}, options, 100).outside, 0u);
  options.fault = SC_LITMUS_FAULT_DUP_FORGETS_CLOEXEC;
  EXPECT_GT(run({written("fd 0 memfd\nthread\n dup3 0 1 cloexec\nthread\n getfd 0\n")}, options, 100).outside, 0u);
}

TEST_F(OnTheKernel, DescriptionsAreToldApartNotOnlyKinds) {
  const Campaign c = run({written("fd 0 memfd\nfd 1 memfd\nthread\n dup2 0 2\nthread\n dup2 1 2\n")}, {}, 2000);
  EXPECT_EQ(c.outside, 0u);
  CampaignOptions options;
  options.hides = [](const litmus::Test& test, const sc_litmus_outcome& o) {
    return describe(test, o) == "2 | 2 {0:w0 1:w1 2:w1}";
  };
  EXPECT_EQ(run({written("fd 0 memfd\nfd 1 memfd\nthread\n dup2 0 2\nthread\n dup2 1 2\n")}, options, 20000).outside,
            1u);
}

// The process that watches the run records such an outcome (impl/litmus/arena/fresh.c): the campaign never hangs.
TEST_F(OnTheKernel, WhatWaitsStopsOrEndsIsAnOutcome) {
  for (const char* text : {"thread\n fifo a read\nthread\n memfd\n", "thread\n kill STOP\nthread\n memfd\n",
                           "thread\n kill TERM\nthread\n memfd\n", "thread\n kill TSTP\nthread\n kill_group TSTP\n",
                           "fds 0 1 pipe\nthread\n close_range 0 max unshare\nthread\n dup 0\n"}) {
    const Campaign c = run({written(text)}, {}, 100);
    EXPECT_EQ(c.judged, 1u) << text;
    EXPECT_EQ(c.outside, 0u) << text;
    EXPECT_GT(c.seen, 0u) << text;
  }
}

TEST_F(OnTheKernel, EveryClassOfTestsKeepsToTheModel) {
  std::vector<litmus::Test> tests = all_tests(), some;
  for (std::size_t i = 0; i < tests.size(); i += 97) some.push_back(tests[i]);
  const Campaign c = run(some, {}, 60);
  EXPECT_EQ(c.judged, some.size());
  for (std::size_t i = 0; i < some.size(); ++i)
    for (const SeenOutcome& o : c.results[i].outside)
      ADD_FAILURE() << some[i].name << ": " << o.text << " in " << o.count << " of " << c.results[i].runs;
}

}  // namespace
}  // namespace spawncheck::litmus
