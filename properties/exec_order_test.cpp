// SPDX-License-Identifier: MIT
//
// The order within one exec, without a tracer that stops a task: free runs never contradict what the model proves of
// the running kernel. What the model refutes may be seen, and is counted. Evidence is a fact: /proc/PID/exe changes
// from the old program to the new one, once, so a reader that finds the old one after an event knows that the event
// came before the change.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>

#include "impl/session/claims.h"
#include "impl/session/running_kernel.h"
#include "properties/on_the_kernel.h"
#include "properties/written.h"

namespace spawncheck {
namespace {

std::string program_of(const std::string& pid) {
  std::array<char, 4096> path{};
  const ssize_t size = readlink(("/proc/" + pid + "/exe").c_str(), path.data(), path.size());
  return size > 0 ? std::string(path.data(), static_cast<std::size_t>(size)) : std::string();
}

struct Seen {
  unsigned old_at_return = 0, old_at_eof = 0, tries = 0;
};

// Starts children by vfork(2) with the write end of a close-on-exec pipe. The caller looks at a child when vfork(2)
// returns, closes its own write end, and looks again at the end of file. `drops`: children by fork(2) that close their
// write end themselves, and exec after the caller has looked.
Seen spawn_and_look(unsigned tries, bool drops) {
  const std::string program = directory_of_binaries() + "/spawncheck-hold", own = program_of("self");
  char* const argv[] = {const_cast<char*>("spawncheck-hold"), nullptr};
  char* const none[] = {nullptr};
  Seen seen;
  for (; seen.tries < tries; ++seen.tries) {
    int pipe[2], go[2];
    char byte;
    if (pipe2(pipe, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0) break;
    const pid_t child = drops ? fork() : vfork();
    if (child == 0) {
      if (drops) {
        close(pipe[1]);
        close(go[1]);
        while (read(go[0], &byte, 1) < 0 && errno == EINTR) continue;
      }
      execve(program.c_str(), argv, none);
      _exit(127);
    }
    if (child < 0) break;
    seen.old_at_return += !drops && program_of(std::to_string(child)) == own;
    close(pipe[1]);
    while (read(pipe[0], &byte, 1) < 0 && errno == EINTR) continue;
    seen.old_at_eof += program_of(std::to_string(child)) == own;
    for (const int end : {pipe[0], go[0], go[1]}) close(end);
    kill(child, SIGKILL);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  return seen;
}

TEST(ExecOrder, WhatIsProvedOfThisKernelIsNeverSeen) {
  const Scenario scenario =
      scenario_of("fds 5 6 pipe cloexec\nthread\n  spawn inherit hold -> $0\nthread\n  close 6\n");
  explore::ExploreOptions options;
  options.kernel = running_kernel();
  const explore::Exploration e = explore::explore(scenario, planner_named("vfork"), options);
  ASSERT_EQ(e.verdict.status, Status::holds) << e.verdict.observed;
  const Seen seen = spawn_and_look(300, false);
  ASSERT_EQ(seen.tries, 300u);
  std::printf("%u spawns: the old program at end of file %u times, at the return %u times\n", seen.tries,
              seen.old_at_eof, seen.old_at_return);
  EXPECT_TRUE(e.own_memory_at_return.is_broken);
  EXPECT_EQ(e.program_at_eof.is_broken, options.kernel.has(Behaviour::exec_closes_before_wake));
  if (!e.program_at_eof.is_broken) {
    EXPECT_EQ(seen.old_at_eof, 0u);
  }
}

// The look can find the old program: a child that closes its end before its exec is the old program at end of file.
TEST(ExecOrder, TheOldProgramIsSeenWhereTheChildClosesFirst) {
  const Seen seen = spawn_and_look(20, true);
  EXPECT_EQ(seen.tries, 20u);
  EXPECT_EQ(seen.old_at_eof, 20u);
}

}  // namespace
}  // namespace spawncheck
