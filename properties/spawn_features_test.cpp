// SPDX-License-Identifier: MIT
//
// What a request can ask of its child besides descriptors and signals: the effect in a real child, seen from
// outside, and the errors. The rules are in request.h.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <algorithm>

#include "properties/feature.h"

namespace spawncheck {
namespace {

INSTANTIATE_TEST_SUITE_P(Strategies, Feature, ::testing::Values(SPAWN_STRATEGY_AUTOMATIC, SPAWN_STRATEGY_COPY),
                         [](const auto& i) { return std::string(spawn_strategy_word(i.param)); });

// --- limits, nice, scheduling -----------------------------------------------------------------------------

TEST_P(Feature, LimitsAreTheChilds) {
  const std::vector<spawn_limit> limits{{12, 34, RLIMIT_NOFILE}, {0, 0, RLIMIT_CORE}, {1 << 20, 1 << 20, RLIMIT_STACK}};
  rlimit before{}, after{}, seen{};
  getrlimit(RLIMIT_NOFILE, &before);
  request.keep = {{2, 50}};  // above the child's new limit
  request.r.limit = limits.data();
  request.r.limit_count = static_cast<uint32_t>(limits.size());
  const pid_t pid = run();
  for (const spawn_limit& l : limits) {
    ASSERT_EQ(prlimit(pid, static_cast<__rlimit_resource>(l.resource), nullptr, &seen), 0);
    EXPECT_EQ(seen.rlim_cur, l.soft) << l.resource;
    EXPECT_EQ(seen.rlim_max, l.hard) << l.resource;
  }
  EXPECT_EQ(descriptors_of(pid).count(50), 1u);
  getrlimit(RLIMIT_NOFILE, &after);
  EXPECT_EQ(before.rlim_cur, after.rlim_cur);
  EXPECT_EQ(before.rlim_max, after.rlim_max);
}

TEST_P(Feature, ALimitTheKernelRefusesIsAnErrorOfItsStep) {
  const spawn_limit limit{SPAWN_UNLIMITED, SPAWN_UNLIMITED, RLIMIT_NOFILE};  // over fs.nr_open
  request.r.limit = &limit;
  request.r.limit_count = 1;
  expect_failure(EPERM, SPAWN_STEP_LIMIT);
}

TEST_P(Feature, ExecGoesByTheNewStackLimit) {
  const std::string long_argument(100'000, 'x');
  char* argv[] = {request.word, const_cast<char*>(long_argument.c_str()), nullptr};
  request.r.argv = argv;
  const spawn_limit limit{131'072, 131'072,
                          RLIMIT_STACK};  // a quarter of it is for arguments, but never below 128 KiB (fs/exec.c)
  request.r.limit = &limit;
  request.r.limit_count = 1;
  run();
  const std::vector<std::string> more(3, long_argument);
  char* longer[] = {request.word, const_cast<char*>(more[0].c_str()), const_cast<char*>(more[1].c_str()), nullptr};
  request.r.argv = longer;
  children.clear();
  expect_failure(E2BIG, SPAWN_STEP_EXEC);
}

TEST_P(Feature, NiceSchedulingAndAffinity) {
  const unsigned cpu = first_cpu_allowed();
  uint64_t cpus[SPAWN_CPU_WORDS_MAX] = {};
  cpus[cpu / 64] = 1ull << cpu % 64;
  request.r.set = SPAWN_SET_NICE | SPAWN_SET_SCHEDULING | SPAWN_SET_AFFINITY;
  const int nice_before = getpriority(PRIO_PROCESS, 0), scheduling_before = sched_getscheduler(0);
  const int nice_asked = std::min(nice_before + 7, 19);  // a lower one takes a privilege
  request.r.nice = nice_asked;
  request.r.scheduling = SCHED_BATCH;
  request.r.cpus = cpus;
  request.r.cpu_words = SPAWN_CPU_WORDS_MAX;
  const pid_t pid = run();
  EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(pid)), nice_asked);
  EXPECT_EQ(sched_getscheduler(pid), SCHED_BATCH);
  cpu_set_t seen;
  ASSERT_EQ(sched_getaffinity(pid, sizeof seen, &seen), 0);
  EXPECT_EQ(CPU_COUNT(&seen), 1);
  EXPECT_TRUE(CPU_ISSET(cpu, &seen));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), nice_before);
  EXPECT_EQ(sched_getscheduler(0), scheduling_before);

  request.r.set = SPAWN_SET_AFFINITY;
  cpus[cpu / 64] = 0;
  cpus[SPAWN_CPU_WORDS_MAX - 1] = 1ull << 63;  // there is no such CPU
  children.clear();
  expect_failure(EINVAL, SPAWN_STEP_AFFINITY);
}

