// SPDX-License-Identifier: MIT
//
// The command line as its users meet it: exit statuses, messages, JSON, and a replay command that replays.
#include <fcntl.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "impl/session/running_kernel.h"
#include "properties/command.h"
#include "properties/on_the_kernel.h"
#include "properties/rounds.h"

namespace spawncheck {
namespace {

class Tool : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) { return scratch.file(name, text); }
  Output spawncheck(const std::string& arguments) {
    return shell(directory_of_binaries() + "/spawncheck " + arguments);
  }
  const Scratch scratch;
  const std::string directory = scratch.path;
};

// "--seconds N", N longer where the machine is said to be slow.
std::string seconds(unsigned n) { return " --seconds " + std::to_string(n * slowness_of_machine()) + " "; }

const char swap[] = "fd 3 memfd\nfd 4 memfd\nthread\n  spawn only hold keep 3>4,4>3 -> $0\n";

TEST_F(Tool, CheckAllCollectsDistinctFindings) {
  const Output out = spawncheck("check --all --json --implementation canary" + seconds(12) + "--save " + directory);
  EXPECT_EQ(out.status, 1) << out.text;
  nlohmann::json last;
  std::istringstream lines(out.text);
  for (std::string line; std::getline(lines, line);) last = nlohmann::json::parse(line);
  EXPECT_EQ(last["verdict"], "violated");
  std::set<std::string> clauses, keys;
  ASSERT_GE(last["findings"].size(), 2u) << last;
  for (const auto& f : last["findings"]) {
    clauses.insert(f["clause"]);
    EXPECT_TRUE(
        keys.insert(f["clause"].get<std::string>() + f["step"].get<std::string>() + f["shape"].get<std::string>())
            .second)
        << f;
    EXPECT_GE(f["times"].get<unsigned>(), 1u);
    EXPECT_TRUE(std::filesystem::exists(f["file"].get<std::string>())) << f;
  }
  EXPECT_GE(clauses.size(), 2u) << last;
  const Output again = shell(last["findings"][0]["replay"].get<std::string>().replace(
      0, std::string("spawncheck").size(), directory_of_binaries() + "/spawncheck"));
  EXPECT_EQ(again.status, 0) << again.text;  // the file says what it expects
  EXPECT_NE(again.text.find("as expected"), std::string::npos) << again.text;
}

TEST_F(Tool, CheckWithOwnDescriptorsFindsWhatNoThreadOfAnotherDoes) {
  EXPECT_EQ(spawncheck("check --own-descriptors --runs 200").status, 0);
  EXPECT_EQ(spawncheck("check --own-descriptors --implementation canary --runs 2000").status, 1);
}

TEST_F(Tool, ExitStatusesAreThoseOfTheVerdicts) {
  const std::string good = file("good", swap);
  EXPECT_EQ(spawncheck("run " + good).status, 0);
  EXPECT_EQ(spawncheck("run --implementation canary " + good).status, 1);
  EXPECT_EQ(spawncheck("run --implementation posix_spawn " + good).status, 4);
  EXPECT_EQ(spawncheck("run " + file("killed", "thread\n  kill TERM\n")).status, 3);
}

