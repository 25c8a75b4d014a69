// SPDX-License-Identifier: MIT
//
// The reference on the kernel, called directly: what its C interface offers beyond the interface of
// implementations, and what it leaves behind.
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <atomic>
#include <thread>

#include "properties/command.h"
#include "properties/spawned.h"

namespace spawncheck {
namespace {

class Spawn : public ::testing::TestWithParam<uint32_t> {
 protected:
  Spawn() { request.r.strategy = GetParam(); }
  static void SetUpTestSuite() { ASSERT_EQ(spawn_window_reserve(20), 0); }
  static void TearDownTestSuite() { EXPECT_EQ(spawn_window_release(), 0); }
  bool is_for_inherited() const { return spawn_strategy_of(GetParam())->inherits != 0; }
  // Moves the file to a number of 70 or above: a copy need not have it.
  static int high(int fd) {
    const int number = fcntl(fd, F_DUPFD_CLOEXEC, 70);
    close(fd);
    return number;
  }
  HoldRequest request;
  spawn_result result{};
};

INSTANTIATE_TEST_SUITE_P(Strategies, Spawn,
                         ::testing::Values(SPAWN_STRATEGY_COPY, SPAWN_STRATEGY_UNSHARE, SPAWN_STRATEGY_STAGED,
                                           SPAWN_STRATEGY_FETCHED),
                         [](const auto& i) { return std::string(spawn_strategy_word(i.param)); });

TEST_P(Spawn, GivesTheChildExactlyWhatIsKept) {
  const int a = memfd_create("a", MFD_CLOEXEC), b = memfd_create("b", MFD_CLOEXEC);
  request.keep = {{a, 7}, {b, a}, {2, 2}};
  ASSERT_EQ(spawn_run(&request.get(), &result), 0);
  Held child(result.pid);
  child.settle();
  auto table = descriptors_of(child.pid());
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(table[7], "/memfd:a (deleted)");
  EXPECT_EQ(table[a], "/memfd:b (deleted)");
  EXPECT_EQ(result.strategy, GetParam());
  close(a);
  close(b);
}

TEST_P(Spawn, GivesTheChildWhatIsKeptFromHighNumbersAndLeavesTheCallerAsItWas) {
  const int a = high(memfd_create("a", MFD_CLOEXEC)), b = high(memfd_create("b", MFD_CLOEXEC)),
            c = memfd_create("c", MFD_CLOEXEC);
  request.keep = {{a, 0}, {b, a}, {a, b}, {2, 2}, {c, 1}, {b, 60}, {a, 300}};
  const auto before = descriptors_of(getpid());
  ASSERT_EQ(spawn_run(&request.get(), &result), 0) << strerror(result.error);
  Held child(result.pid);
  child.settle();
  auto table = descriptors_of(child.pid());
  EXPECT_EQ(table.size(), request.keep.size());
  for (const spawn_keep& k : request.keep)
    EXPECT_EQ(table[k.target], before.at(k.source)) << k.source << " at " << k.target;
  EXPECT_EQ(result.strategy, GetParam());
  EXPECT_EQ(descriptors_of(getpid()), before);
  for (const int fd : {a, b, c}) close(fd);
}

TEST_P(Spawn, AFailureLeavesTheCallerAsItWas) {
  const int a = high(memfd_create("a", MFD_CLOEXEC));
  const auto before = descriptors_of(getpid());
  request.keep = {{a, 0}, {a, a}};
  request.r.path = "/no/such/program";
  for (int i = 0; i < 50; ++i) ASSERT_EQ(spawn_run(&request.get(), &result), ENOENT);
  EXPECT_EQ(descriptors_of(getpid()), before);
  EXPECT_TRUE(has_no_child());
  close(a);
}

TEST_P(Spawn, ReportsErrnoAndFailingStep) {
  struct Row {
    const char* path;
    int error;
  };
  const std::string too_long = "/" + std::string(300, 'x');
  for (const Row& row : {Row{"/no/such/program", ENOENT}, Row{"/etc/passwd/program", ENOTDIR}, Row{"/etc", EACCES},
                         Row{"/etc/passwd", EACCES}, Row{too_long.c_str(), ENAMETOOLONG}}) {
    request.r.path = row.path;
    EXPECT_EQ(spawn_run(&request.get(), &result), row.error) << row.path;
    EXPECT_EQ(result.failed, SPAWN_STEP_EXEC);
    EXPECT_EQ(result.pid, -1);
  }
  request.r.path = request.path.c_str();
  request.r.set = SPAWN_SET_CWD;
  request.r.cwd = "/no/such/directory";
  EXPECT_EQ(spawn_run(&request.get(), &result), ENOENT);
  EXPECT_EQ(result.failed, SPAWN_STEP_CHDIR);
  EXPECT_TRUE(has_no_child());
}

TEST_P(Spawn, RefusesAClosedSourceAndATargetAtTheLimitBeforeThereIsAChild) {
  request.keep = {{19'000, 3}};
  EXPECT_EQ(spawn_run(&request.get(), &result), EBADF);
  EXPECT_EQ(result.failed, SPAWN_FAILED_REQUEST);
  EXPECT_STREQ(result.field, "keep: a closed source");
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  request.keep = {{2, static_cast<int>(limit.rlim_cur)}};
  EXPECT_EQ(spawn_run(&request.get(), &result), EBADF);
  EXPECT_STREQ(result.field, "keep: a target at or over RLIMIT_NOFILE");
}

TEST_P(Spawn, SetsDirectoryByPathAndDescriptorAndUmask) {
  request.r.set = SPAWN_SET_CWD | SPAWN_SET_UMASK;
  request.r.cwd = "/proc";
  request.r.umask = 0137;
  ASSERT_EQ(spawn_run(&request.get(), &result), 0);
  {
    Held child(result.pid);
    child.settle();
    char link[256];
    const ssize_t size = readlink(("/proc/" + std::to_string(child.pid()) + "/cwd").c_str(), link, sizeof link);
    EXPECT_EQ(std::string(link, static_cast<std::size_t>(size)), "/proc");
    EXPECT_EQ(status_field(child.pid(), "Umask"), "0137");
  }
  const int directory = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  request.r.set = SPAWN_SET_CWD_FD;
  request.r.cwd_fd = directory;
  ASSERT_EQ(spawn_run(&request.get(), &result), 0);
  Held child(result.pid);
  child.settle();
  char link[256];
  const ssize_t size = readlink(("/proc/" + std::to_string(child.pid()) + "/cwd").c_str(), link, sizeof link);
  EXPECT_EQ(std::string(link, static_cast<std::size_t>(size)), "/sys");
  EXPECT_TRUE(descriptors_of(child.pid()).empty());
  close(directory);
}

// The program's descriptor gets out of every target's way, and the program does not inherit it.
TEST_P(Spawn, RunsAProgramByDescriptorWhereverTheTargetsAre) {
  for (const bool is_high : {false, true}) {
    const int program =
        is_high ? high(open(request.path.c_str(), O_PATH | O_CLOEXEC)) : open(request.path.c_str(), O_PATH | O_CLOEXEC);
    const int kept = memfd_create("kept", MFD_CLOEXEC);
    for (const std::vector<spawn_keep>& keep : {std::vector<spawn_keep>{},
                                                {{kept, 0}},
                                                {{kept, program}},
                                                {{kept, program}, {2, kept}},
                                                {{kept, 0}, {2, 1}, {2, 2}, {kept, 3}}}) {
      for (const uint32_t policy : {SPAWN_FDS_ONLY, SPAWN_FDS_INHERIT}) {
        if (policy != SPAWN_FDS_ONLY && !is_for_inherited()) continue;
        request.r.set = SPAWN_PROGRAM_FD;
        request.r.program_fd = program;
        request.r.policy = policy;
        request.keep = keep;
        ASSERT_EQ(spawn_run(&request.get(), &result), 0)
            << strerror(result.error) << spawn_step_word(static_cast<uint32_t>(result.failed));
        Held child(result.pid);
        child.settle();
        for (const auto& [number, file] : descriptors_of(child.pid()))
          EXPECT_EQ(file.find("spawncheck-hold"), std::string::npos) << number;
        if (policy == SPAWN_FDS_ONLY) {
          EXPECT_EQ(descriptors_of(child.pid()).size(), keep.size());
        }
      }
    }
    close(program);
    close(kept);
  }
}

TEST_P(Spawn, ChildIsOrdinaryAfterExec) {
  request.path = binary("exit");
  request.r.path = request.path.c_str();
  request.r.set = SPAWN_WANT_PIDFD;
  ASSERT_EQ(spawn_run(&request.get(), &result), 0);
  EXPECT_NE(fcntl(result.pidfd, F_GETFD) & FD_CLOEXEC, 0);
  siginfo_t info{};
  ASSERT_EQ(waitid(static_cast<idtype_t>(3 /* P_PIDFD */), static_cast<id_t>(result.pidfd), &info, WEXITED), 0);
  EXPECT_EQ(info.si_pid, result.pid);
  EXPECT_EQ(info.si_status, 7);
  close(result.pidfd);
  EXPECT_TRUE(has_no_child());
}

TEST_P(Spawn, LeavesNothingAfterAThousandFailures) {
  request.r.path = "/no/such/program";
  request.r.set = SPAWN_WANT_PIDFD;
  const auto before = descriptors_of(getpid());
  auto mapped = [] {
    std::ifstream maps("/proc/self/maps");
    return std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
  };
  for (int i = 0; i < 20; ++i) spawn_run(&request.get(), &result);
  const auto mapped_before = mapped();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(spawn_run(&request.get(), &result), ENOENT);
  EXPECT_LE(mapped(), mapped_before + 2);
  EXPECT_EQ(descriptors_of(getpid()), before);
  EXPECT_TRUE(has_no_child());
}

TEST_P(Spawn, LeavesErrnoMaskAndDispositionsAlone) {
  sigset_t mask, after;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  struct sigaction action {
  }, old{};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, &old);
  const std::string caught = status_field(getpid(), "SigCgt"), ignored = status_field(getpid(), "SigIgn");
  for (const char* path : {request.path.c_str(), "/no/such/program"}) {
    request.r.path = path;
    errno = 1234;
    spawn_run(&request.get(), &result);
    EXPECT_EQ(errno, 1234);
    Held child(result.pid);
    EXPECT_EQ(status_field(getpid(), "SigCgt"), caught);
    EXPECT_EQ(status_field(getpid(), "SigIgn"), ignored);
    sigprocmask(SIG_SETMASK, nullptr, &after);
    EXPECT_EQ(sigismember(&after, SIGUSR2), 1);
    EXPECT_EQ(sigismember(&after, SIGUSR1), 0);
  }
  sigaction(SIGUSR1, &old, nullptr);
  sigemptyset(&mask);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
}

// exit_signal is 0 until exec: no other thread notices a failed child.
TEST_P(Spawn, AFailedChildIsInvisibleToWaitAnyAndSendsNoSigchld) {
  static std::atomic<int> announced;
  announced = 0;
  struct sigaction action {
  }, old{};
  action.sa_handler = [](int) { ++announced; };
  action.sa_flags = SA_RESTART;
  sigaction(SIGCHLD, &action, &old);
  std::atomic<bool> stop{false};
  std::atomic<int> stolen{0};
  std::thread reaper([&] {
    while (!stop)
      if (waitpid(-1, nullptr, WNOHANG) > 0) ++stolen;
  });
  request.r.path = "/no/such/program";
  for (int i = 0; i < 300; ++i) EXPECT_EQ(spawn_run(&request.get(), &result), ENOENT);
  stop = true;
  reaper.join();
  EXPECT_EQ(stolen, 0);
  EXPECT_EQ(announced, 0);
  sigaction(SIGCHLD, &old, nullptr);
}

TEST_P(Spawn, WorksWhereSigchldIsIgnored) {
  struct sigaction action {
  }, old{};
  action.sa_handler = SIG_IGN;
  sigaction(SIGCHLD, &action, &old);
  request.r.path = "/no/such/program";
  EXPECT_EQ(spawn_run(&request.get(), &result), ENOENT);
  EXPECT_TRUE(has_no_child());
  sigaction(SIGCHLD, &old, nullptr);
}

// Another thread kills whatever child there is: one that waits for ever before its exec, then some at any moment. In
// every case: an error with the signal, or a child that runs, and nothing else left.
TEST(SpawnByPlan, AChildKilledBeforeExecIsAnError) {
  const Scratch scratch;
  const std::string fifo = scratch.path + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  HoldRequest request;
  spawn_result result{};
  char hold[] = "hold";
  char* argv[] = {hold, nullptr};
  spawn_step steps[3] = {};
  steps[0].kind = SPAWN_STEP_DEFAULT;
  steps[0].bits = ~0ull;
  steps[2].kind = SPAWN_STEP_EXEC;
  steps[2].path = request.path.c_str();
  spawn_plan plan{};
  plan.strategy = SPAWN_STRATEGY_COPY;
  plan.start = SPAWN_START_VM | SPAWN_START_VFORK;
  plan.step = steps;
  plan.step_count = 3;
  plan.argv = argv;
  std::atomic<bool> stop{false};
  std::thread killer([&] {
    while (!stop) {
      std::ifstream list("/proc/self/task/" + std::to_string(getpid()) + "/children");
      for (int pid; list >> pid;) kill(pid, SIGKILL);
    }
  });
  int killed = 0, ran = 0;
  const auto spawn = [&] {
    const int error = spawn_run_plan(&plan, &result);
    if (error == 0) {
      ++ran;
      Held child(result.pid);
    } else {
      EXPECT_EQ(error, ECANCELED);
      EXPECT_EQ(result.failed, SPAWN_FAILED_KILLED);
      EXPECT_EQ(result.signal, SIGKILL);
      ++killed;
    }
  };
  steps[1].kind = SPAWN_STEP_OPEN;  // of a FIFO that nobody writes
  steps[1].a = 3;
  steps[1].b = O_RDONLY;
  steps[1].path = fifo.c_str();
  for (int i = 0; i < 3; ++i) spawn();
  EXPECT_EQ(killed, 3);
  steps[1] = {};
  steps[1].kind = SPAWN_STEP_CHDIR;
  steps[1].path = "/";
  for (int i = 0; i < 2000 && killed < 6; ++i) spawn();
  stop = true;
  killer.join();
  std::printf("killed before exec: %d, after: %d\n", killed, ran);
  EXPECT_TRUE(has_no_child());
}

TEST_P(Spawn, ManyThreadsAtOnce) {
  if (GetParam() == SPAWN_STRATEGY_FETCHED && !has_thread_pidfds())
    GTEST_SKIP() << "this kernel lacks PIDFD_THREAD (before 6.9): only the main thread fetches";
  const int kept = memfd_create("kept", MFD_CLOEXEC);
  const int above = high(memfd_create("above", MFD_CLOEXEC));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      HoldRequest mine;
      mine.r.strategy = GetParam();
      mine.keep = {{kept, t}, {above, t + 100}};
      for (int i = 0; i < 25; ++i) {
        spawn_result r{};
        if (spawn_run(&mine.get(), &r) != 0) {
          ++wrong;
          continue;
        }
        Held child(r.pid);
        child.settle();
        const auto table = descriptors_of(child.pid());
        if (table.size() != 2 || table.count(t) == 0 || table.count(t + 100) == 0 || r.strategy != GetParam()) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  close(kept);
  close(above);
}

// fd.untransient seen by a side effect: every close calls the file's flush, and a message queue's flush drops
// the notification of the process that registered it (ipc/mqueue.c mqueue_flush_file). The child registers
// itself on a queue while the table is shared, then goes on by its plan; if the registration is gone
// afterwards, its private table had a reference to the queue.
class Transient : public ::testing::Test {
 protected:
  // Whether a copy of the table referenced the queue at `number` while a spawn kept nothing but `source`.
  static bool is_referenced(uint32_t strategy, int number, int source) {
    const std::string name = "/spawncheck-test-" + std::to_string(getpid());
    const mqd_t queue = mq_open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600, nullptr);
    EXPECT_GE(queue, 0);
    mq_unlink(name.c_str());
    EXPECT_EQ(dup3(queue, number, O_CLOEXEC), number);
    close(queue);
    HoldRequest request;
    request.r.strategy = strategy;
    request.keep = {{source, 0}};
    spawn_abilities abilities = spawn_abilities_probed();
    abilities.window = 3ull << 50;  // the caller's part, staging, is not done here
    spawn_step steps[64];
    spawn_plan plan{};
    plan.step = steps;
    plan.step_capacity = 64;
    EXPECT_EQ(spawn_plan_build(&request.get(), &abilities, &plan), 0);
    // Another process must register: a child, with the caller's table if the plan shares it.
    const bool shares = (plan.start & SPAWN_START_FILES) != 0;
    static char stack[1 << 16];
    struct Job {
      const spawn_plan* plan;
      int number;
      long error;
    } job{&plan, number, 0};
    auto child = [](void* argument) {
      Job* j = static_cast<Job*>(argument);
      struct sigevent event {};
      event.sigev_notify = SIGEV_NONE;
      if (syscall(SYS_mq_notify, j->number, &event) != 0) j->error = errno;
      for (uint32_t i = 0; i < j->plan->step_count; ++i) {
        const spawn_step& s = j->plan->step[i];
        if (s.kind == SPAWN_STEP_CLOSE_RANGE && syscall(SYS_close_range, s.first, s.last, s.flags) != 0)
          j->error = errno;
      }
      syscall(SYS_exit, 0);
      return 0;
    };
    const int pid =
        clone(child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | (shares ? CLONE_FILES : 0) | SIGCHLD, &job);
    EXPECT_GT(pid, 0);
    EXPECT_EQ(job.error, 0);
    // While the child's registration stands, ours is refused.
    struct sigevent event {};
    event.sigev_notify = SIGEV_NONE;
    const bool was_dropped = syscall(SYS_mq_notify, number, &event) == 0;
    waitpid(pid, nullptr, 0);
    close(number);
    return was_dropped;
  }
};

TEST_F(Transient, UnshareReferencesNothingAboveTheWordOfItsHighestSource) {
  EXPECT_FALSE(is_referenced(SPAWN_STRATEGY_UNSHARE, 64, 2));
  EXPECT_FALSE(is_referenced(SPAWN_STRATEGY_UNSHARE, 200, 2));
}

TEST_F(Transient, StagedAndFetchedReferenceNothingFrom64UpWhateverIsKept) {
  for (const uint32_t strategy : {SPAWN_STRATEGY_STAGED, SPAWN_STRATEGY_FETCHED}) {
    EXPECT_FALSE(is_referenced(strategy, 64, 500)) << spawn_strategy_word(strategy);
    EXPECT_FALSE(is_referenced(strategy, 499, 500)) << spawn_strategy_word(strategy);
  }
  EXPECT_TRUE(is_referenced(SPAWN_STRATEGY_UNSHARE, 499, 500));
}

TEST_F(Transient, TheOracleSeesAReferenceWhereThereIsOne) {
  EXPECT_TRUE(is_referenced(SPAWN_STRATEGY_UNSHARE, 63, 2)) << "numbers below 64 are copied";
  EXPECT_TRUE(is_referenced(SPAWN_STRATEGY_COPY, 200, 2)) << "a copied table references everything";
}

}  // namespace
}  // namespace spawncheck
