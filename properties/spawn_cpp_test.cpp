// SPDX-License-Identifier: MIT
//
// The reference's C++ interface.
#include "properties/spawned.h"

#include <spawncheck/spawn/spawn.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <type_traits>

namespace spawncheck {
namespace {

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

// Behaviour 7: what the caller's strings and arrays become after the request was built does not matter.
TEST(Request, OwnsWhatItWasGiven) {
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  std::string path = "/bin/sh", script = "printf '%s %s' \"$1\" \"$WORD\"", first = "one";
  std::vector<std::string> environment{"WORD=two"};
  Request request(path);
  request.argument("-c").argument(script).argument("sh").argument(first).environment(environment).keep(pipe_ends[1], 1).keep(2, 2);
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

TEST(Window, IsThereForAsLongAsItsObject) {
  {
    auto window = Window::reserve(2);
    ASSERT_TRUE(window.has_value());
    EXPECT_EQ(Window::reserve(2).error(), EALREADY);
    Window moved = std::move(*window);
    EXPECT_EQ(__builtin_popcountll(spawn_abilities_probed().window), 2);
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