TEST_F(Tool, BadUsageIsTwoAndSaysWhy) {
  EXPECT_EQ(spawncheck("2>&1").status, 2);
  EXPECT_EQ(spawncheck("dance 2>&1").status, 2);
  EXPECT_EQ(spawncheck("run 2>&1").status, 2);
  EXPECT_EQ(spawncheck("run /no/such/file 2>&1").status, 2);
  EXPECT_EQ(spawncheck("run " + directory + " 2>&1").status, 2);
  EXPECT_EQ(spawncheck("run --implementation sausage " + file("good", swap) + " 2>&1").status, 2);
  const Output malformed = spawncheck("run " + file("bad", "fd 3 memfd\nthread\n  sing\n") + " 2>&1");
  EXPECT_EQ(malformed.status, 2);
  EXPECT_NE(malformed.text.find("bad:3:3: expected an operation"), std::string::npos) << malformed.text;
  EXPECT_EQ(spawncheck("run " + file("huge", std::string(100'000, '#')) + " 2>&1").status, 2);
  for (const char* how : {"--lockstep", "--watch"}) {
    const Output out = spawncheck("run --json " + std::string(how) + " " + file("good", swap) + " 2>&1");
    EXPECT_EQ(out.status, 2) << how << out.text;
    EXPECT_NE(out.text.find("they have no --json"), std::string::npos) << how << out.text;
  }
}

// Else a finding would be lost at the end of a long search.
TEST_F(Tool, AMissingDirectoryOfSaveIsFoundBeforeAnyRun) {
  const std::string good = file("good", swap), missing = directory + "/missing";
  for (const std::string& command :
       {std::string("check --implementation canary --runs 500"), "schedules --implementation canary " + good,
        "shrink --implementation canary " + good, std::string("litmus --runs 1 --tests none")}) {
    const Output out = spawncheck(command + " --save " + missing + " 2>&1");
    EXPECT_EQ(out.status, 2) << command << out.text;
    EXPECT_EQ(out.text, "spawncheck: --save " + missing + ": No such file or directory\n") << command;
  }
  EXPECT_EQ(spawncheck("check --runs 1 --save " + good + " 2>&1").status, 2) << "no directory";
}

// A world that got a lower limit than it asked for once accused a correct spawn, whose target was above the limit.
TEST_F(Tool, NumbersAndLimitsAboveTheHardLimitAreUnsupported) {
  for (const char* text : {"fd 700 memfd\nthread\n  spawn only hold keep 700>3 -> $0\nexpect holds\n",
                           "limit 600\nfd 5 memfd\nthread\n  spawn only hold keep 5>550 -> $0\n",
                           "limit 60\nfd 5 memfd\nthread\n  limit 600\n  dup2 5 550 -> $0\n"})
    for (const char* how : {"run ", "run --trace ", "run --lockstep "}) {
      const std::string command = directory_of_binaries() + "/spawncheck " + how + file("high", text);
      const Output out = shell("ulimit -n 512; " + command);
      EXPECT_EQ(out.status, 4) << how << text << out.text;
      EXPECT_NE(out.text.find("(ulimit -Hn) is 512"), std::string::npos) << how << out.text;
    }
}

TEST_F(Tool, ARunThatIsNotMadeShowsNothingOfAnEarlierOne) {
  const std::string good = file("good", std::string("limit 100\n") + swap);
  const std::string high = file("high", "fd 700 memfd\nthread\n  spawn only hold keep 700>3 -> $0\n");
  const std::string run = "ulimit -n 512; " + directory_of_binaries() + "/spawncheck run ", files = good + " " + high;
  const std::string traced = shell(run + "--trace " + files).text;
  EXPECT_NE(traced.find(good + ": holds\n" + high + ": unsupported\n"), std::string::npos) << traced;
  const std::string watched = shell(run + "--watch " + files).text;
  const std::size_t at = watched.find(high + ":\nunsupported: ");
  ASSERT_NE(at, std::string::npos) << watched;
  EXPECT_EQ(std::count(watched.begin() + static_cast<std::ptrdiff_t>(at), watched.end(), '\n'), 2) << watched;
}

// In some orders the strategy meets a documented limit; the others are decided.
TEST_F(Tool, ASearchHoldsThoughSomeOfItsRunsAreUnsupported) {
  const Output out = spawncheck("schedules --strategy staged " SPAWNCHECK_SOURCE_DIRECTORY
                                "/corpus/regressions/window-number-written-by-another-thread.scenario 2>&1");
  if (out.text.rfind("unsupported", 0) == 0) GTEST_SKIP() << out.text;
  EXPECT_EQ(out.status, 0) << out.text;
  EXPECT_EQ(out.text.find(" 0 hold"), std::string::npos) << out.text;
  EXPECT_EQ(out.text.find(" 0 unsupported"), std::string::npos) << out.text;
}

TEST_F(Tool, JsonIsOneObjectALineWithWhatAViolationMustSay) {
  const Output out = spawncheck("run --json --implementation canary " + file("swap", swap));
  const auto object = nlohmann::json::parse(out.text, nullptr, false);
  ASSERT_FALSE(object.is_discarded()) << out.text;
  for (const char* key : {"verdict", "clause", "scenario", "schedule", "implementation", "strategy", "kernel",
                          "observed", "allowed", "replay"})
    EXPECT_TRUE(object.contains(key)) << key;
  EXPECT_EQ(object["verdict"], "violated");
  EXPECT_EQ(object["clause"], "fd.kept");
}

TEST_F(Tool, CheckFindsTheCanaryAndItsReplayCommandReplays) {
  const Output out = spawncheck("check --implementation canary --runs 500 --seed 3");
  ASSERT_EQ(out.status, 1) << out.text;
  EXPECT_EQ(out.text.rfind("seed 3\n", 0), 0u);
  const std::size_t at = out.text.find("replay:\n");
  ASSERT_NE(at, std::string::npos);
  std::ofstream(directory + "/replay") << "PATH=" << directory_of_binaries() << ":$PATH\n" << out.text.substr(at + 8);
  EXPECT_EQ(shell("sh " + directory + "/replay").status, 1);
}

TEST_F(Tool, AFaultThatShowsAViolationIsALineOfTheSavedScenario) {
  const std::string mutant = "--implementation " + directory_of_binaries() + "/mutants/clone-mask-left.so ";
  const std::string scenario = file("scenario", "fd 0 null\nfd 5 memfd\nthread\n  spawn only hold keep 5>3 -> $0\n");
  const std::string saved = directory + "/saved";
  std::filesystem::create_directory(saved);
  ASSERT_EQ(spawncheck("schedules --faults " + mutant + "--save " + saved + " " + scenario).status, 1);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(saved)) {
    ++files;
    EXPECT_EQ(spawncheck("run " + mutant + entry.path().string()).status, 0) << "it says what is expected";
    EXPECT_EQ(spawncheck("shrink " + mutant + entry.path().string()).status, 1);
    EXPECT_NE(shell("cat " + entry.path().string()).text.find("\nfault "), std::string::npos);
  }
  EXPECT_EQ(files, 1);
}

TEST_F(Tool, CheckSavesAScenarioThatRunMeets) {
  ASSERT_EQ(spawncheck("check --implementation canary --runs 500 --save " + directory).status, 1);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    ++files;
    EXPECT_EQ(spawncheck("run --implementation canary " + entry.path().string()).status, 0);
  }
  EXPECT_EQ(files, 1);
}

TEST_F(Tool, ShrinkFindsTheSmallest) {
  const Output out = spawncheck("shrink --implementation canary " +
                                file("large",
                                     "fd 0 null\nfd 3 memfd\nfd 4 memfd\nfd 9 eventfd\nthread\n  memfd\n  spawn only "
                                     "hold keep 3>4,4>3,9>8 mask none -> $0\nthread\n  eventfd\n"));
  EXPECT_EQ(out.status, 1);
  EXPECT_NE(out.text.find("keep 3>4,4>3 -> $0\n"), std::string::npos) << out.text;
  EXPECT_EQ(out.text.find("eventfd"), std::string::npos) << out.text;
}

const char race[] = "fd 0 null\nfd 5 memfd cloexec\nthread\n  spawn only hold keep 5>3 -> $0\nthread\n  memfd -> $0\n";

TEST_F(Tool, AScheduleThatCannotBeIsTwoAndSaysWhere) {
  const Output nobody = spawncheck("run " + file("nobody", std::string(race) + "schedule 0 0 4\n") + " 2>&1");
  EXPECT_EQ(nobody.status, 2);
  const Output later = spawncheck("run " + file("later", std::string(race) + "schedule 0 1 1\n") + " 2>&1");
  EXPECT_EQ(later.status, 2);
  EXPECT_NE(later.text.find("turn 3 (1): this task cannot go now; enabled: 0"), std::string::npos) << later.text;
  const Output child = spawncheck("run " + file("child", std::string(race) + "schedule 0.0\n") + " 2>&1");
  EXPECT_EQ(child.status, 2);
  EXPECT_NE(child.text.find("turn 1 (0.0): there is no such task yet"), std::string::npos) << child.text;
}

TEST_F(Tool, ADeadlockIsToldWithTheStateOfEachTask) {
  const Output out = spawncheck("run --trace " + file("lonely", "thread\n  fifo a read\nthread\n  memfd\n"));
  EXPECT_NE(out.text.find("deadlock: 0 sleeps in openat, 1 has finished"), std::string::npos) << out.text;
}

TEST_F(Tool, AScheduledFindingIsReplayedByItsSchedule) {
  const Output out =
      spawncheck("check --mode scheduled --implementation canary --runs 500 --seed 3 --save " + directory);
  ASSERT_EQ(out.status, 1) << out.text;
  EXPECT_NE(out.text.find("reproduces in 20 of 20 runs, 20 of them with the same trace"), std::string::npos)
      << out.text;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    ++files;
    EXPECT_EQ(spawncheck("run --implementation canary " + entry.path().string()).status, 0);
    EXPECT_EQ(spawncheck("shrink --implementation canary " + entry.path().string()).status, 1);
  }
  EXPECT_EQ(files, 1);
}

TEST_F(Tool, EveryScheduleIsCounted) {
  const Output out = spawncheck("schedules --json " + file("race", race));
  EXPECT_EQ(out.status, 0) << out.text;
  const auto object = nlohmann::json::parse(out.text, nullptr, false);
  ASSERT_FALSE(object.is_discarded()) << out.text;
  EXPECT_EQ(object["complete"], true);
  EXPECT_EQ(spawncheck("schedules --search pct --runs 20 " + file("race", race)).status, 0);
  EXPECT_EQ(spawncheck("schedules --search sideways " + file("race", race) + " 2>&1").status, 2);
  EXPECT_EQ(spawncheck("schedules --implementation " + directory_of_binaries() + "/mutants/sequential.so " +
                       file("swap", swap))
                .status,
            1);
  EXPECT_EQ(
      spawncheck("schedules --implementation " + directory_of_binaries() + "/provoke/long.so " + file("long", swap))
          .status,
      3)
      << "a run of more steps than a trace holds";
}

// The tool in a sandbox that refuses one system call with EPERM.
Output sandboxed(int call, const std::string& arguments, const std::string& out_file) {
  Output out;
  const pid_t pid = fork();
  if (pid == 0) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == nullptr || seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0) != 0 || seccomp_load(filter) != 0)
      _exit(99);
    const std::string command = "ASAN_OPTIONS=detect_leaks=0 " + directory_of_binaries() + "/spawncheck " + arguments +
                                " >" + out_file + " 2>&1 </dev/null";
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(98);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return out;
  std::stringstream text;
  text << std::ifstream(out_file).rdbuf();
  return {WEXITSTATUS(status), text.str()};
}

