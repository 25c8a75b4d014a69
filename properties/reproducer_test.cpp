// SPDX-License-Identifier: MIT
//
// The stand-alone program of a scenario reports what the recorded run reported; where no program can, it is refused.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "impl/reproducer/calls.h"
#include "impl/reproducer/program.h"
#include "impl/session/finding.h"
#include "model/scenario/visible.h"
#include "properties/command.h"

namespace spawncheck {
namespace {

const std::filesystem::path corpus = std::filesystem::path(SPAWNCHECK_SOURCE_DIRECTORY) / "corpus";

Scenario read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  auto parsed = parse(text.str());
  EXPECT_TRUE(std::holds_alternative<Scenario>(parsed)) << path;
  return std::get<Scenario>(parsed);
}

std::vector<std::filesystem::path> scenarios_below(const char* folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(corpus / folder))
    if (entry.path().extension() == ".scenario") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

class Reproducer : public ::testing::Test {
 protected:
  std::unique_ptr<Session> session(const std::string& implementation) {
    SessionOptions options;
    options.implementation = implementation;
    std::string error;
    std::unique_ptr<Session> out = Session::start(options, error);
    EXPECT_NE(out, nullptr) << error;
    return out;
  }

  // Compiles and runs a program, and compares. The text of both goes into the message of a failure.
  void expect_same(const Program& program, const std::string& what) {
    const std::string source = scratch.file("x.c", program.text), binary = scratch.path + "/x";
    const Output compiled = shell("cc -Wall -o " + binary + " " + source + " -pthread 2>&1");
    ASSERT_EQ(compiled.status, 0) << what << "\n" << compiled.text;
    const Output ran = shell(binary + " 2>&1");
    const Verdict& verdict = program.recorded.verdict;
    EXPECT_EQ(ran.status, verdict.status == Status::violated ? 1 : 0) << what << "\n" << ran.text << verdict.observed;
    if (verdict.status != Status::violated) return;
    bool is_told = false;
    for (const Breach& b : breaches_of(verdict))
      is_told |= ran.text.find("violated " + std::string(name(b.clause))) != std::string::npos;
    EXPECT_TRUE(is_told) << what << ": " << name(*verdict.clause) << "\n" << ran.text;
    ++violated;
  }

  void try_all(const std::string& implementation, const std::vector<std::filesystem::path>& files, unsigned one_in) {
    const std::unique_ptr<Session> s = session(implementation);
    ASSERT_NE(s, nullptr);
    for (std::size_t i = 0; i < files.size(); i += one_in) {
      const Program program = program_of(*s, read(files[i]));
      EXPECT_NE(program.text.empty(), program.refused.empty());
      ++(program.text.empty() ? refused : written);
      if (!program.text.empty()) expect_same(program, implementation + " " + files[i].string());
    }
  }

