// SPDX-License-Identifier: MIT
//
// The reference's output capture: bounds of time and size, and nothing left on any path.
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <spawncheck/spawn/capture.hpp>
#include <thread>

#include "impl/session/slowness.h"
#include "properties/spawned.h"

// A capture can fail wherever it allocates. How many more allocations of this thread succeed; then all fail. Negative:
// all succeed.
static thread_local int allocations_left = -1;

static void* allocate(std::size_t size) {
  if (allocations_left == 0) return nullptr;
  if (allocations_left > 0) --allocations_left;
  return std::malloc(size != 0 ? size : 1);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* memory = allocate(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace spawncheck {
namespace {

using namespace std::chrono_literals;
using spawn::capture;
using spawn::Captured;
using spawn::CaptureOptions;
using spawn::Request;

constexpr auto long_enough = 600s;  // nothing here takes that long unless it is wrong
// In this time a shell starts a child and says so.
const std::chrono::seconds enough_for_a_shell = 3s * slowness_of_machine();
// After this time a process group that still has a process was not killed.
const int wait_for_group_ms = 20'000 * static_cast<int>(slowness_of_machine());

Request shell(const std::string& script) {
  Request request("/bin/sh");
  request.argument("-c").argument(script).environment({"PATH=/usr/bin:/bin"});
  return request;
}

Captured captured(const Request& request, const CaptureOptions& options = {},
                  std::chrono::milliseconds time = long_enough) {
  auto result = capture(request, time, options);
  if (result) return *result;
  ADD_FAILURE() << result.error().describe();
  return {};
}

// Runs `action` in a forked process, so that it breaks nothing here. Returns the exit status, or 256 plus the signal
// that ended the process.
int in_a_process(const std::function<int()>& action) {
  const pid_t pid = fork();
  if (pid == 0) _exit(action());
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

bool refuse(const std::vector<int>& calls, int error) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) return false;
  bool ok = true;
  for (const int call : calls)
    ok &= seccomp_rule_add(filter, SCMP_ACT_ERRNO(static_cast<uint16_t>(error)), call, 0) == 0;
  ok = ok && seccomp_load(filter) == 0;
  seccomp_release(filter);
  return ok;
}

TEST(Capture, GivesBothStreamsAndTheExit) {
  const Captured result = captured(shell("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.error, "err\n");
  EXPECT_EQ(result.exit.describe(), "exit status 3");
  EXPECT_FALSE(result.output_truncated || result.error_truncated || result.timed_out || result.left_open);
}

TEST(Capture, GivesOneStreamInTheOrderOfWritingWhereAsked) {
  const Captured result = captured(shell("echo 1; echo 2 >&2; echo 3"), {.error_with_output = true});
  EXPECT_EQ(result.output, "1\n2\n3\n");
  EXPECT_EQ(result.error, "");
}

// With policy inherit only close-on-exec keeps the pipes' other ends out of the child: the child has 0, 1, 2, and what
// this process has without close-on-exec.
TEST(Capture, NoEndOfItsPipesReachesAnotherChild) {
  Request request = shell("readlink /proc/$$/fd/*; exit 0");
  request.policy(SPAWN_FDS_INHERIT);
  int own = 0;
  for (const auto& [number, link] : descriptors_of(getpid()))
    own += number > 2 && link.rfind("pipe:", 0) == 0 && (fcntl(number, F_GETFD) & FD_CLOEXEC) == 0;
  const std::string links = captured(request).output;
  int pipes = 0;
  for (std::size_t at = links.find("pipe:"); at != std::string::npos; at = links.find("pipe:", at + 1)) ++pipes;
  EXPECT_EQ(pipes, 3 + own) << links;
}

// However fast others write, drain() reads no more than a pipe holds plus one read.
TEST(Capture, WhatIsReadAfterTheEndIsBounded) {
  for (int i = 0; i < 20; ++i) {
    std::string text;
    bool truncated = false;
    spawn::detail::Stream stream{{}, text, truncated};
    ASSERT_EQ(stream.pipe.open(), 0);
    ASSERT_EQ(fcntl(stream.pipe.reading.number, F_SETFL, O_NONBLOCK), 0);
    const int writing = stream.pipe.writing.number;
    std::vector<std::unique_ptr<Held>> writers;
    for (int w = 0; w < 3; ++w) {
      const pid_t pid = fork();
      if (pid == 0) {
        const std::string block(65'536, 'x');
        for (int n = 0; n < 200; ++n) (void)!write(writing, block.data(), block.size());
        _exit(0);
      }
      writers.push_back(std::make_unique<Held>(pid));
    }
    pollfd there{stream.pipe.reading.number, POLLIN, 0};
    ASSERT_EQ(poll(&there, 1, 600'000), 1);
    stream.drain(std::size_t{1} << 30);
    EXPECT_LE(text.size(), 65'536u + 16'384u);
    stream.pipe.reading.close();  // the writers have the read end too and block; Held kills them
  }
}

TEST(Capture, ChildWithoutInputReadsTheEndOfFile) { EXPECT_EQ(captured(shell("cat; echo end")).output, "end\n"); }

// The text is more than three pipes hold: both sides would wait for each other unless capture() served all at once.
TEST(Capture, FeedsAndReadsAtTheSameTime) {
  std::string text;
  for (int i = 0; text.size() < 1'000'000; ++i) text += std::to_string(i) + "\n";
  const Captured result = captured(shell("tee /dev/stderr"), {.input = text});
  EXPECT_TRUE(result.output == text && result.error == text) << result.output.size() << " " << result.error.size();
  EXPECT_EQ(result.input_taken, text.size());
}

TEST(Capture, KeepsNoMoreThanTheBoundAndTheChildDoesNotBlock) {
  const Captured result = captured(shell("head -c 500000 /dev/zero; printf 1234567890 >&2"), {.bytes_max = 10});
  EXPECT_EQ(result.output, std::string(10, '\0'));
  EXPECT_TRUE(result.output_truncated);
  EXPECT_EQ(result.error, "1234567890");
  EXPECT_FALSE(result.error_truncated);
  EXPECT_TRUE(result.exit.success()) << result.exit.describe();
}

std::atomic<int> pipes_broken{0};

// The child reads a little, closes its input and runs on: a writer would then meet a pipe without a reader.
TEST(Capture, ChildThatClosesItsInputRaisesNoSigpipeAndRunsOn) {
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) { ++pipes_broken; };
  sigaction(SIGPIPE, &action, &before);
  const std::string text(1'000'000, 'x');
  const Captured result =
      captured(shell("head -c 5; exec <&-; for i in 1 2 3; do /bin/echo $i; done"), {.input = text});
  EXPECT_EQ(result.output, "xxxxx1\n2\n3\n");
  EXPECT_EQ(result.input_taken, 5u);
  EXPECT_EQ(pipes_broken, 0);
  sigaction(SIGPIPE, &before, nullptr);
  EXPECT_TRUE(has_no_child());
}

TEST(Capture, WhatTheChildWroteArrivesThoughAGrandchildHoldsTheStream) {
  for (int i = 0; i < 30; ++i) {
    const Captured result = captured(shell("sleep 60 & echo $! >&2; head -c 60000 /dev/zero"));
    EXPECT_EQ(result.output.size(), 60'000u);
    EXPECT_TRUE(result.left_open);
    EXPECT_FALSE(result.timed_out);
    EXPECT_TRUE(result.exit.success());
    const pid_t sleeper = static_cast<pid_t>(std::strtol(result.error.c_str(), nullptr, 10));
    if (sleeper > 1) kill(sleeper, SIGKILL);
  }
}

// The grandchild writes once the shell, the only writer of the FIFO, is gone.
TEST(Capture, GrandchildIsReadForAsLongAsAsked) {
  char directory[] = "/tmp/spawncheck-capture-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string fifo = std::string(directory) + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const Request request = shell("(exec 9<" + fifo + "; cat <&9; echo late) & exec 8>" + fifo + "; echo early");
  const Captured result = captured(request, {.after_exit = long_enough});
  EXPECT_EQ(result.output, "early\nlate\n");
  EXPECT_FALSE(result.left_open);
  unlink(fifo.c_str());
  rmdir(directory);
}

TEST(Capture, GrandchildThatAlwaysWritesDoesNotDelayTheEnd) {
  const Captured result = captured(shell("yes & exit 4"), {.bytes_max = 10});
  EXPECT_EQ(result.exit.status, 4);
  EXPECT_TRUE(result.left_open);
}

TEST(Capture, EndsAChildWhoseTimeIsOver) {
  const Captured result = captured(Request(binary("hold")), {}, 1ms);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.exit.describe(), "signal 9 (SIGKILL)");
  EXPECT_TRUE(has_no_child());
}

TEST(Capture, AChildThatAlwaysWritesHasNoMoreTimeThanOthers) {
  const Captured result = captured(shell("exec yes"), {.bytes_max = 4}, 3s);
  EXPECT_TRUE(result.timed_out && result.output_truncated);
  EXPECT_EQ(result.output, "y\ny\n");
}

// The pipe at 5 ends once no process of the group is left.
TEST(Capture, EndsTheProcessGroupTheChildLeads) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Captured result =
      captured(shell("sleep 600 & echo $!; wait").keep(ends[1], 5).process_group(0), {}, enough_for_a_shell);
  close(ends[1]);
  EXPECT_TRUE(result.timed_out);
  pollfd ended{ends[0], POLLIN, 0};
  const bool has_ended = poll(&ended, 1, wait_for_group_ms) == 1;
  EXPECT_TRUE(has_ended) << "a process of the group lives";
  const pid_t sleeper = static_cast<pid_t>(std::strtol(result.output.c_str(), nullptr, 10));
  EXPECT_GT(sleeper, 1) << "the shell had not said its child's number when its time was over";
  if (!has_ended && sleeper > 1) kill(sleeper, SIGKILL);
  close(ends[0]);
}

TEST(Capture, MayBeCalledByManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([t, &right] {
      const std::string text(10'000 + static_cast<std::size_t>(t), static_cast<char>('a' + t));
      for (int i = 0; i < 10; ++i) right += captured(shell("exec cat"), {.input = text}).output == text;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 80);
  EXPECT_TRUE(has_no_child());
}

TEST(Capture, WorksWithTheStandardDescriptorsClosed) {
  EXPECT_EQ(in_a_process([] {
              for (int n = 0; n < 3; ++n) close(n);
              const auto result = capture(shell("cat; echo err >&2"), long_enough, {.input = "in"});
              return !result ? 1 : result->output != "in" || result->error != "err\n" ? 2 : 0;
            }),
            0);
}

struct Wrong {
  const char* name;
  Request request;
  int code;
  const char* step;
};

TEST(Capture, ErrorsAreThoseOfTheSpawnAndNothingIsLeft) {
  const auto before = descriptors_of(getpid());
  const Wrong table[] = {{"no program", Request("/no/such/program"), ENOENT, "exec"},
                         {"1 is kept", Request("/bin/true").keep(2, 1), EINVAL, "request"},
                         {"closed", Request("/bin/true").keep(900, 5), EBADF, "request"}};
  for (const Wrong& wrong : table) {
    SCOPED_TRACE(wrong.name);
    const auto result = capture(wrong.request, long_enough, {.input = "text"});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, wrong.code);
    EXPECT_EQ(result.error().step, wrong.step);
  }
  EXPECT_EQ(descriptors_of(getpid()), before);
  EXPECT_TRUE(has_no_child());
}

// The limit allows one number more each time, so that each pipe end and the pidfd is once the first to get no number.
TEST(Capture, LeavesNothingHoweverFewNumbersAreFree) {
  EXPECT_EQ(in_a_process([] {
              const auto before = descriptors_of(getpid());
              int failures = 0;
              for (rlim_t limit = 3;; ++limit) {
                rlimit now{}, low{};
                getrlimit(RLIMIT_NOFILE, &now);
                low = now;
                low.rlim_cur = limit;
                setrlimit(RLIMIT_NOFILE, &low);
                const auto result = capture(shell("exec cat"), long_enough, {.input = "text"});
                setrlimit(RLIMIT_NOFILE, &now);
                if (!has_no_child()) return 1;
                if (descriptors_of(getpid()) != before) return 2;
                if (result) return result->output != "text" ? 3 : failures >= 7 ? 0 : 4;
                if (result.error().code != EMFILE) return 5;
                ++failures;
              }
            }),
            0);
}

TEST(Capture, LeavesNothingWhicheverAllocationFails) {
  const auto before = descriptors_of(getpid());
  const std::string text(40'000, 'x');
  const Request request = shell("exec cat");
  int failures = 0;
  for (bool succeeded = false; !succeeded && failures < 1'000;) {
    try {
      allocations_left = failures;
      const auto result = capture(request, long_enough, {.input = text});
      allocations_left = -1;
      succeeded = true;
      EXPECT_TRUE(result.has_value() && result->output == text);
    } catch (const std::bad_alloc&) {
      allocations_left = -1;
      ++failures;
    }
    ASSERT_EQ(descriptors_of(getpid()), before) << failures;
    ASSERT_TRUE(has_no_child()) << failures;
  }
  EXPECT_GT(failures, 10);  // the request's and the streams'
  EXPECT_LT(failures, 1'000);
}

TEST(Capture, LeavesNothingWherePollFails) {
  EXPECT_EQ(in_a_process([] {
              const auto before = descriptors_of(getpid());
              if (!refuse({SCMP_SYS(poll), SCMP_SYS(ppoll)}, ENOMEM)) return 1;
              const auto result = capture(Request(binary("hold")), long_enough);
              if (result || result.error().step != "poll" || result.error().code != ENOMEM) return 2;
              return !has_no_child() ? 3 : descriptors_of(getpid()) != before ? 4 : 0;
            }),
            0);
}

TEST(Capture, EndsTheChildAndItsGroupWhereThereAreNoSignalsByPidfd) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  EXPECT_EQ(in_a_process([&] {
              if (!refuse({SCMP_SYS(pidfd_send_signal)}, ENOSYS)) return 1;
              const auto result =
                  capture(shell("sleep 600 & echo >&6; wait").keep(ends[1], 5).keep(ends[1], 6).process_group(0),
                          enough_for_a_shell);
              return !result ? 2 : !result->timed_out || result->exit.signal != SIGKILL ? 3 : has_no_child() ? 0 : 4;
            }),
            0);
  close(ends[1]);
  char text[2];
  ASSERT_EQ(read(ends[0], text, sizeof text), 1) << "the shell had not started its child when its time was over";
  pollfd ended{ends[0], POLLIN, 0};
  EXPECT_EQ(poll(&ended, 1, wait_for_group_ms), 1) << "a process of the group lives";
  close(ends[0]);
}

TEST(Capture, SaysSoWhereTheChildWasReapedByOthers) {
  EXPECT_EQ(in_a_process([] {
              signal(SIGCHLD, SIG_IGN);
              const auto before = descriptors_of(getpid());
              const auto result = capture(shell("echo text"), long_enough);
              if (result || result.error().step != "wait" || result.error().code != ECHILD) return 1;
              return !has_no_child() ? 2 : descriptors_of(getpid()) != before ? 3 : 0;
            }),
            0);
}

// EPERM is the answer for a child that has changed its user. The holding program ends with this process
// (PR_SET_PDEATHSIG).
TEST(Capture, SaysSoWhereTheChildMayNotBeKilled) {
  EXPECT_EQ(in_a_process([] {
              const auto before = descriptors_of(getpid());
              if (!refuse({SCMP_SYS(kill), SCMP_SYS(pidfd_send_signal)}, EPERM)) return 1;
              const auto result = capture(Request(binary("hold")), 1ms);
              if (result || result.error().step != "kill" || result.error().code != EPERM) return 2;
              return descriptors_of(getpid()) != before ? 3 : 0;
            }),
            0);
}

}  // namespace
}  // namespace spawncheck
