// SPDX-License-Identifier: MIT
//
// The command line as its users meet it: exit statuses, messages, JSON, and a replay command that replays.
#include "properties/on_the_kernel.h"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace spawncheck {
namespace {

struct Output {
  int status = -1;
  std::string text;
};

Output shell(const std::string& command) {
  Output out;
  FILE* pipe = popen((command + " </dev/null").c_str(), "re");
  if (pipe == nullptr) return out;
  std::array<char, 4096> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) out.text += buffer.data();
  const int status = pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

class Tool : public ::testing::Test {
 protected:
  Tool() {
    char name[] = "/tmp/spawncheck-tool-XXXXXX";
    directory = mkdtemp(name);
  }
  ~Tool() override { std::filesystem::remove_all(directory); }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(directory + "/" + name) << text;
    return directory + "/" + name;
  }
  Output spawncheck(const std::string& arguments) { return shell(directory_of_binaries() + "/spawncheck " + arguments); }
  std::string directory;
};

const char swap[] = "fd 3 memfd\nfd 4 memfd\nthread\n  spawn only hold keep 3>4,4>3 -> $0\n";

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
}

TEST_F(Tool, ExpectationsDecide) {
  const std::string text = std::string(swap) + "expect holds\nexpect violated fd.kept by canary\n";
  EXPECT_EQ(spawncheck("run " + file("met", text)).status, 0);
  EXPECT_EQ(spawncheck("run --implementation canary " + file("met", text)).status, 0);
  EXPECT_EQ(spawncheck("run " + file("unmet", std::string(swap) + "expect violated\n")).status, 1);
}

TEST_F(Tool, JsonIsOneObjectALineWithWhatAViolationMustSay) {
  const Output out = spawncheck("run --json --implementation canary " + file("swap", swap));
  const auto object = nlohmann::json::parse(out.text, nullptr, false);
  ASSERT_FALSE(object.is_discarded()) << out.text;
  for (const char* key : {"verdict", "clause", "scenario", "schedule", "implementation", "strategy", "kernel", "observed", "allowed", "replay"})
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
                                file("large", "fd 0 null\nfd 3 memfd\nfd 4 memfd\nfd 9 eventfd\nthread\n  memfd\n  spawn only hold keep 3>4,4>3,9>8 mask none -> $0\nthread\n  eventfd\n"));
  EXPECT_EQ(out.status, 1);
  EXPECT_NE(out.text.find("keep 3>4,4>3 -> $0\n"), std::string::npos) << out.text;
  EXPECT_EQ(out.text.find("eventfd"), std::string::npos) << out.text;
}

TEST_F(Tool, ASharedObjectTakesTheReferencesPlace) {
  const Output out = spawncheck("run --implementation " + directory_of_binaries() + "/canary.so " + file("swap", swap));
  EXPECT_EQ(out.status, 1);
  EXPECT_NE(out.text.find("fd.kept"), std::string::npos);
  EXPECT_EQ(spawncheck("run --implementation " + directory_of_binaries() + "/mutants/control.so " + file("swap", swap)).status, 0);
}

TEST_F(Tool, ListsWhatThereIs) {
  for (const char* what : {"ops", "clauses", "implementations", "mutants"}) {
    const Output out = spawncheck(std::string("list ") + what + " --json");
    EXPECT_EQ(out.status, 0);
    std::istringstream lines(out.text);
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) EXPECT_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded()) << line;
    EXPECT_GT(count, 3) << what;
  }
}

TEST_F(Tool, SecondsBoundTheCall) {
  const Output out = spawncheck("check --seconds 2");
  EXPECT_EQ(out.status, 0) << out.text;
}

}  // namespace
}  // namespace spawncheck
