// SPDX-License-Identifier: MIT
//
// spawncheck audit as its users meet it: programs with a known answer, real programs, replay, suppressions, and that
// nothing is left behind.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "impl/executor/executor.h"
#include "impl/session/slowness.h"
#include "properties/command.h"

namespace spawncheck {
namespace {

using nlohmann::json;

std::string tool() { return directory_of_binaries() + "/spawncheck audit "; }
std::string audited(const std::string& name) { return directory_of_binaries() + "/audited/" + name; }

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Audit {
  int status = -1, program_status = -1;
  std::set<std::string> findings;  // "observed fd.inherited"
  std::vector<json> objects;
  std::string text;
  std::set<std::string> grave() const {
    std::set<std::string> out;
    for (const std::string& f : findings)
      if (f.rfind("note", 0) != 0 && f.rfind("ordered", 0) != 0 && f.rfind("lock", 0) != 0) out.insert(f);
    return out;
  }
};

Audit audit(const std::string& arguments) {
  Audit out;
  const Output run = shell(tool() + "--json " + arguments + " 2>/dev/null");
  out.status = run.status;
  out.text = run.text;
  std::istringstream lines(run.text);
  for (std::string line; std::getline(lines, line);) {
    json object = json::parse(line, nullptr, false);
    if (!object.is_object()) continue;
    if (object["kind"] == "finding")
      out.findings.insert(object["certainty"].get<std::string>() + " " + object["rule"].get<std::string>());
    if (object["kind"] == "audit") out.program_status = object["program_status"];
    out.objects.push_back(std::move(object));
  }
  return out;
}

class AuditFiles : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) { return scratch.file(name, text); }
  const Scratch scratch;
  const std::string directory = scratch.path;
};

// Returns what a program's source says an audit finds: the lines "// WAY: FINDING".
std::set<std::string> expected(const std::string& source, const std::string& way) {
  std::set<std::string> out;
  std::istringstream lines(text_of(source));
  const std::string prefix = "// " + way + ": ";
  for (std::string line; std::getline(lines, line);)
    if (line.rfind(prefix, 0) == 0) out.insert(line.substr(prefix.size()));
  return out;
}

std::vector<std::string> programs() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(SPAWNCHECK_SOURCE_DIRECTORY "/corpus/audit"))
    if (entry.path().extension() == ".c") out.push_back(entry.path().stem());
  std::sort(out.begin(), out.end());
  return out;
}

class AuditCorpus : public ::testing::TestWithParam<std::string> {};

TEST_P(AuditCorpus, SaysWhatTheFileSaysAndNoMore) {
  const Scratch scratch;
  const std::string source = std::string(SPAWNCHECK_SOURCE_DIRECTORY "/corpus/audit/") + GetParam() + ".c";
  for (const std::string way : {"audit", "confirm"}) {
    std::set<std::string> wanted = expected(source, way);
    ASSERT_FALSE(wanted.empty()) << source << " says nothing of " << way;
    wanted.erase("nothing");
    const Audit got = audit((way == "confirm" ? "--confirm --witness " + scratch.path + "/w " : std::string()) + "-- " +
                            audited(GetParam()));
    EXPECT_EQ(got.program_status, 0) << way;
    std::set<std::string> grave;
    for (const std::string& w : wanted) {
      EXPECT_EQ(got.findings.count(w), 1u) << way << " lacks " << w << "\n" << got.text;
      if (w.rfind("note", 0) != 0) grave.insert(w);
    }
    EXPECT_EQ(got.grave(), grave) << way << "\n" << got.text;
    int status = 0;
    for (const std::string& w : grave) status = w.rfind("predicted", 0) == 0 ? std::max(status, 3) : 1;
    EXPECT_EQ(got.status, status) << way;
  }
}

INSTANTIATE_TEST_SUITE_P(All, AuditCorpus, ::testing::ValuesIn(programs()),
                         [](const auto& parameter) { return parameter.param; });

TEST_F(AuditFiles, AWitnessReplays) {
  ASSERT_EQ(
      shell(tool() + "--confirm --witness " + directory + "/w -- " + audited("race_predicted") + " 2>/dev/null").status,
      1);
  const Output out = shell(tool() + "--replay " + directory + "/w-1.json 2>&1");
  EXPECT_EQ(out.status, 1);
  EXPECT_EQ(out.text.rfind("confirmed fd.inherited", 0), 0u) << out.text;
  EXPECT_EQ(shell(tool() + "--replay " + file("other", "{}") + " 2>&1").status, 2);
  EXPECT_EQ(shell(tool() + "--replay /no/such/file 2>&1").status, 2);
}

