// SPDX-License-Identifier: MIT
//
// Runs a request to its end and collects what it writes, within bounds of time and size.
//
//   auto result = capture(Request("/usr/bin/sort"), 2s, {.input = "b\na\n"});
//   if (!result) return result.error().code;
//   if (result->exit.success() && !result->output_truncated) use(result->output);
//
// One thread, poll(2) on three pipes and the child's pidfd. What can go wrong, and what is done:
//
// - A child that writes much blocks on a full pipe while the parent blocks writing to the child: all three pipes are
//   served at once, and none of our ends ever blocks (O_NONBLOCK is set on our ends only: the child's are other open
//   file descriptions).
// - A child that closes its input early: write(2) would raise SIGPIPE in the calling
//   thread. This code holds a read end
//   itself, so the pipe always has a reader. Rejected: a socket with MSG_NOSIGNAL (programs treat a socket as stdin
//   differently, and cannot open /dev/stdin then); blocking SIGPIPE and taking it with sigtimedwait(2) (it looks like
//   one that the caller had pending).
// - A grandchild keeps a pipe open, perhaps for hours. The end of the child counts, not the end of file: a pipe
//   holds all that the child wrote before it ended, and that many bytes (FIONREAD) are still read. Reading ends then,
//   or after_exit later.
// - A child that never ends, or writes for ever: when the time is over it is killed, with its process group if it
//   leads one, and reaped. What it wrote until then is returned.
// - Nothing is left behind: on every return, and when std::bad_alloc passes, the child is reaped and every descriptor
// is closed.
//
// Not async-signal-safe (allocates); writes errno; any number of threads may call it at once.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>

#include <spawncheck/spawn/spawn.hpp>
#include <string_view>

