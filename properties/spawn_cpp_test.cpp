// SPDX-License-Identifier: MIT
//
// The reference's C++ interface.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>
#include <spawncheck/spawn/spawn.hpp>
#include <type_traits>

#include "properties/spawned.h"

namespace spawncheck {
namespace {

using namespace std::chrono_literals;
using spawn::Child;
using spawn::Request;
using spawn::Window;

static_assert(!std::is_copy_constructible_v<Child> && std::is_nothrow_move_constructible_v<Child>);

TEST(Request, RunsAndTellsTheExitStatusOnce) {
  auto child = Request(binary("exit")).spawn();
  ASSERT_TRUE(child.has_value()) << child.error().step;
  EXPECT_NE(fcntl(child->pidfd(), F_GETFD) & FD_CLOEXEC, 0);
  const auto exit = child->wait();
  ASSERT_TRUE(exit.has_value());
  EXPECT_FALSE(exit->by_signal);
  EXPECT_EQ(exit->status, 7);
  EXPECT_EQ(child->wait().error(), ECHILD);
  EXPECT_EQ(child->signal(SIGKILL), ESRCH);
  EXPECT_TRUE(has_no_child());
}

TEST(Request, SignalsThroughThePidfd) {
  auto child = Request(binary("hold")).spawn();
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->try_wait().error(), EAGAIN);
  EXPECT_EQ(child->signal(SIGTERM), 0);
  const auto exit = child->wait();
  ASSERT_TRUE(exit.has_value());
  EXPECT_TRUE(exit->by_signal);
  EXPECT_EQ(exit->signal, SIGTERM);
}

// Behaviour 7: the caller may change its strings and arrays after it has built the request.
TEST(Request, OwnsWhatItWasGiven) {
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  std::string path = "/bin/sh", script = "printf '%s %s' \"$1\" \"$WORD\"", first = "one";
  std::vector<std::string> environment{"WORD=two"};
  Request request(path);
  request.argument("-c")
      .argument(script)
      .argument("sh")
      .argument(first)
      .environment(environment)
      .keep(pipe_ends[1], 1)
      .keep(2, 2);
  path = script = first = "overwritten";
  environment.clear();
  auto child = request.spawn();
  ASSERT_TRUE(child.has_value()) << child.error().step;
  close(pipe_ends[1]);
  char text[64];
  const ssize_t size = read(pipe_ends[0], text, sizeof text);
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(std::max<ssize_t>(size, 0))), "one two");
  EXPECT_EQ(child->wait()->status, 0);
  close(pipe_ends[0]);
}

// Every setter reaches its field: the child, a shell, prints its own attributes.
TEST(Request, SetsWhatTheChildIs) {
  char directory[] = "/tmp/spawncheck-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const int nice = std::min(getpriority(PRIO_PROCESS, 0) + 3, 19);  // a lower one takes a privilege
  const unsigned cpu = first_cpu_allowed();
  std::vector<std::uint64_t> only(cpu / 64 + 1);
  only.back() = 1ull << cpu % 64;
  Request request("sh");
  request.argument("-c").argument(
      "ulimit -n; ulimit -Hn; nice; echo $1; readlink /proc/self/fd/0; grep -E '^(NoNewPrivs|Cpus_allowed_list):' "
      "/proc/self/status; exec <&9; readlink /proc/self/fd/0");
  request.argument("sh").argument("word").environment({"PATH=/usr/bin:/bin"}).search().directory(directory);
  request.open(1, "output", O_WRONLY | O_CREAT, 0600).null(0).open(9, "/dev/zero", O_RDONLY).keep(2, 2);
  request.limit(RLIMIT_NOFILE, 20, 30)
      .nice(nice)
      .scheduling(SCHED_BATCH)
      .cpus(only)
      .no_new_privileges()
      .death_signal(SIGTERM);
  auto child = request.spawn();
  ASSERT_TRUE(child.has_value()) << child.error().step << child.error().field;
  EXPECT_EQ(child->wait()->status, 0);
  const std::string output = std::string(directory) + "/output";
  std::ifstream file(output);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, "20\n30\n" + std::to_string(nice) + "\nword\n/dev/null\nNoNewPrivs:\t1\nCpus_allowed_list:\t" +
                      std::to_string(cpu) + "\n/dev/zero\n");
  unlink(output.c_str());
  rmdir(directory);
}

