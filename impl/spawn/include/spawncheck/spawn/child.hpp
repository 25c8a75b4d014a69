// SPDX-License-Identifier: MIT
//
// A child that runs, and how it ended.
//
// A pidfd names the child throughout: waiting and signalling cannot reach another process that reuses its
// number. Only Exit::describe() throws or allocates. The functions that wait write errno and are
// cancellation points (waitid(2), poll(2)); signal() is async-signal-safe except that it writes errno.
#pragma once

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <spawncheck/spawn/expected.hpp>
#include <string>
#include <utility>

namespace spawncheck::spawn {
inline namespace SPAWNCHECK_SPAWN_INLINE_NAMESPACE {

// How a child ended: by_signal says whether `signal` or `status` is valid. (wait(2), WIFEXITED and WIFSIGNALED)
struct Exit {
  bool by_signal = false;
  int status = 0;  // the exit status, 0..255
  int signal = 0;
  bool dumped_core = false;

  bool success() const { return !by_signal && status == 0; }

  // "exit status 7"; "signal 11 (SIGSEGV), core dumped"; numbers of real-time signals are the kernel's.
  std::string describe() const {
    if (!by_signal) return "exit status " + std::to_string(status);
    static constexpr struct {
      int number;
      const char* name;
    } names[] = {{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},       {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},
                 {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},     {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
                 {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"},     {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
                 {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"},     {SIGTERM, "SIGTERM"}, {SIGXCPU, "SIGXCPU"},
                 {SIGXFSZ, "SIGXFSZ"}, {SIGVTALRM, "SIGVTALRM"}, {SIGPROF, "SIGPROF"}, {SIGIO, "SIGIO"},
                 {SIGPWR, "SIGPWR"},   {SIGSYS, "SIGSYS"}};
    std::string text = "signal " + std::to_string(signal);
    const auto found =
        std::find_if(std::begin(names), std::end(names), [this](const auto& n) { return n.number == signal; });
    if (found != std::end(names)) text += std::string(" (") + found->name + ")";
    return dumped_core ? text + ", core dumped" : text;
  }
};

namespace detail {

// The rest of a given time, in whole milliseconds, rounded up, for poll(2). CLOCK_MONOTONIC.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds from_now)
      : at_(Clock::now() + std::clamp(from_now, std::chrono::milliseconds(0), std::chrono::milliseconds(INT_MAX))) {}
  int left_ms() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, INT_MAX));
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point at_;
};

}  // namespace detail

// A child that runs, named by its pid and a pidfd (close-on-exec). The owner must wait for it or detach it:
// destroying it otherwise, or assigning to it, aborts. Move-only; used by one thread at a time.
class [[nodiscard]] Child {
 public:
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pidfd_(std::exchange(other.pidfd_, -1)) {}
  Child& operator=(Child&& other) noexcept {
    if (this == &other) return *this;
    release();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::exchange(other.pidfd_, -1);
    return *this;
  }
  ~Child() { release(); }

  // There is a child: it has been neither waited for, nor detached, nor moved from.
  bool valid() const { return pid_ >= 0; }
  pid_t pid() const { return pid_; }
  // Readable (poll(2) POLLIN) once the child has ended; owned by this object. (pidfd_open(2))
  int pidfd() const { return pidfd_; }

  // Waits through the pidfd, and again after EINTR. Succeeds once; then there is no child: ECHILD. ECHILD at the first
  // call: other code has reaped it (SIGCHLD ignored or SA_NOCLDWAIT, a wait for any child); how it ended is lost.
  // (waitid(2) P_PIDFD)
  [[nodiscard]] Expected<Exit, int> wait() { return wait_with(0); }
  // Does not block. ECHILD as wait(); EAGAIN while the child runs.
  [[nodiscard]] Expected<Exit, int> try_wait() { return wait_with(WNOHANG); }
  // Waits at most `time`, up to INT_MAX ms; if not positive, looks once. ETIMEDOUT: the child runs on, and the owner
  // must still wait for it.
  [[nodiscard]] Expected<Exit, int> wait_for(std::chrono::milliseconds time) {
    if (!valid()) return Unexpected<int>(ECHILD);
    const detail::Deadline deadline(time);
    pollfd ended{pidfd_, POLLIN, 0};
    int ready;
    do ready = poll(&ended, 1, deadline.left_ms());
    while (ready < 0 && errno == EINTR);
    if (ready < 0) return Unexpected<int>(errno);
    if (ready == 0) return Unexpected<int>(ETIMEDOUT);
    return try_wait();
  }
  // Sends SIGKILL and waits for the end, which comes soon unless the child is in an uninterruptible call. Processes
  // that it has started live on. EPERM: the child may not be signalled (it has changed its user) and runs on; the
  // owner must still wait for it.
  [[nodiscard]] Expected<Exit, int> kill_and_wait() {
    if (const int error = signal(SIGKILL); error != 0 && error != ESRCH) return Unexpected<int>(error);
    return wait();
  }
  // Sends a signal through the pidfd, so that it can reach no other process. Returns 0 or an errno; ESRCH if the child
  // has been reaped. (pidfd_send_signal(2)) Where that call is absent (valgrind, some sandboxes) it uses the pid,
  // which cannot be reused as long as no other code reaps this process's children.
  int signal(int number) const {
    if (pid_ < 0) return ESRCH;
    if (syscall(SYS_pidfd_send_signal, pidfd_, number, nullptr, 0) == 0) return 0;
    if (errno != ENOSYS) return errno;
    return ::kill(pid_, number) == 0 ? 0 : errno;
  }
  // Gives the child up. The caller must see to its zombie (SIGCHLD ignored, or a reaper).
  void detach() {
    pid_ = -1;
    if (pidfd_ >= 0) ::close(std::exchange(pidfd_, -1));
  }

 private:
  friend class Request;
  Child(pid_t pid, int pidfd) : pid_(pid), pidfd_(pidfd) {}
  void release() {
    if (pid_ >= 0) {  // in every build: a permanent zombie is worse
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
    if (got < 0) {
      const int error = errno;
      if (error == ECHILD) detach();  // nothing is left to be waited for
      return Unexpected<int>(error);
    }
    if (info.si_pid == 0) return Unexpected<int>(EAGAIN);
    detach();
    Exit exit;
    exit.by_signal = info.si_code != CLD_EXITED;
    exit.dumped_core = info.si_code == CLD_DUMPED;
    (exit.by_signal ? exit.signal : exit.status) = info.si_status;
    return exit;
  }

  pid_t pid_ = -1;
  int pidfd_ = -1;
};

}  // namespace SPAWNCHECK_SPAWN_INLINE_NAMESPACE
}  // namespace spawncheck::spawn