TEST_P(Feature, RealTimePriority) {
  NEEDS_ROOT();
  request.r.set = SPAWN_SET_SCHEDULING;
  request.r.scheduling = SCHED_RR;
  request.r.priority = 3;
  const pid_t pid = run();
  sched_param seen{};
  EXPECT_EQ(sched_getscheduler(pid), SCHED_RR);
  sched_getparam(pid, &seen);
  EXPECT_EQ(seen.sched_priority, 3);
}

// --- credentials ------------------------------------------------------------------------------------------

TEST_P(Feature, UserGroupAndGroups) {
  NEEDS_ROOT();
  const uint32_t groups[] = {11, 22};
  request.r.set = SPAWN_SET_UID | SPAWN_SET_GID | SPAWN_SET_GROUPS;
  request.r.uid = 1234;
  request.r.gid = 4321;
  request.r.groups = groups;
  request.r.group_count = 2;
  const pid_t pid = run();
  EXPECT_EQ(status_field(pid, "Uid"), "1234\t1234\t1234\t1234");
  EXPECT_EQ(status_field(pid, "Gid"), "4321\t4321\t4321\t4321");
  EXPECT_EQ(status_field(pid, "Groups"), "11 22 ");
  EXPECT_EQ(status_field(pid, "CapEff"), "0000000000000000");
  EXPECT_EQ(getuid(), 0u);
  EXPECT_EQ(prctl(PR_GET_DUMPABLE), 1) << "the caller stays dumpable";
}

// An empty list removes all groups; without a list the child of a privileged caller keeps the caller's.
TEST_P(Feature, AnEmptyListOfGroupsIsSet) {
  NEEDS_ROOT();
  const gid_t mine[] = {77};
  std::vector<gid_t> before(64);
  before.resize(static_cast<std::size_t>(getgroups(64, before.data())));
  ASSERT_EQ(syscall(SYS_setgroups, 1, mine), 0);
  EXPECT_EQ(status_field(run(), "Groups"), "77 ");
  request.r.set = SPAWN_SET_GROUPS;
  EXPECT_EQ(status_field(run(), "Groups"), "");
  ASSERT_EQ(syscall(SYS_setgroups, before.size(), before.data()), 0);
}

TEST_P(Feature, TheProgramIsReachedWithTheNewCredentialsAndTheRestWithTheCallers) {
  NEEDS_ROOT();
  char directory[] = "/tmp/spawncheck-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);  // mode 0700, root's
  const std::string program = std::string(directory) + "/program";
  ASSERT_EQ(symlink(request.path.c_str(), program.c_str()), 0);
  const std::string output = std::string(directory) + "/output";
  const spawn_open open{1, "output", O_WRONLY | O_CREAT, 0600};
  request.r.set = SPAWN_SET_UID | SPAWN_SET_GID | SPAWN_SET_CWD;
  request.r.uid = request.r.gid = 1234;
  request.r.cwd = directory;
  request.r.open = &open;
  request.r.open_count = 1;
  const pid_t pid = run();
  EXPECT_EQ(descriptors_of(pid)[1], output);
  struct stat made {};
  EXPECT_EQ(stat(output.c_str(), &made), 0);
  EXPECT_EQ(made.st_uid, 0u);
  children.clear();
  request.r.path = program.c_str();
  expect_failure(EACCES, SPAWN_STEP_EXEC);
  unlink(program.c_str());
  unlink(output.c_str());
  rmdir(directory);
}

