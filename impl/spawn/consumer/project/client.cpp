// SPDX-License-Identifier: MIT
//
// A client in C++20: spawns from several threads, keep-list, failure, capture. Exit status 0, or the number of the
// failed check, which is printed. consumer/check also runs it under sanitizers and valgrind.
#include <atomic>
#include <spawncheck/spawn/capture.hpp>
#include <thread>

using namespace std::chrono_literals;
using namespace spawncheck::spawn;

int newer();  // newer.cpp

namespace {

std::atomic<int> wrong{0};

void require(bool condition, int line) {
  int none = 0;
  if (!condition && wrong.compare_exchange_strong(none, line)) std::fprintf(stderr, "client.cpp:%d: not so\n", line);
}
#define REQUIRE(condition) require(condition, __LINE__)

void spawns(int thread) {
  for (int i = 0; i < 5; ++i) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    auto child = Request("/bin/sh")
                     .argument("-c")
                     .argument("echo $WORD >&4; exit 5")
                     .environment({"WORD=" + std::to_string(thread)})
                     .keep(ends[1], 4)
                     .spawn();
    ::close(ends[1]);
    REQUIRE(child.has_value());
    char text[16] = {};
    REQUIRE(read(ends[0], text, sizeof text) == 2 && text[0] == '0' + thread);
    ::close(ends[0]);
    if (child) {
      auto exit = child->wait_for(60s);
      REQUIRE(exit && exit->describe() == "exit status 5");
      if (!exit) (void)child->kill_and_wait();
    }
    auto missing = Request("/no/such/program").spawn();
    REQUIRE(!missing && missing.error().code == ENOENT && missing.error().step == "exec");
    auto closed = Request("/bin/true").keep(1000, 3).spawn();
    REQUIRE(!closed && closed.error().code == EBADF);
    const std::string input(100'000, static_cast<char>('0' + thread));
    auto result = capture(Request("/bin/cat"), 60s, {.input = input});
    REQUIRE(result && result->output == input && result->exit.success());
  }
}

}  // namespace

int main() {
  std::thread threads[4];
  for (int t = 0; t < 4; ++t) threads[t] = std::thread(spawns, t);
  for (std::thread& thread : threads) thread.join();
  auto slow = Request("/bin/sleep").argument("600").spawn();
  REQUIRE(slow.has_value());
  if (slow) REQUIRE(slow->kill_and_wait()->signal == SIGKILL);
  REQUIRE(waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD);
  REQUIRE(newer() == 0);
  return wrong == 0 ? 0 : 1;
}
