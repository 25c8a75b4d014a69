// SPDX-License-Identifier: MIT
//
// Calls that are absent or refused. Each combination runs in a process of its own under a seccomp filter
// that answers as old kernels (ENOSYS) and sandboxes (EPERM) do; the spawn must give the same result.
#include "properties/spawned.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

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
  for (const int call : refusal.calls) ok &= seccomp_rule_add(filter, SCMP_ACT_ERRNO(static_cast<uint16_t>(refusal.error)), call, 0) == 0;
  ok = ok && seccomp_load(filter) == 0;
  seccomp_release(filter);
  return ok;
}

// Exit status of the process that tries: 0, or the number of what was wrong.
int try_all(const Refusal& refusal, bool entered_late) {
  HoldRequest request;
  const int kept = memfd_create("kept", MFD_CLOEXEC), leak = memfd_create("leak", 0);
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
    child.settle();
    auto table = descriptors_of(child.pid());
    if (table[0] != "/memfd:kept (deleted)" || table.count(1) == 0) return 3;
    if ((table.count(leak) == 1) != (policy != SPAWN_FDS_ONLY)) return 4;
    if (table.count(kept) == 1 || (policy == SPAWN_FDS_ONLY && table.size() != 2)) return 5;
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
  const int clone3 = SCMP_SYS(clone3), range = SCMP_SYS(close_range), pidfd = SCMP_SYS(pidfd_open), unshare = SCMP_SYS(unshare);
  std::vector<Refusal> all;
  for (const int error : {ENOSYS, EPERM}) {
    all.push_back({"clone3", {clone3}, error});
    all.push_back({"close_range", {range}, error});
    all.push_back({"pidfd_open", {pidfd}, error});
    all.push_back({"unshare", {unshare}, error});
    all.push_back({"clone3_close_range", {clone3, range}, error});
    all.push_back({"all", {clone3, range, pidfd, unshare}, error});
  }
  return all;
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<Refusal, bool>>& info) {
  const Refusal& refusal = std::get<0>(info.param);
  return std::string(refusal.name) + (refusal.error == ENOSYS ? "_enosys" : "_eperm") + (std::get<1>(info.param) ? "_late" : "_early");
}

INSTANTIATE_TEST_SUITE_P(Refused, Fallback, ::testing::Combine(::testing::ValuesIn(refusals()), ::testing::Bool()), name_of);

// Without any pidfd to be had the request is refused before there is a child.
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