// Without ptrace(2) a scheduled run is unsupported, with one line that says why.
TEST_F(Tool, PtraceRefusedIsUnsupported) {
  const std::string race_file = file("race", race);
  for (const char* how : {"run --trace ", "run --lockstep "}) {
    const Output out = sandboxed(SCMP_SYS(ptrace), how + race_file, directory + "/out");
    EXPECT_EQ(out.status, 4) << how << out.text;
    EXPECT_NE(out.text.find("ptrace(PTRACE_SEIZE)"), std::string::npos) << out.text;
  }
}

// Otherwise the judge would accuse a spawn whose errno says only that this kernel lacks the strategy.
TEST_F(Tool, AForcedStrategyThatTheKernelLacksIsUnsupported) {
  if (probed(Behaviour::close_range_except).answer == Answer::yes) GTEST_SKIP() << "this kernel has CLOSE_RANGE_EXCEPT";
  const std::string swap_file = file("swap", swap), race_file = file("race", race);
  for (const std::string& arguments :
       {"run --strategy except " + swap_file, std::string("check --strategy except"),
        std::string("check --mode scheduled --strategy except"), "run --lockstep --strategy except " + swap_file,
        "schedules --strategy except " + race_file, "run --trace --strategy except " + race_file}) {
    const Output out = spawncheck(arguments + " 2>&1");
    EXPECT_EQ(out.status, 4) << arguments << "\n" << out.text;
    EXPECT_NE(out.text.find("CLOSE_RANGE_EXCEPT"), std::string::npos) << arguments << "\n" << out.text;
    EXPECT_EQ(out.text.find("violated"), std::string::npos) << out.text;
  }
}

