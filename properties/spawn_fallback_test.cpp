// SPDX-License-Identifier: MIT
//
// Calls that are absent or refused. Each combination runs in a process of its own under a seccomp filter
// that answers as old kernels (ENOSYS) and sandboxes (EPERM) do; the spawn must give the same result.
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <thread>

#include "properties/spawned.h"

namespace spawncheck {
namespace {

struct Refusal {
  const char* name;
  std::vector<int> calls;
  int error;
};

class Fallback : public ::testing::TestWithParam<std::tuple<Refusal, bool>> {};

bool refuse(const Refusal& refusal) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) return false;
  bool ok = true;
  for (const int call : refusal.calls)
    ok &= seccomp_rule_add(filter, SCMP_ACT_ERRNO(static_cast<uint16_t>(refusal.error)), call, 0) == 0;
  ok = ok && seccomp_load(filter) == 0;
  seccomp_release(filter);
  return ok;
}

// Returns the exit status of the process that tries: 0, or the number of the check that failed.
int try_all(const Refusal& refusal, bool entered_late) {
  HoldRequest request;
  const int low = memfd_create("kept", MFD_CLOEXEC), leak = memfd_create("leak", 0);
  const int kept = fcntl(low, F_DUPFD_CLOEXEC, 100);  // fetched, where that is available
  request.keep = {{kept, 0}, {2, 1}};
  request.r.set = SPAWN_WANT_PIDFD;
  spawn_result result{};
  if (entered_late) {  // everything has been probed by then
    if (spawn_run(&request.get(), &result) != 0) return 1;
    Held child(result.pid);
    close(result.pidfd);
  }
  if (!refuse(refusal)) return 2;
  for (const uint32_t policy : {SPAWN_FDS_ONLY, SPAWN_FDS_DROP_CLOEXEC_EXCEPT, SPAWN_FDS_INHERIT}) {
    request.r.policy = policy;
    if (spawn_run(&request.get(), &result) != 0) return 10 + result.error;
    Held child(result.pid);
    if (!child.settle()) return 250;
    auto table = descriptors_of(child.pid());
    if (table[0] != "/memfd:kept (deleted)" || table.count(1) == 0) return 3;
    if ((table.count(leak) == 1) != (policy != SPAWN_FDS_ONLY)) return 4;
    if (table.count(kept) == 1 || (policy == SPAWN_FDS_ONLY && table.size() != 2)) return 5;
    const bool is_refused_to_fetch =
        std::any_of(refusal.calls.begin(), refusal.calls.end(), [](int call) { return call == SCMP_SYS(pidfd_getfd); });
    if (is_refused_to_fetch && result.strategy == SPAWN_STRATEGY_FETCHED) return 9;
    if (result.pidfd < 0 || (fcntl(result.pidfd, F_GETFD) & FD_CLOEXEC) == 0) return 6;
    close(result.pidfd);
  }
  request.r.path = "/no/such/program";
  if (spawn_run(&request.get(), &result) != ENOENT || result.failed != SPAWN_STEP_EXEC) return 7;
  return has_no_child() ? 0 : 8;
}

TEST_P(Fallback, GivesTheSameResult) {
  const auto& [refusal, entered_late] = GetParam();
  const pid_t pid = fork();
  if (pid == 0) _exit(try_all(refusal, entered_late));
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

std::vector<Refusal> refusals() {
  const int clone3 = SCMP_SYS(clone3), range = SCMP_SYS(close_range), pidfd = SCMP_SYS(pidfd_open),
            unshare = SCMP_SYS(unshare), getfd = SCMP_SYS(pidfd_getfd);
  std::vector<Refusal> all;
  for (const int error : {ENOSYS, EPERM}) {
    all.push_back({"clone3", {clone3}, error});
    all.push_back({"close_range", {range}, error});
    all.push_back({"pidfd_open", {pidfd}, error});
    all.push_back({"unshare", {unshare}, error});
    all.push_back({"pidfd_getfd", {getfd}, error});
    all.push_back({"clone3_close_range", {clone3, range}, error});
    all.push_back({"all", {clone3, range, pidfd, unshare, getfd}, error});
  }
  return all;
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<Refusal, bool>>& info) {
  const Refusal& refusal = std::get<0>(info.param);
  return std::string(refusal.name) + (refusal.error == ENOSYS ? "_enosys" : "_eperm") +
         (std::get<1>(info.param) ? "_late" : "_early");
}

INSTANTIATE_TEST_SUITE_P(Refused, Fallback, ::testing::Combine(::testing::ValuesIn(refusals()), ::testing::Bool()),
                         name_of);

// Runs `body` in a process of its own. Returns its exit status: 0, or the number of the check that failed.
int status_of(int (*body)()) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 255;
  return WEXITSTATUS(status);
}

// Spawns with one high source kept at 0. Returns the strategy used; -1 if the spawn fails; -2 if the child's table is
// not that file at 0.
int strategy_used(uint32_t asked = SPAWN_STRATEGY_AUTOMATIC, int* error = nullptr) {
  HoldRequest request;
  const int low = memfd_create("kept", MFD_CLOEXEC), kept = fcntl(low, F_DUPFD_CLOEXEC, 100);
  request.keep = {{kept, 0}};
  request.r.strategy = asked;
  spawn_result result{};
  const int failed = spawn_run(&request.get(), &result);
  if (error != nullptr) *error = failed;
  if (failed != 0) return -1;
  Held child(result.pid);
  const bool is_settled = child.settle();
  close(low);
  close(kept);
  return is_settled && descriptors_of(child.pid()) == std::map<int, std::string>{{0, "/memfd:kept (deleted)"}}
             ? static_cast<int>(result.strategy)
             : -2;
}

