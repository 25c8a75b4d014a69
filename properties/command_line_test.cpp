// SPDX-License-Identifier: MIT
//
// The command as users meet it once it is installed: version, manual page, completion; and what a signal does to long
// work.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "impl/executor/executor.h"
#include "impl/session/slowness.h"
#include "properties/command.h"

namespace spawncheck {
namespace {

std::string tool() { return directory_of_binaries() + "/spawncheck"; }

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
  std::set<std::string> out;
  const std::regex expression(pattern, std::regex::ECMAScript | std::regex::multiline);
  for (std::sregex_iterator at(text.begin(), text.end(), expression), end; at != end; ++at) out.insert((*at)[1]);
  return out;
}

std::set<std::string> commands() {
  const std::string text = shell(tool() + " --help").text;
  return matches(text.substr(std::min(text.find("Subcommands:"), text.size())), "^  ([a-z]+)  ");
}

std::set<std::string> options_of(const std::string& command) {
  return matches(shell(tool() + " " + command + " --help").text, "^ +(?:-[a-z],)?(--[a-z-]+)");
}

// Returns what bash offers to complete the last of these words.
std::set<std::string> completions(const std::string& words) {
  const Output out =
      shell("PATH=" + directory_of_binaries() + ":$PATH bash -c 'set -- " + words +
            "; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); complete() { :; }; . " SPAWNCHECK_SOURCE_DIRECTORY
            "/impl/tool/spawncheck.bash; _spawncheck; printf \"%s\\n\" \"${COMPREPLY[@]}\"'");
  return matches(out.text, "^(.+)$");
}

TEST(CommandLine, ItsVersionIsTheProjects) {
  const Output out = shell(tool() + " --version");
  EXPECT_EQ(out.status, 0);
  EXPECT_TRUE(std::regex_match(out.text, std::regex("spawncheck [0-9]+\\.[0-9]+\\.[0-9]+\n"))) << out.text;
}

TEST(CommandLine, TheManualPageHasEveryCommandAndOption) {
  std::string page = shell(tool() + " help --manual").text;
  page = std::regex_replace(page, std::regex("\\\\-"), "-");
  ASSERT_GE(commands().size(), 10u);
  for (const std::string& command : commands()) {
    const std::size_t begin = page.find(".SS " + command + "\n");
    ASSERT_NE(begin, std::string::npos) << command;
    const std::string part = page.substr(begin, page.find(".S", begin + 3) - begin);
    ASSERT_FALSE(options_of(command).empty());
    for (const std::string& option : options_of(command))
      EXPECT_NE(part.find(option), std::string::npos) << command << " " << option;
  }
  EXPECT_NE(page.find(".SH EXIT STATUS"), std::string::npos);
}

TEST(CommandLine, ItIsCompletedWithWhatHelpNames) {
  if (shell("command -v bash >/dev/null").status != 0) GTEST_SKIP() << "bash is not installed";
  std::set<std::string> first = commands();
  for (const char* option : {"--help", "--version"}) first.insert(option);
  EXPECT_EQ(completions("spawncheck \"\""), first);
  for (const std::string command : {"run", "check", "audit", "schedules"})
    EXPECT_EQ(completions("spawncheck " + command + " --"), options_of(command)) << command;
  EXPECT_EQ(completions("spawncheck check --implementation can"), std::set<std::string>{"canary"});
  EXPECT_EQ(completions("spawncheck help fd.kep"), std::set<std::string>{"fd.kept"});
  EXPECT_EQ(completions("spawncheck audit -- ma"), std::set<std::string>{});
}

TEST(CommandLine, WhatIsInstalledRunsFromThere) {
  const Scratch scratch;
  ASSERT_EQ(shell("cmake --install " SPAWNCHECK_BINARY_DIRECTORY " --component spawncheck --prefix " + scratch.path +
                  " >/dev/null 2>&1")
                .status,
            0);
  const std::string installed = scratch.path + "/bin/spawncheck";
  EXPECT_EQ(shell(installed + " --version").text, shell(tool() + " --version").text);
  const std::string scenario = SPAWNCHECK_SOURCE_DIRECTORY "/corpus/seeds/keep/swap.scenario";
  EXPECT_EQ(shell(installed + " run " + scenario).status, 0);
  EXPECT_EQ(shell(installed + " list implementations").text, shell(tool() + " list implementations").text);
  for (const char* file : {"/share/man/man1/spawncheck.1", "/share/bash-completion/completions/spawncheck"})
    EXPECT_GT(std::filesystem::file_size(scratch.path + file), 100u) << file;
}

// Each `folder/file` that the guide names exists, and each target of its links.
TEST(CommandLine, WhatTheGuideToContributingNamesIsThere) {
  const std::string root = SPAWNCHECK_SOURCE_DIRECTORY "/";
  std::ostringstream text;
  text << std::ifstream(root + ".github/CONTRIBUTING.md").rdbuf();
  std::set<std::string> paths =
      matches(text.str(), "`((?:model|impl|properties|corpus|ci|fuzz)/[A-Za-z0-9_./-]*[A-Za-z0-9_/-])");
  ASSERT_GE(paths.size(), 20u);
  for (const std::string& link : matches(text.str(), "\\]\\(\\.\\./([^)]+)\\)")) paths.insert(link);
  for (const std::string& path : paths) EXPECT_TRUE(std::filesystem::exists(root + path)) << path;
}

// Long work in a process group of its own, which gets the signal as from a terminal. Each wait is at most a minute, on
// a slow machine longer, far more than is needed; what counts is what the command says.
struct Ended {
  int status = -1;
  std::string text;
  bool is_alone = false;  // no process of its group is left
};

using Begun = std::function<bool(const std::string& said)>;

Begun says(const std::string& part) {
  return [part](const std::string& said) { return said.find(part) != std::string::npos; };
}

Ended end_by(int signal, const std::string& arguments, const Begun& has_begun) {
  const Scratch scratch;
  const std::string said = scratch.path + "/said";
  const pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    execl("/bin/sh", "sh", "-c", ("exec " + tool() + " " + arguments + " >" + said + " 2>&1 </dev/null").c_str(),
          nullptr);
    _exit(127);
  }
  const auto bounded = [](const auto& holds) {
    for (unsigned i = 0; i < 6000 * slowness_of_machine(); ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  };
  const auto text = [&] {
    std::ostringstream out;
    out << std::ifstream(said).rdbuf();
    return out.str();
  };
  EXPECT_TRUE(bounded([&] { return has_begun(text()); })) << text();
  kill(-pid, signal);
  Ended out;
  int status = 0;
  const bool has_ended = bounded([&] { return waitpid(pid, &status, WNOHANG) == pid; });
  EXPECT_TRUE(has_ended) << arguments;
  if (!has_ended) kill(-pid, SIGKILL);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  out.is_alone = bounded([&] { return kill(-pid, 0) != 0 && errno == ESRCH; });
  out.text = text();
  return out;
}

TEST(CommandLine, ASignalEndsACheckWhichSaysWhatItHasDone) {
  for (const int signal : {SIGINT, SIGTERM})
    for (const std::string mode : {"free", "scheduled"}) {
      const Ended out = end_by(signal, "check --seconds 100000 --mode " + mode, says("kernel "));
      EXPECT_TRUE(out.is_alone);
      EXPECT_TRUE(out.status == 0 || out.status == 3) << out.status << out.text;  // 3: before any run
      EXPECT_NE(out.text.find(" runs ("), std::string::npos) << out.text;
    }
}

TEST(CommandLine, ASignalEndsASearchThatHasFoundSomethingWhichIsTold) {
  const Ended out = end_by(SIGINT, "check --all --implementation canary --seconds 100000", says("violated "));
  EXPECT_TRUE(out.is_alone);
  EXPECT_EQ(out.status, 1) << out.text;
  EXPECT_NE(out.text.find(" violated, "), std::string::npos) << out.text;
}

TEST(CommandLine, ASignalEndsAMatrixWhichPrintsWhatItHas) {
  const Scratch saved;
  const Ended out = end_by(SIGTERM, "matrix --implementation canary --seconds 100000 --save " + saved.path,
                           [&](const std::string&) { return !std::filesystem::is_empty(saved.path); });
  EXPECT_TRUE(out.is_alone);
  EXPECT_EQ(out.status, 0) << out.text;
  EXPECT_NE(out.text.find("canary, policy "), std::string::npos) << out.text;
}

}  // namespace
}  // namespace spawncheck