// A child on a copy of the memory reports its failing step as well, with every fallback.
TEST_P(Feature, ErrorsOfAChildOnACopyOfTheMemory) {
  NEEDS_ROOT();
  request.r.set = SPAWN_SET_UID | SPAWN_WANT_PIDFD;
  request.r.uid = 1234;
  request.r.path = "/no/such/program";
  const auto before = descriptors_of(getpid());
  expect_failure(ENOENT, SPAWN_STEP_EXEC);
  for (const spawn_abilities& can :
       {spawn_abilities{1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0}, spawn_abilities{0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0},
        spawn_abilities{0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0}}) {
    request.r.strategy = SPAWN_STRATEGY_AUTOMATIC;
    EXPECT_EQ(spawn_run_with(&request.get(), &can, &result), ENOENT);
    EXPECT_EQ(result.failed, SPAWN_STEP_EXEC);
  }
  EXPECT_EQ(descriptors_of(getpid()), before);
  EXPECT_TRUE(has_no_child());
  request.r.path = request.path.c_str();
  const pid_t pid = run();
  EXPECT_EQ(descriptors_of(pid).size(), 0u) << "its own pidfd is not in its table";
  close(result.pidfd);
}

// kernel/cred.c commit_creds: with SPAWN_ALLOW_UNDUMPABLE the caller does become undumpable, hence the default.
TEST_P(Feature, SharedMemoryIsUndumpableAfterwards) {
  NEEDS_ROOT();
  request.r.set = SPAWN_SET_UID | SPAWN_ALLOW_UNDUMPABLE;
  request.r.uid = 1234;
  EXPECT_EQ(apart([&] {
              if (prctl(PR_GET_DUMPABLE) != 1) return 1;
              if (spawn_run(&request.get(), &result) != 0) return 2;
              Held child(result.pid);
              if (!child.settle()) return 5;
              if (status_field(child.pid(), "Uid") != "1234\t1234\t1234\t1234") return 3;
              return prctl(PR_GET_DUMPABLE) == 1 ? 4 : 0;
            }),
            0);
}

TEST_P(Feature, AnUnprivilegedCallerIsRefused) {
  NEEDS_ROOT();
  const auto refused = [&](uint32_t bit, int step) {
    request.r.set = bit;
    return apart([&] {
      if (setresgid(500, 500, 500) != 0 || setresuid(500, 500, 500) != 0) return 1;
      if (spawn_run(&request.get(), &result) != EPERM) return 2;
      return result.failed == step && has_no_child() ? 0 : 3;
    });
  };
  request.r.uid = request.r.gid = 1234;
  EXPECT_EQ(refused(SPAWN_SET_UID, SPAWN_STEP_UID), 0);
  EXPECT_EQ(refused(SPAWN_SET_GID, SPAWN_STEP_GID), 0);
  EXPECT_EQ(refused(SPAWN_SET_GROUPS, SPAWN_STEP_GROUPS), 0);
  request.r.scheduling = SCHED_FIFO;
  request.r.priority = 1;
  EXPECT_EQ(refused(SPAWN_SET_SCHEDULING, SPAWN_STEP_SCHEDULING), 0);
}

TEST_P(Feature, NoNewPrivileges) {
  request.r.set = SPAWN_NO_NEW_PRIVS;
  EXPECT_EQ(status_field(run(), "NoNewPrivs"), "1");
  EXPECT_EQ(status_field(getpid(), "NoNewPrivs"), "0");
}

// --- parent death signal ----------------------------------------------------------------------------------

