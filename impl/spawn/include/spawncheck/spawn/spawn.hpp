// SPDX-License-Identifier: MIT
//
// The reference spawn for C++20: a request that owns what it is given, and a child that is waited for.
//
//   auto child = Request("/bin/cat").argument("-").keep(in, 0).keep(out, 1).keep(2, 2).spawn();
//   if (!child) return child.error().code;
//   Exit exit = *child->wait();
//
// No exceptions but std::bad_alloc while a request is built; none between clone and exec. Nothing here is
// async-signal-safe (it allocates); the C interface, request.h, is. Errors are errno values with the step that
// failed. Results come as tl::expected, or std::expected where the library has it.
#pragma once

#include <spawncheck/spawn/request.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>
#include <version>

#if defined(__cpp_lib_expected)
#include <expected>
#else
#include <tl/expected.hpp>
#endif

namespace spawncheck::spawn {

#if defined(__cpp_lib_expected)
template <typename T, typename E>
using Expected = std::expected<T, E>;
template <typename E>
using Unexpected = std::unexpected<E>;
#else
template <typename T, typename E>
using Expected = tl::expected<T, E>;
template <typename E>
using Unexpected = tl::unexpected<E>;
#endif

struct Error {
  int code = 0;            // errno
  std::string step;        // the failing step's word (plan.h), or request, memory, clone, killed
  std::string field;       // of a bad request: which field and why
  int signal = 0;          // of a child that was killed before exec
};

// The window of strategy staged (request.h, spawn_window_reserve()), for as long as this lives: at the start of main, say. What other
// code has closed of it by the end is left alone.
class Window {
 public:
  // An errno: ENOSPC, EALREADY, ...
  static Expected<Window, int> reserve(std::uint32_t slots) {
    if (const int error = spawn_window_reserve(slots)) return Unexpected<int>(error);
    return Window();
  }
  Window(Window&& other) noexcept : owns_(std::exchange(other.owns_, false)) {}
  Window& operator=(Window&&) = delete;
  // A spawn that uses it just now keeps it: it is then the process's until its end.
  ~Window() {
    if (owns_) spawn_window_release();
  }

 private:
  Window() = default;
  bool owns_ = true;
};

// How a child ended: one of the two is what counts.
struct Exit {
  bool by_signal = false;
  int status = 0;  // the exit status
  int signal = 0;
};

// A child that runs, named by its pid and a pidfd (close-on-exec). It is waited for or detached: to destroy
// one that is neither is a mistake, which aborts. Move-only.
class Child {
 public:
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pidfd_(std::exchange(other.pidfd_, -1)) {}
  Child& operator=(Child&& other) noexcept {
    release();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::exchange(other.pidfd_, -1);
    return *this;
  }
  ~Child() { release(); }

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_; }

  // Waits, through the pidfd; EINTR is waited on. Once: afterwards there is no child. (waitid(2) P_PIDFD)
  Expected<Exit, int> wait() { return wait_with(0); }
  // ECHILD once it has been waited for, EAGAIN while it runs.
  Expected<Exit, int> try_wait() { return wait_with(WNOHANG); }
  // Sends a signal through the pidfd, so that it can reach no other process: 0 or an errno, ESRCH when it has
  // ended. (pidfd_send_signal(2))
  int signal(int number) const {
    if (pid_ < 0) return ESRCH;
    return syscall(SYS_pidfd_send_signal, pidfd_, number, nullptr, 0) == 0 ? 0 : errno;
  }
  // It is nobody's business any more; its zombie is the caller's to avoid (SIGCHLD ignored, or a reaper).
  void detach() {
    pid_ = -1;
    if (pidfd_ >= 0) ::close(std::exchange(pidfd_, -1));
  }

 private:
  friend class Request;
  Child(pid_t pid, int pidfd) : pid_(pid), pidfd_(pidfd) {}
  void release() {
    if (pid_ >= 0) {  // in every build: a zombie for ever is worse
      std::fputs("spawncheck::spawn::Child: a child is waited for or detached before it is destroyed\n", stderr);
      std::abort();
    }
    detach();
  }
  Expected<Exit, int> wait_with(int flags) {
    if (pid_ < 0) return Unexpected<int>(ECHILD);
    constexpr auto by_pidfd = static_cast<idtype_t>(3);  // P_PIDFD, Linux 5.4
    siginfo_t info{};
    int got;
    do got = waitid(by_pidfd, static_cast<id_t>(pidfd_), &info, WEXITED | flags);
    while (got < 0 && errno == EINTR);
    if (got < 0) return Unexpected<int>(errno);
    if (info.si_pid == 0) return Unexpected<int>(EAGAIN);
    detach();
    Exit exit;
    exit.by_signal = info.si_code != CLD_EXITED;
    (exit.by_signal ? exit.signal : exit.status) = info.si_status;
    return exit;
  }