TEST(Request, SearchesTheListItIsGivenOrTheCallersPath) {
  EXPECT_EQ(Request("true").search("/no/such:/bin:/usr/bin").spawn()->wait()->status, 0);
  EXPECT_EQ(Request("true").search_callers_path().spawn()->wait()->status, 0);
  auto missing = Request("true").search("/no/such").spawn();
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ENOENT);
  EXPECT_EQ(missing.error().step, "exec-search");
}

TEST(Request, ErrorsNameTheFieldOfEachSetter) {
  const auto field = [](const Request& request) {
    auto child = request.spawn();
    return child.has_value() ? (static_cast<void>(child->wait()), std::string("none")) : child.error().field;
  };
  const std::string path = binary("exit");
  EXPECT_EQ(field(Request(path).user(~0u)), "uid: -1");
  EXPECT_EQ(field(Request(path).group(~0u)), "gid: -1");
  EXPECT_EQ(field(Request(path).groups({~0u})), "groups: -1");
  EXPECT_EQ(field(Request(path).allow_undumpable()), "set: SPAWN_ALLOW_UNDUMPABLE without uid or gid");
  EXPECT_EQ(field(Request(path).terminal(0)), "terminal: without a new session");
  EXPECT_EQ(field(Request(path).foreground(0)), "foreground: not a target");
  EXPECT_EQ(field(Request(path).cgroup(-1)), "cgroup_fd: negative");
  EXPECT_EQ(field(Request(path).cpus({})), "cpu_words: not in 1 to SPAWN_CPU_WORDS_MAX");
}

TEST(Request, ErrorsNameTheStepOrTheField) {
  auto missing = Request("/no/such/program").spawn();
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ENOENT);
  EXPECT_EQ(missing.error().step, "exec");
  auto bad = Request("/bin/true").keep(2, 3).keep(1, 3).spawn();
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, EINVAL);
  EXPECT_EQ(bad.error().step, "request");
  EXPECT_EQ(bad.error().field, "keep: a target twice");
  auto lost = Request("/bin/true").directory("/no/such/directory").spawn();
  EXPECT_EQ(lost.error().step, "chdir");
}

TEST(Request, MayBeSpawnedAgainAndMoved) {
  Request request(binary("hold"));
  request.keep(2, 9).new_session().umask(0177).mask(1);
  std::vector<Child> children;
  for (int i = 0; i < 3; ++i) children.push_back(*request.spawn());
  for (Child& child : children) {
    EXPECT_EQ(child.signal(SIGKILL), 0);
    EXPECT_EQ(child.wait()->signal, SIGKILL);
  }
}

TEST(Request, RunsAnOpenFile) {
  const int program = open(binary("exit").c_str(), O_PATH | O_CLOEXEC);
  auto child = Request(program).name("named").spawn();
  ASSERT_TRUE(child.has_value()) << child.error().step;
  EXPECT_EQ(child->wait()->status, 7);
  close(program);
}

TEST(Child, WaitingHasABoundAndTheChildIsKeptBeyondIt) {
  auto child = Request(binary("hold")).spawn();
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->wait_for(0ms).error(), ETIMEDOUT);
  EXPECT_EQ(child->wait_for(2ms).error(), ETIMEDOUT);
  ASSERT_TRUE(child->valid());
  EXPECT_EQ(child->kill_and_wait()->signal, SIGKILL);
  EXPECT_FALSE(child->valid());
  EXPECT_EQ(child->wait_for(2ms).error(), ECHILD);
  EXPECT_TRUE(has_no_child());
}

TEST(Child, WaitingWithABoundTellsTheExit) {
  auto child = Request(binary("exit")).spawn();
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->wait_for(600s)->status, 7);
}

// A handler without SA_RESTART every millisecond: poll(2) and waitid(2) answer EINTR.
TEST(Child, WaitingOutlastsSignals) {
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, &before);
  const itimerval every{{0, 1000}, {0, 1000}}, never{};
  auto child = Request(binary("hold")).spawn();
  ASSERT_TRUE(child.has_value());
  setitimer(ITIMER_REAL, &every, nullptr);
  EXPECT_EQ(child->wait_for(20ms).error(), ETIMEDOUT);
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  EXPECT_TRUE(child->kill_and_wait().has_value());
}

