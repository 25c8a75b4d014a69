// SPDX-License-Identifier: MIT
//
// Boost.Process: another child, started meanwhile, inherits the error pipe.
//
// What happens: the executor makes its pipe with pipe(2). The read end is never marked close-on-exec, the write end by
// a
//   second call. A child that another thread starts in between holds the pipe; a child that another handler starts
//   here, in on_setup, shows the same without a race.
// What should:  no other child sees the pipe: pipe2(2) with O_CLOEXEC.
// Rule:         open(2), O_CLOEXEC: "essential in some multithreaded programs".
// Where:        detail/posix/executor.hpp invoke; detail/posix/basic_pipe.hpp. Seen with 1.81.
// Upstream:     klemens-morgenstern/boost-process issue 153.
//
//   c++ -std=c++17 -DBOOST_PROCESS_USE_STD_FS boost-error-pipe-inherited.cpp -pthread
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/process.hpp>
#include <boost/process/extend.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

namespace bp = boost::process;

// The pipe ends of a child that is started by fork(2) and exec now.
static int inherited_now() {
  int gate[2];  // closed by the child's exec
  if (pipe2(gate, O_CLOEXEC) != 0) return -1;
  const pid_t pid = fork();
  if (pid == 0) {
    execl("/bin/sleep", "sleep", "60", static_cast<char*>(nullptr));
    _exit(127);
  }
  close(gate[1]);
  char byte;
  while (read(gate[0], &byte, 1) > 0) continue;
  close(gate[0]);
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
    if (std::stoi(entry.path().filename()) > 2 &&
        std::filesystem::read_symlink(entry.path()).string().rfind("pipe:", 0) == 0)
      ++count;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return count;
}

// What another thread may do at this point.
struct StartsAnother : bp::extend::handler {
  int* inherited;
  explicit StartsAnother(int* to) : inherited(to) {}
  template <typename Executor>
  void on_setup(Executor&) const {
    *inherited = inherited_now();
  }
};

int main() {
  const int before = inherited_now();
  int during = 0;
  bp::child child(bp::exe = "/bin/true", StartsAnother(&during));
  child.wait();
  if (before < 0 || during < 0) return 77;
  const bool is_bug = during > before;
  std::printf("%s: Boost %s: a child that is started during another launch inherits %d ends of its error pipe\n",
              is_bug ? "BUG" : "FIXED", BOOST_LIB_VERSION, during - before);
  return is_bug;
}