TEST_F(Tool, AForcedStrategyThatTheSandboxRefusesIsUnsupported) {
  const std::string swap_file = file("swap", swap);
  const Output out = sandboxed(SCMP_SYS(pidfd_getfd), "run --strategy fetched " + swap_file, directory + "/out");
  EXPECT_EQ(out.status, 4) << out.text;
  EXPECT_NE(out.text.find("EPERM"), std::string::npos) << out.text;
}

std::string provoke(const std::string& word) {
  return " --implementation " + directory_of_binaries() + "/provoke/" + word + ".so ";
}

std::vector<nlohmann::json> objects(const std::string& text) {
  std::vector<nlohmann::json> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out.push_back(nlohmann::json::parse(line, nullptr, false));
  return out;
}

// 6,000 visible calls: the run is cut, and nothing is decided.
TEST_F(Tool, ARunThatIsCutShortIsInconclusive) {
  const std::string swap_file = file("swap", swap);
  EXPECT_EQ(spawncheck("run --trace" + provoke("long") + swap_file).status, 3);
  EXPECT_EQ(spawncheck("schedules --search random --runs 2" + provoke("long") + swap_file).status, 3);
}

TEST_F(Tool, AServerThatDiesIsBroken) {
  const std::string swap_file = file("swap", swap);
  EXPECT_EQ(spawncheck("run" + provoke("kills") + swap_file + " 2>&1").status, 5);
  EXPECT_EQ(spawncheck("run --lockstep" + provoke("kills") + swap_file + " 2>&1").status, 5);
  EXPECT_EQ(spawncheck("check --runs 50" + provoke("kills") + " 2>&1").status, 5);
}