// The child needs ptrace rights on its caller (PTRACE_MODE_ATTACH, ptrace(2)); without CAP_SYS_PTRACE it has none on an
// undumpable one. After one refusal fetched is not tried again, even if the rights are granted by then.
TEST(Fetched, WithoutPtraceRightsFallsBackAndRemembers) {
  EXPECT_EQ(status_of([] {
              if (strategy_used() != SPAWN_STRATEGY_FETCHED) return 1;
              if (geteuid() == 0 && (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0))
                return 2;
              prctl(PR_SET_DUMPABLE, 0);
              if (strategy_used() != SPAWN_STRATEGY_UNSHARE) return 3;
              prctl(PR_SET_DUMPABLE, 1);
              if (strategy_used() != SPAWN_STRATEGY_UNSHARE) return 4;
              int error = 0;
              if (strategy_used(SPAWN_STRATEGY_FETCHED, &error) != -1 || error != ENOTSUP) return 5;
              return spawn_abilities_probed().fetch == 0 && has_no_child() ? 0 : 6;
            }),
            0);
}

// Before 6.10, F_DUPFD_QUERY of an O_PATH descriptor fails with EBADF (fs/fcntl.c check_fcntl_cmd) although the number
// is open: kcmp(2) then decides.
TEST(Staged, TakesNoAnswerToTheQueryForAClosedNumber) {
  EXPECT_EQ(status_of([] {
              constexpr unsigned dupfd_query = 1027;
              if (spawn_window_reserve(1) != 0) return 1;
              scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
              if (filter == nullptr) return 2;
              if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EBADF), SCMP_SYS(fcntl), 1,
                                   SCMP_A1(SCMP_CMP_EQ, dupfd_query, 0)) != 0 ||
                  seccomp_load(filter) != 0)
                return 3;
              seccomp_release(filter);
              int error = 0;
              if (strategy_used(SPAWN_STRATEGY_STAGED, &error) != SPAWN_STRATEGY_STAGED) return 10 + error;
              return spawn_window_release() == 0 ? 0 : 4;
            }),
            0);
}

// A child in a new pid namespace has no number for its caller (getppid(2) is 0). It must not be the first one that
// fails, which would end the namespace.
TEST(Fetched, IntoANewPidNamespaceFallsBackBeforeThereIsAChild) {
  const int status = status_of([] {
    if (unshare(CLONE_NEWPID) != 0) return 77;
    int error = 0;
    if (strategy_used(SPAWN_STRATEGY_FETCHED, &error) != -1 || error != ENOTSUP) return 1;
    if (strategy_used() != SPAWN_STRATEGY_UNSHARE) return 2;
    return spawn_abilities_probed().fetch == 1 ? 0 : 3;  // another thread may have children of its own namespace
  });
  if (status == 77) GTEST_SKIP() << "no right to make a pid namespace";
  EXPECT_EQ(status, 0);
}

// The caller's table is that of the calling thread, which may differ from the table of the process's first thread.
// Without PIDFD_THREAD fetched would take from the latter, so another strategy is chosen.
TEST(Fetched, TakesFromTheTableOfTheCallingThread) {
  EXPECT_EQ(status_of([] {
              int wrong = 1;
              std::thread([&] {
                if (unshare(CLONE_FILES) != 0) return;
                wrong =
                    strategy_used() == (has_thread_pidfds() ? SPAWN_STRATEGY_FETCHED : SPAWN_STRATEGY_UNSHARE) ? 0 : 2;
              }).join();
              return wrong;
            }),
            0);
}

// If no number below the limit is free for the pidfd, another strategy is chosen, for this request only.
TEST(Fetched, WithoutANumberToSpareAnotherStrategyIsTaken) {
  EXPECT_EQ(status_of([] {
              HoldRequest request;
              const int low = memfd_create("kept", MFD_CLOEXEC), kept = fcntl(low, F_DUPFD_CLOEXEC, 100);
              request.keep = {{kept, 0}};
              const rlimit one{1, 1000};
              if (setrlimit(RLIMIT_NOFILE, &one) != 0) return 1;
              spawn_result result{};
              if (spawn_run(&request.get(), &result) != 0) return 2;
              kill(result.pid, SIGKILL);
              waitpid(result.pid, nullptr, 0);
              if (result.strategy != SPAWN_STRATEGY_UNSHARE) return 3;
              return spawn_abilities_probed().fetch == 1 ? 0 : 4;
            }),
            0);
}

// Where no pidfd is available, the request is refused before there is a child.
TEST(Abilities, NoPidfdAtAllIsRefusedBeforeThereIsAChild) {
  HoldRequest request;
  request.r.set = SPAWN_WANT_PIDFD;
  const spawn_abilities none{};
  spawn_result result{};
  EXPECT_EQ(spawn_run_with(&request.get(), &none, &result), ENOTSUP);
  EXPECT_EQ(result.failed, SPAWN_FAILED_REQUEST);
  EXPECT_TRUE(has_no_child());
}

}  // namespace
}  // namespace spawncheck