TEST_F(AuditFiles, WhatIsSuggestedSuppresses) {
  const Output suggested = shell(tool() + "--suggest -- " + audited("race_observed") + " 2>&1");
  EXPECT_EQ(suggested.status, 1);
  const std::string suppressions = file("suppressions", suggested.text);
  EXPECT_EQ(
      shell(tool() + "--suppressions " + suppressions + " -- " + audited("race_observed") + " 2>/dev/null").status, 0);
  EXPECT_EQ(shell(tool() + "--suppressions " + suppressions + " -- " + audited("text_busy") + " 2>/dev/null").status,
            1);
  EXPECT_EQ(shell(tool() + "--suppressions " + file("bad", "{\n}\n") + " -- /bin/true 2>/dev/null").status, 2);
}

TEST_F(AuditFiles, SarifAndHtmlTellTheFindingAndNeedNothingElse) {
  const std::string sarif = directory + "/a.sarif", html = directory + "/a.html";
  ASSERT_EQ(shell(tool() + "--sarif " + sarif + " --html " + html + " -- " + audited("race_observed") + " 2>/dev/null")
                .status,
            1);
  const json log = json::parse(text_of(sarif), nullptr, false);
  ASSERT_TRUE(log.is_object());
  EXPECT_EQ(log["version"], "2.1.0");
  const json& result = log["runs"][0]["results"][0];
  EXPECT_EQ(result["ruleId"], "fd.inherited");
  EXPECT_EQ(result["level"], "error");
  EXPECT_EQ(log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"].get<int>()]["id"], "fd.inherited");
  const std::string page = text_of(html);
  EXPECT_NE(page.find("<svg"), std::string::npos);
  EXPECT_NE(page.find("observed fd.inherited"), std::string::npos);
  for (const char* foreign : {"<script", "src=", "href="}) EXPECT_EQ(page.find(foreign), std::string::npos) << foreign;
  EXPECT_EQ(shell(tool() + "--html /no/such/directory/a -- /bin/true 2>/dev/null").status, 5);
}

TEST(Audit, ExitStatusesAreTheAuditsUnlessTheProgramsIsAskedFor) {
  EXPECT_EQ(shell(tool() + "-- /bin/sh -c 'exit 7' 2>/dev/null").status, 0);
  EXPECT_EQ(shell(tool() + "--pass-status -- /bin/sh -c 'exit 7' 2>/dev/null").status, 7);
  EXPECT_EQ(shell(tool() + "--pass-status -- /bin/sh -c 'kill -SEGV $$' 2>/dev/null").status, 128 + SIGSEGV);
  EXPECT_EQ(shell(tool() + "-- /no/such/program 2>/dev/null").status, 2);
  EXPECT_EQ(shell(tool() + "2>/dev/null").status, 2);
  EXPECT_EQ(shell(tool() + "--dance -- /bin/true 2>/dev/null").status, 2);
}

TEST(Audit, WhatCannotBeFollowedIsUnsupported) {
  // A task has one tracer: the inner one is refused.
  // LeakSanitizer cannot look at a traced process and would fail the inner tool.
  EXPECT_EQ(
      shell("ASAN_OPTIONS=detect_leaks=0 " + tool() + "--pass-status -- " + tool() + "-- /bin/true 2>/dev/null").status,
      4);
}

TEST(Audit, EachExecIsListedWithWhatItGotAndWhereThatCameFrom) {
  if (access("/bin/bash", X_OK) != 0) GTEST_SKIP() << "unsupported: no /bin/bash";
  const Audit got = audit("-- /bin/bash -c 'exec 5</etc/passwd; /bin/true; exit 0'");
  EXPECT_EQ(got.grave(), std::set<std::string>{}) << "one thread's own sloppiness is no race";
  for (const json& o : got.objects) {
    if (o["kind"] != "exec" || o["program"].get<std::string>().find("true") == std::string::npos) continue;
    for (const json& d : o["descriptors"]) {
      if (d["number"] != 5) continue;
      EXPECT_EQ(d["link"], "/etc/passwd");
      EXPECT_FALSE(d["created"].empty());
      return;
    }
  }
  FAIL() << got.text;
}

TEST(Audit, TheCallerIsTheFunctionThatCalledWhateverTheStackHoldsBelow) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "frames are unwound on x86-64 only";
#endif
  const Audit got = audit("-- " + audited("stale_frames"));
  unsigned seen = 0;
  for (const json& o : got.objects) {
    if (o["kind"] != "finding" || o["rule"] != "fd.inherited") continue;
    ++seen;
    EXPECT_EQ(o["created"].back().get<std::string>().rfind("stale_frames!creates+", 0), 0u) << o["created"];
    EXPECT_EQ(o["cloned"].back().get<std::string>().rfind("stale_frames!", 0), 0u) << o["cloned"];
  }
  EXPECT_EQ(seen, 1u) << got.text;
}