TEST_F(Tool, WhatDoesNotComeBackIsSuspectedAndHidesNothingBehindIt) {
  const std::string once = "SPAWNCHECK_ONCE=" + directory + "/once ";
  const std::string check = directory_of_binaries() + "/spawncheck check --runs 300 --json" + provoke("once");
  const Output alone = shell(once + check + "--save " + directory);
  EXPECT_EQ(alone.status, 3) << alone.text;
  const std::vector<nlohmann::json> said = objects(alone.text);
  ASSERT_EQ(said.size(), 2u) << alone.text;
  EXPECT_EQ(said[0]["suspected"], true);
  EXPECT_EQ(said[0]["clause"], "fd.untouched");
  EXPECT_EQ(said[0]["violations"], 0);
  EXPECT_EQ(said[0]["runs"], 20);
  for (const char* key : {"history", "load_average", "scenario", "observed"})
    EXPECT_TRUE(said[0]["evidence"].contains(key)) << key;
  EXPECT_FALSE(said[0]["evidence"]["history"]["threads"].empty());
  EXPECT_EQ(said[1]["suspected"], 1);
  EXPECT_GT(said[1]["holds"], 0) << "it went on";
  EXPECT_EQ(said[1]["scenarios"], said[1]["holds"].get<int>() + 1 + said[1]["inconclusive"].get<int>() +
                                      said[1]["unsupported"].get<int>() + said[1]["broken"].get<int>());
  int scenarios = 0, histories = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    scenarios += entry.path().extension() == ".scenario";
    histories += entry.path().extension() == ".json";
  }
  EXPECT_EQ(scenarios, 1);
  EXPECT_EQ(histories, 1);

  std::filesystem::remove(directory + "/once");
  const Output both = shell("SPAWNCHECK_THEN=1 " + once + check);
  EXPECT_EQ(both.status, 1) << both.text;
  const std::vector<nlohmann::json> told = objects(both.text);
  ASSERT_EQ(told.size(), 2u) << both.text;
  EXPECT_EQ(told[0]["suspected"], true);
  EXPECT_EQ(told[1]["verdict"], "violated");
  EXPECT_EQ(told[1]["clause"], "proc.child");
}

