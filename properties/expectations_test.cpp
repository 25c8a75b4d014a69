// SPDX-License-Identifier: MIT
//
// What a scenario expects, and how `run` reports a verdict that differs: the exit status and the words.
#include "impl/session/running_kernel.h"
#include "properties/command.h"
#include "properties/on_the_kernel.h"

namespace spawncheck {
namespace {

class Expectations : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) { return scratch.file(name, text); }
  Output spawncheck(const std::string& arguments) {
    return shell(directory_of_binaries() + "/spawncheck " + arguments);
  }
  const Scratch scratch;
};

TEST_F(Expectations, Decide) {
  const std::string swap = "fd 3 memfd\nfd 4 memfd\nthread\n  spawn only hold keep 3>4,4>3 -> $0\n";
  const std::string text = swap + "expect holds\nexpect violated fd.kept by canary\n";
  EXPECT_EQ(spawncheck("run " + file("met", text)).status, 0);
  EXPECT_EQ(spawncheck("run --implementation canary " + file("met", text)).status, 0);
  EXPECT_EQ(spawncheck("run " + file("unmet", swap + "expect violated\n")).status, 1);
}

// In this schedule the other thread takes the slot between the question what it is and the dup3(2) that relies on the
// answer.
TEST_F(Expectations, ALimitThatTheFileSaysOfAStrategyIsExpected) {
  if (const std::string why = why_unsupported("staged"); !why.empty()) GTEST_SKIP() << why;
  const std::string text =
      "fd 0 null\nfd 70 memfd cloexec\nwindow 61 63\nthread\n  spawn only hold keep 70>3 -> $0\nthread\n"
      "  dup2 0 62\nschedule 0*3 1 0\nexpect holds\n";
  const auto run = [&](const std::string& said) {
    return spawncheck("run --strategy staged " + file("limit", text + said) + " 2>&1");
  };
  const Output expected = run("expect violated fd.untouched by reference:staged\n");
  EXPECT_EQ(expected.status, 0) << expected.text;
  EXPECT_NE(expected.text.find(": unsupported, as expected\n"), std::string::npos) << expected.text;
  for (const char* said : {"", "expect violated fd.kept by reference:staged\n",
                           "expect violated fd.untouched by reference:copy\n", "expect holds by reference:staged\n"}) {
    const Output out = run(said);
    EXPECT_EQ(out.status, 4) << said << out.text;
    EXPECT_EQ(out.text.find("as expected"), std::string::npos) << said << out.text;
  }
}

}  // namespace
}  // namespace spawncheck