TEST(Audit, WhatItsOwnParentLeftOpenIsPassedThrough) {
  const Output out = shell("exec 8</etc/passwd; " + tool() + "--json -- /bin/sh -c '/bin/true; exit 0' 2>/dev/null");
  unsigned seen = 0;
  std::istringstream lines(out.text);
  for (std::string line; std::getline(lines, line);)
    for (const json& d : json::parse(line, nullptr, false).value("descriptors", json::array()))
      if (d["number"] == 8) {
        ++seen;
        EXPECT_TRUE(d["passed_through"]);
      }
  EXPECT_GE(seen, 1u);
  EXPECT_EQ(out.status, 0);
}

bool is_gone(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

// Waits at most ten seconds on a usual machine, or a little more; what it waits for usually comes at once.
bool comes_true(const std::function<bool()>& holds) {
  for (std::uint32_t i = 0; i < 2000 * slowness_of_machine(); ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return holds();
}

void expect_end_by(const std::string& directory, int signal) {
  const std::string pids = directory + "/pids-" + std::to_string(signal),
                    binary = directory_of_binaries() + "/spawncheck";
  const std::string script =
      "trap '' TERM INT; sleep 1000 & echo $! $$ >" + pids + ".new; mv " + pids + ".new " + pids + "; wait";
  const pid_t auditor = fork();
  ASSERT_GE(auditor, 0);
  if (auditor == 0) {
    execl(binary.c_str(), "spawncheck", "audit", "--json", "--", "/bin/sh", "-c", script.c_str(), nullptr);
    _exit(127);
  }
  pid_t sleeper = 0, sh = 0;
  EXPECT_TRUE(comes_true([&] { return bool(std::ifstream(pids) >> sleeper >> sh); }));
  kill(auditor, signal);
  int status = 0;
  EXPECT_TRUE(comes_true([&] { return waitpid(auditor, &status, WNOHANG) == auditor; })) << "the tool did not end";
  if (sleeper > 0) {
    EXPECT_TRUE(comes_true([&] { return is_gone(sleeper) && is_gone(sh); })) << "signal " << signal;
  }
  if (signal == SIGTERM) {
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 3) << status;
  }
}

TEST_F(AuditFiles, ASignalToTheToolEndsEverythingAndIsUndecided) {
  expect_end_by(directory, SIGTERM);
  expect_end_by(directory, SIGINT);
}

TEST_F(AuditFiles, WhereTheToolIsKilledNothingStaysBehind) { expect_end_by(directory, SIGKILL); }

TEST(Audit, SecondsBoundADaemonToo) {
  const Output out = shell(tool() + "--seconds 1 -- /bin/sh -c 'setsid sleep 1000 & exit 0' 2>/dev/null");
  EXPECT_EQ(out.status, 3) << "not followed to its end";
}

TEST(Audit, AUserWithoutRightsIsToldWhatRanWithoutItsRights) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody without rights";
  if (shell("command -v setpriv >/dev/null").status != 0) GTEST_SKIP() << "setpriv is not installed";
  const std::string nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups ";
  if (shell(nobody + "test -x " + directory_of_binaries() + "/spawncheck").status != 0)
    GTEST_SKIP() << "others may not read the build directory";
  EXPECT_EQ(shell(nobody + tool() + "-- " + audited("race_observed") + " 2>/dev/null").status, 1);
  const Output su = shell(nobody + tool() + "-- /bin/su --version 2>&1");
  EXPECT_NE(su.text.find("ran without its rights"), std::string::npos) << su.text;
}

// Real programs: each succeeds as it does without an audit, and the audit accuses none.
class AuditReal : public AuditFiles {
 protected:
  void expect_innocent(const std::string& program, const std::string& arguments, const std::string& options = "") {
    if (shell("command -v " + program + " >/dev/null").status != 0) {
      std::printf("spawncheck: %s is not installed: it is not audited\n", program.c_str());
      GTEST_SKIP() << program << " is not installed";
    }
    const Audit got = audit(options + "-- " + program + " " + arguments);
    EXPECT_EQ(got.program_status, 0) << got.text;
    EXPECT_EQ(got.grave(), std::set<std::string>{}) << got.text;
    EXPECT_EQ(got.status, 0);
  }
};

const char python_threads[] =
    "import os, subprocess, sys, threading\n"
    "def opens():\n"
    "    for i in range(20): os.close(os.open('/dev/null', os.O_RDONLY))\n"
    "def spawns():\n"
    "    for i in range(3): subprocess.run(['/bin/true'], close_fds=sys.argv[1] == '1')\n"
    "all = [threading.Thread(target=f) for f in (opens, spawns, spawns)]\n"
    "[t.start() for t in all]; [t.join() for t in all]\n";