// The tool cannot tell how full the machine was, so it reports no violation; it says why runs were inconclusive.
TEST_F(Tool, ASearchThatHoldsSaysWhyOthersWereInconclusive) {
  const Output out = spawncheck("check --runs 60" + provoke("full"));
  EXPECT_EQ(out.status, 0) << out.text;
  EXPECT_EQ(out.text.find(" 0 inconclusive"), std::string::npos) << out.text;
  EXPECT_NE(out.text.find(" inconclusive, the first: spawn of thread "), std::string::npos) << out.text;
  EXPECT_NE(out.text.find("failed with errno 11: the machine may be out of processes"), std::string::npos) << out.text;
}

// A libc sets a restorer of its own with each action, which no program can tell from another.
TEST_F(Tool, AnActionThatALibcPutsBackIsAsBefore) {
  const std::string actions = file("actions",
                                   "disposition USR1 handler\ndisposition PIPE ignore\nthread\n"
                                   "  spawn drop hold -> $0\n");
  const Output out = spawncheck("run --runs 3" + provoke("again") + actions);
  EXPECT_EQ(out.status, 0) << out.text;
}

TEST_F(Tool, ASuspicionSaysFirstThatItDidNotComeBack) {
  for (const char* mode : {"free", "scheduled"}) {
    const Output out = shell("SPAWNCHECK_ONCE=" + directory + "/" + mode + " " + directory_of_binaries() +
                             "/spawncheck check --runs 40 --mode " + mode + provoke("once"));
    EXPECT_EQ(out.status, 3) << out.text;
    const std::size_t at = out.text.find("suspected fd.untouched, seen once, ");
    ASSERT_NE(at, std::string::npos) << out.text;
    const std::string line = out.text.substr(at, out.text.find('\n', at) - at);
    EXPECT_NE(line.find("reproduces in 0 of 20"), std::string::npos) << line;
    EXPECT_EQ(out.text.find("\nviolated "), std::string::npos) << out.text;
    EXPECT_NE(out.text.find("1 suspected"), std::string::npos) << out.text;
    EXPECT_EQ(out.text.find("trace:") != std::string::npos, mode == std::string("scheduled")) << out.text;
  }
}

// A spawn that is declined without a call leaves nothing to compare; beside a run that agrees this is no failure.
TEST_F(Tool, ALockstepRunWithNothingToCompareDoesNotAgree) {
  const std::string swap_file = file("swap", swap),
                    inherit_file = file("inherit", "fd 3 memfd\nthread\n  spawn inherit hold -> $0\n");
  const Output alone = spawncheck("run --lockstep --implementation posix_spawn " + swap_file);
  EXPECT_EQ(alone.status, 3) << alone.text;
  EXPECT_EQ(alone.text.find("agrees"), std::string::npos) << alone.text;
  EXPECT_EQ(spawncheck("run --lockstep --implementation posix_spawn " + swap_file + " " + inherit_file).status, 0);
}

TEST_F(Tool, RunTriesAViolationAgain) {
  const std::string swap_file = file("swap", swap), race_file = file("race", std::string(race) + "expect holds\n");
  for (const std::string& arguments :
       {provoke("once") + swap_file, provoke("once") + race_file, provoke("once") + "--trace " + swap_file}) {
    std::filesystem::remove(directory + "/once");
    const Output out =
        shell("SPAWNCHECK_ONCE=" + directory + "/once " + directory_of_binaries() + "/spawncheck run" + arguments);
    EXPECT_EQ(out.status, 3) << out.text;
    EXPECT_NE(out.text.find(": suspected fd.untouched, seen once, reproduces in 0 of 20 tries"), std::string::npos)
        << out.text;
  }
  std::filesystem::remove(directory + "/once");
  const Output json = shell("SPAWNCHECK_ONCE=" + directory + "/once " + directory_of_binaries() +
                            "/spawncheck run --json" + provoke("once") + swap_file);
  ASSERT_EQ(objects(json.text).size(), 1u) << json.text;
  EXPECT_EQ(objects(json.text)[0]["suspected"], true) << json.text;
  EXPECT_TRUE(objects(json.text)[0]["evidence"].contains("history"));
}

