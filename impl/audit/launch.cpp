// SPDX-License-Identifier: MIT
#include "impl/audit/launch.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "impl/audit/filter.h"

namespace spawncheck::audit {

namespace {

constexpr long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                         PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;

struct Answer {
  int error = 0;
  bool has_no_new_privileges = false;
};

// Runs in the child: allocates nothing and takes no lock until exec.
[[noreturn]] void become(char* const* arguments, const sock_fprog& filter, int go, int answer_to, Streams streams) {
  char byte = 0;
  Answer answer;
  if (read(go, &byte, 1) != 1) _exit(127);
  // With CAP_SYS_ADMIN in its user namespace a task needs no no_new_privs to install a filter (seccomp(2)), and
  // no_new_privs would take the rights of set-user-ID programs.
  long error = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
  if (error != 0) {
    answer.has_no_new_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    error = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
  }
  if (error != 0) answer.error = errno;
  if (write(answer_to, &answer, sizeof answer) != static_cast<ssize_t>(sizeof answer) || answer.error != 0) _exit(127);
  if (streams == Streams::output_to_error) dup2(2, 1);
  if (streams == Streams::none) {
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int to = 0; to <= 2; ++to) dup2(null, to);
  }
  execvp(arguments[0], arguments);
  const char* reason = strerrordesc_np(errno);
  for (const char* text : {"spawncheck audit: ", static_cast<const char*>(arguments[0]), ": ", reason, "\n"})
    if (write(2, text, std::strlen(text)) < 0) break;
  _exit(127);
}

void put_back_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int s : {SIGINT, SIGTERM, SIGALRM}) sigaction(s, &action, nullptr);
}

}  // namespace

Launched launch(const std::vector<std::string>& command, Streams streams) {
  Launched out;
  std::vector<char*> arguments;
  for (const std::string& a : command) arguments.push_back(const_cast<char*>(a.c_str()));
  arguments.push_back(nullptr);
  std::vector<sock_filter> code = make_filter(false);
  const sock_fprog filter{static_cast<unsigned short>(code.size()), code.data()};
  int go[2], answer[2];
  if (pipe2(go, O_CLOEXEC) != 0) return out.unsupported = "pipe2 failed: nothing was started", out;
  if (pipe2(answer, O_CLOEXEC) != 0) {
    close(go[0]);
    close(go[1]);
    return out.unsupported = "pipe2 failed: nothing was started", out;
  }
  out.pid = fork();
  if (out.pid == 0) {
    put_back_signals();
    close(go[1]);
    close(answer[0]);
    become(arguments.data(), filter, go[0], answer[1], streams);
  }
  close(go[0]);
  close(answer[1]);
  const auto give_up = [&](const std::string& why) {
    out.unsupported = why;
    if (out.pid > 0) {
      kill(out.pid, SIGKILL);
      while (waitpid(out.pid, nullptr, __WALL) < 0 && errno == EINTR) {
      }
    }
    out.pid = -1;
  };
  Answer got;
  if (out.pid < 0) {
    give_up(std::string("fork failed with ") + strerrorname_np(errno) + ": nothing was started");
  } else if (ptrace(PTRACE_SEIZE, out.pid, 0, options) != 0) {
    give_up(std::string("ptrace(PTRACE_SEIZE) failed with ") + strerrorname_np(errno) +
            ": a program cannot be followed here (Yama, a sandbox, or another tracer)");
  } else if (write(go[1], "", 1) != 1 || read(answer[0], &got, sizeof got) != static_cast<ssize_t>(sizeof got) ||
             got.error != 0) {
    give_up(std::string("seccomp failed with ") + (got.error != 0 ? strerrorname_np(got.error) : "no answer") +
            ": calls cannot be stopped at");
  }
  out.has_no_new_privileges = got.has_no_new_privileges;
  close(go[1]);
  close(answer[0]);
  return out;
}

}  // namespace spawncheck::audit