  pid_t pid_ = -1;
  int pidfd_ = -1;
};

// What to run and how. Copies all it is given: the caller's strings and arrays may change or go. It may be
// spawned any number of times, by several threads at once.
class Request {
 public:
  // A path, relative to the child's directory; no PATH search. argv[0] is the path unless name() says else.
  explicit Request(std::string path) : path_(std::move(path)), arguments_{path_} {}
  // An open file; borrowed until the spawn returns. A script (#!) cannot be run so (execveat(2)).
  explicit Request(int program_fd) : arguments_{"program"} {
    request_.program_fd = program_fd;
    request_.set |= SPAWN_PROGRAM_FD;
  }

  Request& name(std::string argument_zero) { return arguments_[0] = std::move(argument_zero), *this; }
  Request& argument(std::string text) { return arguments_.push_back(std::move(text)), *this; }
  Request& environment(std::vector<std::string> variables) { return environment_ = std::move(variables), *this; }
  // What crosses besides the keep-list: nothing (the default), what has no close-on-exec flag, ...
  Request& policy(spawn_policy policy) { return request_.policy = policy, *this; }
  Request& strategy(spawn_strategy strategy) { return request_.strategy = strategy, *this; }
  // `source` of the caller becomes `target` of the child; all sources are read before any target is written.
  Request& keep(int source, int target) { return keep_.push_back({source, target}), *this; }
  // Signal sets: bit n-1 is signal n.
  Request& mask(std::uint64_t signals) { return request_.mask = signals, asks(SPAWN_SET_MASK); }
  Request& default_signals(std::uint64_t signals) { return request_.dflt = signals, asks(SPAWN_SET_DEFAULT); }
  Request& ignore_signals(std::uint64_t signals) { return request_.ignore = signals, asks(SPAWN_SET_IGNORE); }
  Request& process_group(pid_t group) { return request_.pgroup = group, asks(SPAWN_SET_PGROUP); }
  Request& new_session() { return asks(SPAWN_NEW_SESSION); }
  Request& directory(std::string path) { return directory_ = std::move(path), asks(SPAWN_SET_CWD); }
  Request& directory(int fd) { return request_.cwd_fd = fd, asks(SPAWN_SET_CWD_FD); }
  Request& umask(mode_t mode) { return request_.umask = mode, asks(SPAWN_SET_UMASK); }

  Expected<Child, Error> spawn() const {
    std::vector<char*> argv = pointers(arguments_), envp = pointers(environment_);
    spawn_request r = request_;
    r.set |= SPAWN_WANT_PIDFD;
    r.path = path_.c_str();
    r.argv = argv.data();
    r.envp = envp.data();
    r.keep = keep_.data();
    r.keep_count = static_cast<std::uint32_t>(keep_.size());
    r.cwd = directory_.c_str();
    spawn_result result{};
    if (spawn_run(&r, &result) == 0) return Child(result.pid, result.pidfd);
    return Unexpected<Error>(Error{result.error, word_of(result.failed), result.field != nullptr ? result.field : "", result.signal});
  }

 private:
  Request& asks(std::uint32_t bit) { return request_.set |= bit, *this; }
  static std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
    all.push_back(nullptr);
    return all;
  }
  static std::string word_of(int failed) {
    switch (failed) {
      case SPAWN_FAILED_REQUEST: return "request";
      case SPAWN_FAILED_MEMORY: return "memory";
      case SPAWN_FAILED_CLONE: return "clone";
      case SPAWN_FAILED_KILLED: return "killed";
      default: return spawn_step_word(static_cast<std::uint32_t>(failed));
    }
  }

  static spawn_request nothing_kept() {
    spawn_request r{};
    r.policy = SPAWN_FDS_ONLY;
    return r;
  }

  spawn_request request_ = nothing_kept();
  std::string path_, directory_;
  std::vector<std::string> arguments_, environment_;
  std::vector<spawn_keep> keep_;
};

}  // namespace spawncheck::spawn