// No agreement without a comparison.
TEST(Lockstep, ARunThatDidNotRunDoesNotAgree) {
  const auto status_of = [](sc_run_end end, std::uint32_t steps) {
    const auto history = std::make_unique<sc_history>();
    history->end = static_cast<std::uint8_t>(end);
    lockstep::Comparison c;
    c.steps = steps;
    return lockstep_verdict(c, *history).status;
  };
  EXPECT_EQ(status_of(SC_RUN_COMPLETE, 5), Status::holds);
  EXPECT_EQ(status_of(SC_RUN_COMPLETE, 0), Status::inconclusive);
  EXPECT_EQ(status_of(SC_RUN_KILLED, 0), Status::inconclusive);
  EXPECT_EQ(status_of(SC_RUN_TIMEOUT, 5), Status::inconclusive);
  EXPECT_EQ(status_of(SC_RUN_MISLED, 5), Status::inconclusive);
  EXPECT_EQ(status_of(SC_RUN_REFUSED, 0), Status::unsupported);
  EXPECT_EQ(status_of(SC_RUN_BROKEN, 0), Status::broken);
}

// The processes of a killed tool are reparented to their subreaper, here this test, and soon end.
TEST_F(Tool, KillingTheToolEndsEveryTracedProcess) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const std::string tool = directory_of_binaries() + "/spawncheck", race_file = file("race", race);
  const std::string seconds_max = std::to_string(60 * slowness_of_machine());
  const pid_t pid = fork();
  if (pid == 0) {
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; ++i) dup2(null, i);
    execl(tool.c_str(), "spawncheck", "schedules", "--search", "random", "--seconds", seconds_max.c_str(),
          race_file.c_str(), nullptr);
    _exit(98);
  }
  // Every process that is traced is a child of the server, which is the tool's.
  const std::string has_traced = "for child in $(cat /proc/" + std::to_string(pid) +
                                 "/task/*/children); do cat /proc/$child/task/*/children; done 2>/dev/null";
  bool is_traced = false;
  for (unsigned i = 0; i < 1500 * slowness_of_machine() && !is_traced; ++i) {
    is_traced = !shell(has_traced).text.empty();
    if (!is_traced) usleep(10'000);
  }
  EXPECT_TRUE(is_traced);
  kill(pid, SIGKILL);
  int ended = 0;
  for (unsigned i = 0; i < 1500 * slowness_of_machine(); ++i) {
    const pid_t got = waitpid(-1, nullptr, WNOHANG | __WALL);
    if (got < 0) break;
    ended += got > 0;
    if (got == 0) usleep(10'000);
  }
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1) << "something still lives";
  EXPECT_GE(ended, 2);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_F(Tool, ASharedObjectTakesTheReferencesPlace) {
  const Output out = spawncheck("run --implementation " + directory_of_binaries() + "/canary.so " + file("swap", swap));
  EXPECT_EQ(out.status, 1);
  EXPECT_NE(out.text.find("fd.kept"), std::string::npos);
  EXPECT_EQ(spawncheck("run --implementation " + directory_of_binaries() + "/mutants/control.so " + file("swap", swap))
                .status,
            0);
}

TEST_F(Tool, ListsWhatThereIs) {
  for (const char* what : {"ops", "clauses", "implementations", "mutants"}) {
    const Output out = spawncheck(std::string("list ") + what + " --json");
    EXPECT_EQ(out.status, 0);
    std::istringstream lines(out.text);
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count)
      EXPECT_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded()) << line;
    EXPECT_GT(count, 3) << what;
  }
}

TEST_F(Tool, ExplainsClausesRulesAndTheKernel) {
  const Output clause = spawncheck("help fd.kept"), of_rule = spawncheck("help fd.kept/2");
  EXPECT_EQ(clause.status, 0);
  EXPECT_NE(clause.text.find("fd.kept/1\n"), std::string::npos) << clause.text;
  EXPECT_EQ(of_rule.text, clause.text);
  EXPECT_NE(spawncheck("help err.exact").text.find("ETXTBSY"), std::string::npos);
  EXPECT_EQ(spawncheck("help fd.lost 2>&1").status, 2);
  const Output kernel = spawncheck("kernel --json");
  EXPECT_EQ(kernel.status, 0);
  EXPECT_EQ(objects(kernel.text).size(), static_cast<std::size_t>(model::behaviour_count));
  for (const nlohmann::json& object : objects(kernel.text))
    for (const char* key : {"behaviour", "does", "known", "why", "meaning", "source", "since", "until", "how"})
      EXPECT_TRUE(object.contains(key)) << key;
}