// New credentials clear the death signal, so the child sets it after them.
TEST_P(Feature, TheDeathSignalIsThereAfterCredentials) {
  request.path = binary("death-signal");
  request.r.path = request.path.c_str();
  request.r.set = SPAWN_SET_DEATH_SIGNAL;
  request.r.death_signal = SIGUSR1;
  ASSERT_EQ(spawn_run(&request.get(), &result), 0);
  EXPECT_EQ(exit_status_of(result.pid), SIGUSR1);
  NEEDS_ROOT();
  request.r.set |= SPAWN_SET_UID | SPAWN_SET_GID;
  request.r.uid = request.r.gid = 1234;
  ASSERT_EQ(spawn_run(&request.get(), &result), 0);
  EXPECT_EQ(exit_status_of(result.pid), SIGUSR1);
}

// The parent is killed while its child waits at an earlier step: the death signal would never come, so the child exits.
TEST_P(Feature, AChildWhoseParentIsGoneEnds) {
  char directory[] = "/tmp/spawncheck-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string fifo = std::string(directory) + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const spawn_open open_fifo{3, fifo.c_str(), O_RDONLY, 0};
  request.path = binary("exit");
  request.r.path = request.path.c_str();
  request.r.set = SPAWN_SET_DEATH_SIGNAL;
  request.r.death_signal = SIGTERM;
  request.r.open = &open_fifo;
  request.r.open_count = 1;
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const pid_t middle = fork();
  if (middle == 0) _exit(spawn_run(&request.get(), &result) == 0 ? 0 : 1);
  pid_t child = -1;
  for (int tries = 0; tries < 1'000'000 && child < 0; ++tries) {
    std::ifstream list(proc(middle, ("task/" + std::to_string(middle) + "/children").c_str()));
    if (!(list >> child)) child = -1;
    sched_yield();
  }
  ASSERT_GT(child, 0);
  kill(middle, SIGKILL);
  EXPECT_EQ(exit_status_of(middle), 1000 + SIGKILL);
  int writer = -1;
  for (int tries = 0; tries < 1'000'000 && writer < 0; ++tries, sched_yield())
    writer = open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  EXPECT_GE(writer, 0);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, __WALL), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 127);
  close(writer);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  unlink(fifo.c_str());
  rmdir(directory);
}

// --- cgroup -----------------------------------------------------------------------------------------------

// Makes a cgroup below the mount point of the unified hierarchy. Returns its path; empty if none can be made.
std::string make_cgroup() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string device, where, type, rest; mounts >> device >> where >> type && std::getline(mounts, rest);)
    if (type == "cgroup2") {
      const std::string path = where + "/spawncheck-test-" + std::to_string(getpid());
      if (mkdir(path.c_str(), 0700) == 0) return path;
    }
  return {};
}

TEST_P(Feature, StartsInACgroup) {
  const std::string path = make_cgroup();
  if (path.empty()) {
    std::printf("spawncheck: no cgroup (version 2) that can be written: cgroup_fd is not checked\n");
    GTEST_SKIP() << "needs a writable cgroup2";
  }
  const int group = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  request.r.set = SPAWN_SET_CGROUP;
  request.r.cgroup_fd = group;
  const pid_t pid = run();
  std::ifstream members(path + "/cgroup.procs");
  pid_t member = 0;
  members >> member;
  EXPECT_EQ(member, pid);
  EXPECT_TRUE(descriptors_of(pid).empty());
  children.clear();
  close(group);
  EXPECT_EQ(rmdir(path.c_str()), 0);
}

TEST_P(Feature, WhatIsNoCgroupIsRefusedByTheKernelAndWithoutClone3ThereIsNone) {
  const int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  request.r.set = SPAWN_SET_CGROUP;
  request.r.cgroup_fd = directory;
  expect_failure(EBADF, SPAWN_FAILED_CLONE);
  spawn_abilities can = spawn_abilities_probed();
  can.clone3 = 0;
  EXPECT_EQ(spawn_run_with(&request.get(), &can, &result), ENOTSUP);
  EXPECT_EQ(result.failed, SPAWN_FAILED_REQUEST);
  EXPECT_STREQ(result.field, "cgroup_fd: needs clone3(2)");
  close(directory);
}

}  // namespace
}  // namespace spawncheck
