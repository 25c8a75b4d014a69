// SPDX-License-Identifier: MIT
//
// Where a spawn can be called from, and what may happen meanwhile: 64 threads, a storm of signals, a signal handler, a
// thread that is being cancelled, fork handlers, the longest arguments. On shared memory and on a copy of it.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <atomic>
#include <thread>

#include "properties/feature.h"

namespace spawncheck {
namespace {

// Starts a program that exits with 7; with new credentials, the caller's own, where these may be set.
struct ExitRequest : HoldRequest {
  explicit ExitRequest(bool on_a_copy) {
    path = binary("exit");
    r.path = path.c_str();
    if (on_a_copy) {
      r.set = SPAWN_SET_UID;
      r.uid = geteuid();
    }
  }
};

class Hardened : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Memory, Hardened, ::testing::Bool(),
                         [](const auto& i) { return i.param ? "copied" : "shared"; });

TEST_P(Hardened, SixtyFourThreadsAtOnce) {
  std::atomic<int> wrong{0}, ready{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 64; ++t)
    threads.emplace_back([&, t] {
      ExitRequest good(GetParam()), bad(GetParam());
      good.keep = {{2, t}};
      bad.r.path = "/no/such/program";
      // Each child composes a different path on its stack; a wrong one does not exist.
      const std::string bin = binary("exit"), list = "/no/such/" + std::to_string(t) + ":" +
                                                     bin.substr(0, bin.rfind('/')) +
                                                     std::string(static_cast<std::size_t>(t) + 1, '/');
      good.r.set |= SPAWN_SEARCH;
      good.r.path = "spawncheck-exit";
      good.r.search = list.c_str();
      spawn_result result{};
      ++ready;
      while (ready < 64) sched_yield();
      for (int i = 0; i < (GetParam() ? 6 : 60); ++i) {
        errno = t;
        if (i % 3 == 2) {
          wrong += spawn_run(&bad.get(), &result) != ENOENT || result.failed != SPAWN_STEP_EXEC;
        } else {
          wrong += spawn_run(&good.get(), &result) != 0 || exit_status_of(result.pid) != 7;
        }
        wrong += errno != t;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(has_no_child());
}

// Real-time signals to the process group are counted: each runs its handler once, in the parent; no child runs a
// handler of its parent's before exec, none is lost or doubled by a spawn. In a process group of its own.
std::atomic<int> handled, handled_elsewhere;
pid_t this_process;
void count_signal(int) { ++(syscall(SYS_getpid) == this_process ? handled : handled_elsewhere); }

int storm(bool on_a_copy) {
  constexpr int rounds = 200;
  const int signal = SIGRTMIN + 3;
  setpgid(0, 0);
  this_process = getpid();
  struct sigaction action {};
  action.sa_handler = count_signal;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
  std::atomic<bool> done{false};
  std::atomic<int> sent{0};
  std::thread sender([&] {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, signal);
    pthread_sigmask(SIG_BLOCK, &mask, nullptr);
    while (!done) {
      sent += kill(0, signal) == 0;
      for (int tries = 0; tries < 100'000 && handled + 4 < sent; ++tries)
        sched_yield();  // a few at a time, at each spawn
    }
  });
  ExitRequest good(on_a_copy), bad(on_a_copy);
  for (ExitRequest* request : {&good, &bad}) {
    request->r.set |= SPAWN_SET_IGNORE;  // else it would end the child
    request->r.ignore = 1ull << (signal - 1);
  }
  bad.r.path = "/no/such/program";
  spawn_result result{};
  int wrong = 0;
  for (int i = 0; i < rounds; ++i) {
    wrong += spawn_run(&bad.get(), &result) != ENOENT;
    wrong += spawn_run(&good.get(), &result) != 0 || exit_status_of(result.pid) != 7;
  }
  done = true;
  sender.join();
  std::printf("%d signals during %d spawns, %d handlers run in the parent, %d elsewhere, %d results wrong\n",
              sent.load(), 2 * rounds, handled.load(), handled_elsewhere.load(), wrong);
  std::fflush(stdout);
  return wrong == 0 && handled == sent && handled_elsewhere == 0 ? 0 : 1;
}

TEST_P(Hardened, AStormOfSignals) {
  EXPECT_EQ(apart([] { return storm(GetParam()); }), 0);
}

// A handler interrupts malloc, streams and other spawns' preparation, and spawns itself, on an alternate stack.
const spawn_request* handler_request;
volatile sig_atomic_t handler_good, handler_wrong;
void spawn_in_handler(int) {
  const int saved = errno;
  spawn_result result{};
  int status = 0;
  const bool ran = spawn_run(handler_request, &result) == 0 && waitpid(result.pid, &status, 0) == result.pid &&
                   WIFEXITED(status) && WEXITSTATUS(status) == 7;
  if (ran)
    handler_good = handler_good + 1;
  else
    handler_wrong = handler_wrong + 1;
  errno = saved;
}

TEST_P(Hardened, FromASignalHandler) {
  ExitRequest request(GetParam());
  spawn_result probe{};
  ASSERT_EQ(spawn_run(&request.get(), &probe), 0);
  exit_status_of(probe.pid);
  handler_request = &request.get();
  handler_good = 0;
  handler_wrong = 0;
  constexpr std::size_t stack_bytes = 64 << 10;
  const stack_t alternate{mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0,
                          stack_bytes};
  stack_t old_stack{};
  ASSERT_EQ(sigaltstack(&alternate, &old_stack), 0);
  struct sigaction action {
  }, old{};
  action.sa_handler = spawn_in_handler;
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  sigaction(SIGALRM, &action, &old);
  const itimerval soon{{0, 0}, {0, 700}}, never{};
  int seen = -1;
  for (int i = 0; i < 400'000 && handler_good + handler_wrong < 60; ++i) {
    if (seen !=
        handler_good + handler_wrong) {  // no interval timer: after a slow handler the next would follow, for ever
      seen = handler_good + handler_wrong;
      setitimer(ITIMER_REAL, &soon, nullptr);
    }
    std::vector<std::string> text(20, std::string(200, 'x'));
    std::ofstream("/dev/null") << text[3];
    errno = 17;
    if (i % 32 == 0) {
      spawn_result result{};
      EXPECT_EQ(spawn_run(&request.r, &result), 0);
      EXPECT_EQ(errno, 17);
      EXPECT_EQ(exit_status_of(result.pid), 7);
    }
  }
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &old, nullptr);
  sigaltstack(&old_stack, nullptr);
  munmap(alternate.ss_sp, stack_bytes);
  EXPECT_EQ(handler_wrong, 0);
  EXPECT_GT(handler_good, 0);
  EXPECT_TRUE(has_no_child());
}

// pthread_atfork(3): no handler runs, on either side; what they would lock may be held by another thread.
std::atomic<int> fork_handlers;
TEST_P(Hardened, NoForkHandlerRuns) {
  static const int registered =
      pthread_atfork([] { ++fork_handlers; }, [] { ++fork_handlers; }, [] { ++fork_handlers; });
  ASSERT_EQ(registered, 0);
  fork_handlers = 0;
  ExitRequest request(GetParam());
  spawn_result result{};
  ASSERT_EQ(spawn_run(&request.get(), &result), 0);
  EXPECT_EQ(exit_status_of(result.pid), 7);
  EXPECT_EQ(fork_handlers, 0);
  EXPECT_EQ(apart([] { return fork_handlers == 2 ? 0 : 1; }), 0) << "the handlers are there";
}

// spawn_run() is no cancellation point: with a cancellation request pending it returns, and the child is not lost.
TEST_P(Hardened, IsNoCancellationPoint) {
  struct Job {
    ExitRequest request;
    int error = -1, status = -1;
  } job{ExitRequest(GetParam()), -1, -1};
  job.request.get();
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, nullptr,
                [](void* argument) -> void* {
                  Job* j = static_cast<Job*>(argument);
                  pthread_cancel(pthread_self());
                  spawn_result result{};
                  j->error = spawn_run(&j->request.r, &result);
                  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
                  j->status = exit_status_of(result.pid);
                  return argument;
                },
                &job),
            0);
  void* ended = nullptr;
  pthread_join(thread, &ended);
  EXPECT_EQ(job.error, 0);
  EXPECT_EQ(job.status, 7);
  EXPECT_EQ(ended, &job);
}

// As many arguments as exec takes: the child's own stack holds none of them.
TEST_P(Hardened, TheLongestArguments) {
  rlimit limit{};
  getrlimit(RLIMIT_STACK, &limit);
  const std::size_t bytes = std::clamp<std::size_t>(limit.rlim_cur / 4, 128 << 10, 6 << 20);  // fs/exec.c
  const std::size_t each = std::min<std::size_t>(128 * 1024 - 1, bytes / 8);
  ExitRequest request(GetParam());
  std::string one(each, 'x');
  std::vector<char*> argv(bytes / (each + 16) - 1, one.data());
  argv.push_back(nullptr);
  request.r.argv = argv.data();
  spawn_result result{};
  ASSERT_EQ(spawn_run(&request.get(), &result), 0) << strerror(result.error) << " with " << argv.size() << " arguments";
  EXPECT_EQ(exit_status_of(result.pid), 7);
  argv.back() = one.data();
  argv.insert(argv.end(), {one.data(), one.data(), nullptr});
  request.r.argv = argv.data();
  EXPECT_EQ(spawn_run(&request.get(), &result), E2BIG);
}

}  // namespace
}  // namespace spawncheck