TEST_F(Tool, TakesAKernelByReleaseAndBehaviours) {
  const std::string file = std::string(SPAWNCHECK_SOURCE_DIRECTORY) + "/corpus/seeds/claims/nothing-kept.scenario";
  for (const char* kernel : {"6.1.192", "6.18,exec-closes-before-wake", "6.18,-pidfd-thread", "close-range"}) {
    const Output out = spawncheck("explore --way vfork --json --kernel " + std::string(kernel) + " " + file);
    EXPECT_EQ(out.status, 0) << out.text;
    ASSERT_EQ(objects(out.text).size(), 1u) << out.text;
    EXPECT_EQ(objects(out.text)[0]["kernel"], kernel);
    EXPECT_EQ(objects(out.text)[0]["own-memory-at-return"], false);
    EXPECT_FALSE(objects(out.text)[0].contains("program-at-eof")) << "there is no pipe";
  }
  for (const char* command :
       {"explore --kernel 6.18,exec-closes ", "explore --claims --kernel wish ", "refine --kernel 6 "}) {
    const Output out = spawncheck(command + (command[0] == 'r' ? std::string() : file) + " 2>&1");
    EXPECT_EQ(out.status, 2) << out.text;
    EXPECT_NE(out.text.find("the behaviours are exec-closes-before-wake, "), std::string::npos) << out.text;
  }
}

// `explore --claims --kernel` puts the claims to any kernel: it has no expectations, and the table shows the results.
TEST_F(Tool, AsksClaimsOnAnyKernel) {
  const std::string file = std::string(SPAWNCHECK_SOURCE_DIRECTORY) + "/corpus/seeds/claims/error-pipe.scenario";
  const Output out = spawncheck("explore --claims --kernel 6.18,exec-closes-before-wake " + file);
  EXPECT_EQ(out.status, 0) << out.text;
  EXPECT_NE(out.text.find("| error-pipe | vfork | 6.18,exec-closes-before-wake |"), std::string::npos) << out.text;
  EXPECT_EQ(out.text.find("| 6.1.100 |"), std::string::npos) << out.text;
}

// Without its bound of seconds this call would run for days.
TEST_F(Tool, SecondsBoundTheCall) {
  constexpr unsigned runs_max = 4'000'000'000;
  const Output out = spawncheck("check --json --runs " + std::to_string(runs_max) + seconds(2));
  EXPECT_EQ(out.status, 0) << out.text;
  ASSERT_EQ(objects(out.text).size(), 1u) << out.text;
  EXPECT_GT(objects(out.text)[0]["runs"], 0u) << out.text;
  EXPECT_LT(objects(out.text)[0]["runs"], runs_max) << out.text;
}

// The first spawn outlasts --seconds: the violation is then tried once more, not shrunk and not tried 20 times.
TEST_F(Tool, SecondsBoundShrinkingAndConfirmingToo) {
  const Output out = shell("SPAWNCHECK_SLOW=" + directory + "/byte-a-spawn " + directory_of_binaries() +
                           "/spawncheck check --json" + seconds(1) + provoke("slow"));
  ASSERT_EQ(out.status, 1) << out.text;
  EXPECT_EQ(objects(out.text).at(0)["runs"], 1) << out.text;
  EXPECT_LT(std::filesystem::file_size(directory + "/byte-a-spawn"), 20u) << out.text;
}

// A campaign stores what it found, not each test that it made: one that finds nothing stores nothing.
TEST_F(Tool, LitmusStoresOnlyWhatIsOutsideTheModel) {
  const std::string store = directory + "/store";
  std::filesystem::create_directory(store);
  const std::string test = file("two-closes", "fd 3 memfd\nthread\n  close 3\nthread\n  close 3\n");
  const Output out = spawncheck("litmus --runs 50 --save " + store + " " + test + " 2>&1");
  EXPECT_EQ(out.status, 0) << out.text;
  EXPECT_TRUE(std::filesystem::is_empty(store)) << out.text;
}

}  // namespace
}  // namespace spawncheck
