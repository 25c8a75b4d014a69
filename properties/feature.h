// SPDX-License-Identifier: MIT
//
// What the tests of the features of a request share: a holding child, looked at from outside.
#pragma once

#include <functional>
#include <memory>

#include "properties/spawned.h"

namespace spawncheck {

inline std::string proc(pid_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

// Fields of /proc/PID/stat after the name: state, parent, group, session, terminal, its foreground group, ...
inline std::vector<long> stat_of(pid_t pid) {
  std::ifstream file(proc(pid, "stat"));
  std::string line;
  std::getline(file, line);
  std::vector<long> all;
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos || line.size() < name_end + 4) return std::vector<long>(50);
  for (std::size_t at = name_end + 4; at < line.size();
       at = line.find(' ', at) == std::string::npos ? line.size() : line.find(' ', at) + 1)
    all.push_back(std::atol(line.c_str() + at));
  all.resize(50);
  return all;
}
enum { stat_parent, stat_group, stat_session, stat_terminal, stat_foreground };

// Says what is not checked, and why.
#define NEEDS_ROOT()                                                              \
  if (geteuid() != 0) {                                                           \
    std::printf("spawncheck: not root: %s is not checked\n",                      \
                ::testing::UnitTest::GetInstance()->current_test_info()->name()); \
    GTEST_SKIP() << "needs root";                                                 \
  }

class Feature : public ::testing::TestWithParam<uint32_t> {
 protected:
  Feature() { request.r.strategy = GetParam(); }
  // Runs it; the child holds until the end of the test.
  pid_t run() {
    const int error = spawn_run(&request.get(), &result);
    EXPECT_EQ(error, 0) << strerror(error) << " at "
                        << (result.field != nullptr ? result.field
                                                    : spawn_step_word(static_cast<uint32_t>(result.failed)));
    if (error != 0) return -1;
    children.push_back(std::make_unique<Held>(result.pid));
    children.back()->settle();
    return result.pid;
  }
  void expect_failure(int error, int failed) {
    EXPECT_EQ(spawn_run(&request.get(), &result), error);
    EXPECT_EQ(result.failed, failed) << spawn_step_word(static_cast<uint32_t>(result.failed));
    EXPECT_EQ(result.pid, -1);
    if (children.empty()) {
      EXPECT_TRUE(has_no_child());
    }
  }

  HoldRequest request;
  spawn_result result{};
  std::vector<std::unique_ptr<Held>> children;
};

// Waits; 1000 + N: ended by signal N.
inline int exit_status_of(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// Runs `body` in a process of its own; its result is the exit status. 0: as it should be.
inline int apart(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(60);  // a child that is stopped suspends it
    _exit(body());
  }
  return exit_status_of(pid);
}

}  // namespace spawncheck