  const Scratch scratch;
  unsigned written = 0, refused = 0, violated = 0;
};

constexpr unsigned sample = 6;  // every sixth file: each takes a compiler

TEST_F(Reproducer, SaysOfTheReferenceThatItHolds) {
  try_all("reference", scenarios_below("seeds"), sample);
  try_all("reference", scenarios_below("regressions"), sample);
  EXPECT_GT(written, refused);
  EXPECT_EQ(violated, 0u);
}

// The caller gets one pidfd, even if the clone returns only after the child's exec, or if clone3(2) failed before.
TEST_F(Reproducer, OwesThePidfdOfASpawnOnce) {
  const std::string control = directory_of_binaries() + "/mutants/control.so";
  if (!std::filesystem::exists(control)) GTEST_SKIP() << control << " is not built";
  const std::unique_ptr<Session> s = session(control);
  ASSERT_NE(s, nullptr);
  const auto without_clone3 = parse("refuse clone3 ENOSYS\nthread\n  spawn only hold pidfd -> $0 $1\n");
  for (const Scenario& scenario :
       {read(corpus / "seeds/processes/pidfd.scenario"), std::get<Scenario>(without_clone3)}) {
    const Program program = program_of(*s, scenario);
    ASSERT_EQ(program.refused, "");
    EXPECT_EQ(program.recorded.verdict.status, Status::holds) << program.recorded.verdict.observed;
    expect_same(program, print(scenario));
  }
}

TEST_F(Reproducer, ShowsWhatTheCanaryViolates) {
  try_all("canary", scenarios_below("seeds/keep"), 2);
  try_all("canary", {corpus / "seeds/races/flag-of-a-kept-one.scenario"}, 1);
  EXPECT_GE(violated, 3u);
  EXPECT_GT(written, refused);
}

TEST_F(Reproducer, SaysWhatForkExecAndPosixSpawnDo) {
  try_all("fork_exec", scenarios_below("seeds/errors"), 2);
  try_all("fork_exec", scenarios_below("seeds/races"), 2);
  try_all("posix_spawn", scenarios_below("seeds/descriptors"), 2);
  EXPECT_GT(written, refused);
}

// The program shows a planted bug that system calls show; any other bug is refused with a reason, never passed over.
TEST_F(Reproducer, ShowsPlantedBugsOrRefusesThem) {
  for (const auto& file : scenarios_below("contract")) {
    const Scenario scenario = read(file);
    std::string bug;
    for (const Expectation& e : scenario.expectations)
      if (e.status == Status::violated) bug = e.implementation;
    const std::string object = directory_of_binaries() + "/mutants/" + bug + ".so";
    if (bug.empty() || !std::filesystem::exists(object)) continue;
    const std::unique_ptr<Session> s = session(object);
    ASSERT_NE(s, nullptr);
    for (const bool writes_calls : {false, true}) {
      // A program cannot force an order within the call of an object: a bug that needs one may not show.
      if (!writes_calls && scenario.threads.size() > 1) continue;
      ProgramOptions how;
      how.writes_calls = writes_calls;
      const Program program = program_of(*s, scenario, how);
      ++(program.text.empty() ? refused : written);
      if (!program.text.empty()) expect_same(program, bug + (writes_calls ? ", its calls" : ", the object"));
    }
  }
  EXPECT_GE(violated, 6u);
}

// A call as it is written, or why it cannot be.
std::string written_as(sc_visible call, std::initializer_list<std::int64_t> arguments, const char* path = "") {
  Recorded recorded;
  recorded.trace = std::make_shared<const sc_trace>();
  recorded.history = std::make_shared<const sc_history>();
  sc_step step{};
  step.call = static_cast<std::uint8_t>(call);
  std::copy(arguments.begin(), arguments.end(), step.arg);
  std::strncpy(reinterpret_cast<char*>(&step.pointee), path, sizeof step.pointee);
  std::string why;
  const std::string text = call_text(recorded, step, why);
  return why.empty() ? text : why;
}

TEST(ReproducerCalls, AreWrittenWithTheirArgumentsOrRefused) {
  EXPECT_EQ(written_as(SC_VISIBLE_openat, {AT_FDCWD, 0, O_DIRECTORY | O_CLOEXEC}, "/proc/self/fd"),
            "open(\"/proc/self/fd\", O_RDONLY | O_CLOEXEC | O_DIRECTORY)");
  EXPECT_EQ(written_as(SC_VISIBLE_openat, {AT_FDCWD, 0, O_RDONLY}, "/proc/self/status"),
            "it opens a file whose name begins with '/proc/se'");
  EXPECT_EQ(written_as(SC_VISIBLE_pipe2, {0, O_CLOEXEC}), "pipe2((int[2]){0, 0}, O_CLOEXEC)");
  EXPECT_EQ(written_as(SC_VISIBLE_pipe2, {0, O_NONBLOCK}), "pipe2((int[2]){0, 0}, 04000)");
  EXPECT_EQ(written_as(SC_VISIBLE_waitid, {P_ALL, 0, 0, WEXITED}),
            "waitid(P_ALL, (id_t)0, &(siginfo_t){.si_pid = 0}, 0x4)");
  EXPECT_EQ(written_as(SC_VISIBLE_waitid, {P_PGID, 0, 0, WEXITED}),
            "waitid(P_PGID, (id_t)0, &(siginfo_t){.si_pid = 0}, 0x4)");
}

TEST_F(Reproducer, RefusesWithTheReason) {
  const std::unique_ptr<Session> s = session("reference");
  ASSERT_NE(s, nullptr);
  const auto refused_for = [&](const char* text) { return program_of(*s, std::get<Scenario>(parse(text))).refused; };
  EXPECT_NE(refused_for("thread\n  kill TERM\n").find("did not complete"), std::string::npos);
  EXPECT_NE(refused_for("fd 3 mqueue a\nthread\n  spawn only hold -> $0\n").find("message queue"), std::string::npos);
  EXPECT_NE(refused_for("thread\n  close_range 3 max unshare\n  spawn only hold -> $0\n").find("table of its own"),
            std::string::npos);
}

}  // namespace
}  // namespace spawncheck