namespace spawncheck::spawn {
inline namespace SPAWNCHECK_SPAWN_INLINE_NAMESPACE {

struct CaptureOptions {
  std::string_view input = {};  // the child reads it from its 0, followed by the end of file; borrowed
  std::size_t bytes_max =
      std::size_t{1} << 20;        // kept of each stream; the rest is read and dropped: the child does not block
  bool error_with_output = false;  // its 2 is its 1: one stream, in the order of writing
  // How long a stream that another process still holds is read after the child's end, at most until the time is over.
  std::chrono::milliseconds after_exit{0};
};

struct Captured {
  Exit exit;
  std::string output, error;  // the first bytes_max bytes of its 1 and its 2
  bool output_truncated = false, error_truncated = false;
  bool timed_out = false;       // it still ran when the time was over, and was killed
  bool left_open = false;       // another process held a stream when reading ended: more output may follow
  std::size_t input_taken = 0;  // bytes of the input that have been read
};

namespace detail {

class Descriptor {
 public:
  Descriptor() = default;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  void close() {
    if (number >= 0) ::close(std::exchange(number, -1));
  }
  int number = -1;
};

struct Pipe {
  Descriptor reading, writing;
  int open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return errno;
    reading.number = ends[0];
    writing.number = ends[1];
    return 0;
  }
};

// An output stream of the child, and what was read.
struct Stream {
  Pipe pipe;
  std::string& text;
  bool& truncated;

  bool is_open() const { return pipe.reading.number >= 0; }
  // Reads once and returns the number of bytes; 0: nothing to read now, or the end of file, which closes the stream.
  std::size_t read_some(std::size_t bytes_max) {
    char buffer[16384];
    const ssize_t size = ::read(pipe.reading.number, buffer, sizeof buffer);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (size <= 0) return pipe.reading.close(), 0;
    const std::size_t got = static_cast<std::size_t>(size),
                      kept = std::min(got, bytes_max - std::min(bytes_max, text.size()));
    text.append(buffer, kept);
    truncated |= kept < got;
    return got;
  }
  // Reads only what is in the pipe now: another process may keep writing to it.
  void drain(std::size_t bytes_max) {
    int there = 0;
    if (!is_open() || ioctl(pipe.reading.number, FIONREAD, &there) != 0) return;
    for (auto left = static_cast<std::size_t>(there); is_open();) {
      const std::size_t got = read_some(bytes_max);
      if (got == 0 || got > left) return;  // `>`: one more read, to see the end of file
      left -= got;
    }
  }
};

// The child of a capture; the destructor kills and reaps it.
struct Reaped {
  Child child;
  explicit Reaped(Child&& running) noexcept : child(std::move(running)) {}
  Reaped(const Reaped&) = delete;
  Reaped& operator=(const Reaped&) = delete;
  ~Reaped() {
    if (child.valid()) (void)end();
  }
  Expected<Exit, int> end() {
    kill_group();
    auto exit = child.kill_and_wait();
    if (child.valid()) child.detach();  // EPERM: it may not be killed
    return exit;
  }

 private:
  // Kills the process group that the child leads, if any. Before Linux 6.9 by number, which cannot be reused while the
  // child exists.
  void kill_group() const {
    constexpr unsigned process_group = 1u << 2;  // PIDFD_SIGNAL_PROCESS_GROUP, pidfd_send_signal(2)
    if (syscall(SYS_pidfd_send_signal, child.pidfd(), SIGKILL, nullptr, process_group) == 0 ||
        (errno != EINVAL && errno != ENOSYS))
      return;
    if (child.pid() > 1 && child.signal(0) == 0) ::kill(-child.pid(), SIGKILL);
  }
};

class Capture {
 public:
  explicit Capture(const CaptureOptions& options) : options_(options), left_(options.input) {}

  int open() {
    for (Pipe* pipe : {&input_, &output_.pipe, &error_.pipe})
      if (const int error = pipe->open()) return error;
    for (const Descriptor* ours : {&input_.writing, &output_.pipe.reading, &error_.pipe.reading})
      if (fcntl(ours->number, F_SETFL, O_NONBLOCK) != 0) return errno;
    return 0;
  }

  Expected<Child, Error> spawn(Request request) {
    const int second = options_.error_with_output ? output_.pipe.writing.number : error_.pipe.writing.number;
    auto child = request.keep(input_.reading.number, 0).keep(output_.pipe.writing.number, 1).keep(second, 2).spawn();
    output_.pipe.writing.close();
    error_.pipe.writing.close();
    return child;
  }

  Expected<Captured, Error> collect(Child&& running, const Deadline& deadline) {
    Reaped reaped(std::move(running));
    if (const int error = serve(reaped.child.pidfd(), deadline)) return Unexpected<Error>(Error{error, "poll", {}, 0});
    auto exit = reaped.child.try_wait();
    if (!exit && exit.error() == EAGAIN) {
      result_.timed_out = true;
      exit = reaped.end();
      if (!exit && exit.error() == EPERM) return Unexpected<Error>(Error{EPERM, "kill", {}, 0});
    }
    if (!exit) return Unexpected<Error>(Error{exit.error(), "wait", {}, 0});
    result_.exit = *exit;
    for (Stream* stream : {&output_, &error_}) {
      stream->drain(options_.bytes_max);
      result_.left_open |= stream->is_open();
    }
    int unread = 0;
    ioctl(input_.reading.number, FIONREAD, &unread);
    result_.input_taken = options_.input.size() - left_.size() - static_cast<std::size_t>(unread);
    return std::move(result_);
  }

 private:
  // Serves until the child has ended and no process holds the streams, or after_exit or the time is over. 0 or errno.
  int serve(int pidfd, const Deadline& deadline) {
    bool ended = false;
    Deadline last = deadline;
    while (!ended || output_.is_open() || error_.is_open()) {
      const int left_ms = last.left_ms();
      if (left_ms == 0) return 0;  // first: a child that writes all the time gets no more time
      pollfd watched[] = {{ended ? -1 : pidfd, POLLIN, 0},
                          {input_.writing.number, POLLOUT, 0},
                          {output_.pipe.reading.number, POLLIN, 0},
                          {error_.pipe.reading.number, POLLIN, 0}};
      const int ready = poll(watched, std::size(watched), left_ms);
      if (ready < 0 && errno != EINTR) return errno;
      if (ready <= 0) continue;
      if (watched[0].revents != 0) {
        ended = true;
        last = Deadline(std::min(options_.after_exit, std::chrono::milliseconds(deadline.left_ms())));
      }
      if (watched[1].revents != 0) feed();
      if (watched[2].revents != 0) output_.read_some(options_.bytes_max);
      if (watched[3].revents != 0) error_.read_some(options_.bytes_max);
    }
    return 0;
  }

  // Cannot raise SIGPIPE: input_.reading is open.
  void feed() {
    const ssize_t size = ::write(input_.writing.number, left_.data(), left_.size());
    if (size > 0) left_.remove_prefix(static_cast<std::size_t>(size));
    if (left_.empty()) input_.writing.close();
  }

  const CaptureOptions options_;
  std::string_view left_;  // of the input
  Captured result_;
  Pipe input_;
  Stream output_{{}, result_.output, result_.output_truncated}, error_{{}, result_.error, result_.error_truncated};
};

}  // namespace detail

// The request says what runs and how. This function sets the child's 0, 1 and 2: a request that keeps one of them is
// refused (EINVAL, "a target twice"). `time` bounds the whole call, 0..INT_MAX ms. Errors: those of the spawn; step
// "pipe" (EMFILE, ENFILE); "poll" (ENOMEM); "wait", ECHILD: other code reaped it, see Child::wait; "kill", EPERM:
// the time was over and the child, which has changed its user, may not be killed: it is detached and runs on.
[[nodiscard]] inline Expected<Captured, Error> capture(const Request& request, std::chrono::milliseconds time,
                                                       const CaptureOptions& options = {}) {
  const detail::Deadline deadline(time);
  detail::Capture run(options);
  if (const int error = run.open()) return Unexpected<Error>(Error{error, "pipe", {}, 0});
  auto child = run.spawn(request);
  if (!child) return Unexpected<Error>(std::move(child.error()));
  return run.collect(std::move(*child), deadline);
}

}  // namespace SPAWNCHECK_SPAWN_INLINE_NAMESPACE
}  // namespace spawncheck::spawn