TEST_F(AuditReal, PythonThreadsAndSubprocess) {
  const std::string script = file("t.py", python_threads);
  expect_innocent("python3", script + " 1");
  expect_innocent("python3", script + " 0");
}

TEST_F(AuditReal, Perl) {
  expect_innocent("perl", "-e 'open(F,\"<\",\"/dev/null\"); system(\"/bin/true\"); print `echo hi`; close(F)'");
}

TEST_F(AuditReal, BashPipelinesAndProcessSubstitution) {
  expect_innocent("bash",
                  "-c 'ls / | sort | wc -l; diff <(echo a) <(echo a); exec 7</dev/null; cat <&7; (true &); wait'");
}

TEST_F(AuditReal, MakeInParallel) {
  std::string makefile = "all:";
  for (int i = 0; i < 8; ++i) makefile += " t" + std::to_string(i);
  makefile += "\nt%:\n\t@/bin/true $@ && echo $@ >/dev/null\n\t+@$(MAKE) -s -f /dev/null --version >/dev/null\n";
  expect_innocent("make", "-s -j4 -f " + file("Makefile", makefile) + " all");
}

TEST_F(AuditReal, GitWithAHook) {
  const std::string script =
      file("git.sh",
           "cd " + directory +
               " && git init -q r && cd r && git config user.email a@b && git config user.name a &&\n"
               "printf '#!/bin/sh\\nls >/dev/null\\n' >.git/hooks/pre-commit && chmod +x .git/hooks/pre-commit &&\n"
               "echo x >x && git add x && git commit -q -m x\n");
  if (shell("command -v git >/dev/null").status != 0) GTEST_SKIP() << "git is not installed";
  expect_innocent("sh", script);
}

TEST_F(AuditReal, Node) {
  expect_innocent(
      "node",
      "-e 'const c=require(\"child_process\");for(let i=0;i<9;i++)require(\"fs\").readFile(\"/etc/passwd\",()=>{});"
      "c.spawn(\"/bin/true\");c.spawnSync(\"/bin/true\")'");
}

TEST_F(AuditReal, JavaClosesInItsHelper) {
  const std::string source =
      file("J.java",
           "public class J { public static void main(String[] a) throws Exception {\n"
           "Thread t = new Thread(() -> { try { for (int i = 0; i < 20; i++) new "
           "java.io.FileInputStream(\"/etc/passwd\").close();"
           " } catch (Exception e) { } }); t.start();\n"
           "for (int i = 0; i < 2; i++) new ProcessBuilder(\"/bin/true\").start().waitFor(); t.join(); } }\n");
  if (shell("command -v javac >/dev/null && javac -d " + directory + " " + source + " 2>&1").status != 0)
    GTEST_SKIP() << "javac is not installed";
  expect_innocent("java", "-cp " + directory + " J");
}

std::string go_program(bool has_lock) {
  return std::string(
             "package main\nimport (\"os/exec\"; \"sync\"; \"syscall\")\nfunc main() { var w sync.WaitGroup; "
             "w.Add(2)\n") +
         "go func() { for i := 0; i < 300; i++ { " + (has_lock ? "syscall.ForkLock.RLock(); " : "") +
         "fd, _ := syscall.Open(\"/etc/passwd\", 0, 0); syscall.CloseOnExec(fd); " +
         (has_lock ? "syscall.ForkLock.RUnlock(); " : "") +
         "syscall.Close(fd) }; w.Done() }()\n"
         "go func() { for i := 0; i < 10; i++ { exec.Command(\"/bin/true\").Run() }; w.Done() }()\nw.Wait() }\n";
}

TEST_F(AuditReal, GoWithoutForkLockIsFoundAndWithItIsNot) {
  if (shell("command -v go >/dev/null").status != 0) {
    std::printf("spawncheck: go is not installed: it is not audited\n");
    GTEST_SKIP() << "go is not installed";
  }
  for (const bool has_lock : {false, true}) {
    const std::string name = has_lock ? "locked" : "bare", source = file(name + ".go", go_program(has_lock));
    ASSERT_EQ(shell("cd " + directory + " && HOME=" + directory + " GOFLAGS=-mod=mod GO111MODULE=off GOCACHE=" +
                    directory + "/cache go build -o " + name + " " + source + " 2>&1")
                  .status,
              0);
    const Audit got = audit("--confirm --witness " + directory + "/w -- " + directory + "/" + name);
    const bool is_accused =
        got.findings.count("observed fd.inherited") != 0 || got.findings.count("confirmed fd.inherited") != 0;
    EXPECT_EQ(is_accused, !has_lock) << got.text;
  }
}

}  // namespace
}  // namespace spawncheck