// The child has ended by itself: kill_and_wait() returns that status, and its signal reaches no process.
TEST(Child, KillingOneThatHasEndedTellsHowItEnded) {
  auto child = Request(binary("exit")).spawn();
  ASSERT_TRUE(child.has_value());
  pollfd ended{child->pidfd(), POLLIN, 0};
  ASSERT_EQ(poll(&ended, 1, 600'000), 1);
  EXPECT_EQ(child->kill_and_wait()->status, 7);
}

TEST(Child, ReapedByOthersIsNoChildAnyMore) {
  auto child = Request(binary("exit")).spawn();
  ASSERT_TRUE(child.has_value());
  const int pidfd = child->pidfd();
  ASSERT_EQ(waitpid(child->pid(), nullptr, 0), child->pid());
  EXPECT_EQ(child->wait().error(), ECHILD);
  EXPECT_FALSE(child->valid());
  EXPECT_LT(fcntl(pidfd, F_GETFD), 0);
}

TEST(Child, DetachedIsLeftAloneAndItsPidfdClosed) {
  auto child = Request(binary("hold")).spawn();
  ASSERT_TRUE(child.has_value());
  const Held held(child->pid());
  const int pidfd = child->pidfd();
  child->detach();
  EXPECT_LT(fcntl(pidfd, F_GETFD), 0);
  EXPECT_EQ(kill(held.pid(), 0), 0);
  EXPECT_EQ(child->kill_and_wait().error(), ECHILD);
}

TEST(Child, MovingLeavesNoneBehind) {
  auto first = Request(binary("hold")).spawn();
  ASSERT_TRUE(first.has_value());
  const pid_t pid = first->pid();
  Child second = std::move(*first);
  EXPECT_FALSE(first->valid());
  EXPECT_EQ(first->wait().error(), ECHILD);
  *first = std::move(second);
  Child& same = *first;
  *first = std::move(same);
  EXPECT_EQ(first->pid(), pid);
  EXPECT_EQ(first->kill_and_wait()->signal, SIGKILL);
}

TEST(Exit, IsDescribed) {
  const std::pair<spawn::Exit, const char*> table[] = {{{false, 0, 0, false}, "exit status 0"},
                                                       {{false, 7, 0, false}, "exit status 7"},
                                                       {{true, 0, SIGSEGV, true}, "signal 11 (SIGSEGV), core dumped"},
                                                       {{true, 0, SIGTERM, false}, "signal 15 (SIGTERM)"},
                                                       {{true, 0, 40, false}, "signal 40"}};
  for (const auto& [exit, text] : table) EXPECT_EQ(exit.describe(), text);
  EXPECT_TRUE((spawn::Exit{false, 0, 0, false}.success()));
  EXPECT_FALSE((spawn::Exit{false, 1, 0, false}.success()));
  EXPECT_FALSE((spawn::Exit{true, 0, SIGKILL, false}.success()));
}

TEST(Error, IsDescribed) {
  auto missing = Request("/no/such/program").spawn();
  EXPECT_EQ(missing.error().describe(), "exec: No such file or directory (errno 2)");
  auto bad = Request("/bin/true").keep(2, 3).keep(1, 3).spawn();
  EXPECT_EQ(bad.error().describe(), "request, keep: a target twice: Invalid argument (errno 22)");
}

TEST(ChildDeathTest, AssigningToOneThatRunsIsAsserted) {
  EXPECT_DEATH(
      {
        auto child = Request(binary("hold")).spawn();
        *child = *Request(binary("exit")).spawn();
        child->detach();
      },
      "waited for or detached");
}

TEST(Window, IsThereForAsLongAsItsObject) {
  {
    auto window = Window::reserve(2);
    ASSERT_TRUE(window.has_value());
    EXPECT_EQ(Window::reserve(2).error(), EALREADY);
    Window moved = std::move(*window);
    EXPECT_EQ(__builtin_popcountll(spawn_abilities_probed().window), 4);
  }
  EXPECT_EQ(spawn_abilities_probed().window, 0u);
}

TEST(ChildDeathTest, DestroyingOneThatRunsIsAsserted) {
  EXPECT_DEATH(
      {
        auto child = Request(binary("exit")).spawn();
        waitpid(child->pid(), nullptr, 0);
      },
      "waited for or detached");
}

}  // namespace
}  // namespace spawncheck
