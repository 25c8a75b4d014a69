// SPDX-License-Identifier: MIT
//
// For each wrong value of each field spawn_run() fails before there is a child, names field and reason, and leaves the
// caller as it was. The table has a row for each reason that the sources can give.
#include <fcntl.h>
#include <sys/resource.h>

#include <regex>
#include <set>
#include <sstream>

#include "properties/spawned.h"

namespace spawncheck {
namespace {

struct Row {
  const char* name;
  int error;
  const char* field;  // spawn_result.field
  void (*spoil)(HoldRequest&);
};

constexpr int nowhere = 19'999;  // a number that is not open
const uint32_t ids[] = {5, ~0u};
const uint64_t no_cpu[] = {0, 0};
const char long_name[] =
    "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
    "4567890123456789"
    "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
    "4567890123456789";
char* no_arguments[] = {nullptr};

template <spawn_open... entries>
void opens(HoldRequest& q) {
  static const spawn_open all[] = {entries...};
  q.r.open = all;
  q.r.open_count = sizeof...(entries);
}
template <spawn_limit... entries>
void limits(HoldRequest& q) {
  static const spawn_limit all[] = {entries...};
  q.r.limit = all;
  q.r.limit_count = sizeof...(entries);
}
constexpr char null_path[] = "/dev/null";

#define ROW(name, error, field, ...)           \
  Row {                                        \
    name, error, field, [](HoldRequest& q) {   \
      [[maybe_unused]] spawn_request& r = q.r; \
      __VA_ARGS__;                             \
    }                                          \
  }

const Row rows[] = {
    ROW("policy", EINVAL, "policy: unknown", r.policy = 3),
    ROW("policy_huge", EINVAL, "policy: unknown", r.policy = ~0u),
    ROW("strategy", EINVAL, "strategy: unknown", r.strategy = SPAWN_STRATEGY_COUNT),
    ROW("unknown_bit", EINVAL, "set: an unknown bit", r.set = 1u << 31),
    ROW("undumpable_alone", EINVAL, "set: SPAWN_ALLOW_UNDUMPABLE without uid or gid", r.set = SPAWN_ALLOW_UNDUMPABLE),
    ROW("path_null", EINVAL, "path: null", r.path = nullptr),
    ROW("path_null_searched", EINVAL, "path: null", r.path = nullptr; r.set = SPAWN_SEARCH),
    ROW("name_too_long", ENAMETOOLONG, "path: a name of over 255 bytes", r.path = long_name; r.set = SPAWN_SEARCH),
    ROW("search_by_descriptor", EINVAL, "search: together with program_fd", r.set = SPAWN_SEARCH | SPAWN_PROGRAM_FD;
        r.program_fd = 2),
    ROW("program_negative", EBADF, "program_fd: negative", r.set = SPAWN_PROGRAM_FD; r.program_fd = -1),
    ROW("program_closed", EBADF, "program_fd: closed", r.set = SPAWN_PROGRAM_FD; r.program_fd = nowhere),
    ROW("argv_null", EINVAL, "argv: null", r.argv = nullptr),
    ROW("argv_empty", EINVAL, "argv: without argv[0]", r.argv = no_arguments),
    ROW("session_and_group", EINVAL, "pgroup: together with a new session",
        r.set = SPAWN_SET_PGROUP | SPAWN_NEW_SESSION),
    ROW("group_negative", EINVAL, "pgroup: negative", r.set = SPAWN_SET_PGROUP; r.pgroup = -1),
    ROW("two_directories", EINVAL, "cwd: together with cwd_fd", r.set = SPAWN_SET_CWD | SPAWN_SET_CWD_FD; r.cwd = "/"),
    ROW("directory_null", EINVAL, "cwd: null", r.set = SPAWN_SET_CWD),
    ROW("directory_negative", EBADF, "cwd_fd: negative", r.set = SPAWN_SET_CWD_FD; r.cwd_fd = -100),  // AT_FDCWD
    ROW("directory_closed", EBADF, "cwd_fd: closed", r.set = SPAWN_SET_CWD_FD; r.cwd_fd = nowhere),
    ROW("umask", EINVAL, "umask: bits beyond 0777", r.set = SPAWN_SET_UMASK; r.umask = 01000),
    ROW("ignore_kill", EINVAL, "ignore: KILL or STOP", r.set = SPAWN_SET_IGNORE; r.ignore = 1ull << (SIGKILL - 1)),
    ROW("ignore_stop", EINVAL, "ignore: KILL or STOP", r.set = SPAWN_SET_IGNORE; r.ignore = 1ull << (SIGSTOP - 1)),
    ROW("ignore_and_default", EINVAL, "ignore: a signal that is to be default as well",
        r.set = SPAWN_SET_IGNORE | SPAWN_SET_DEFAULT;
        r.ignore = r.dflt = 1),
    ROW("keep_too_many", EINVAL, "keep_count: over SPAWN_KEEP_MAX", q.keep.resize(SPAWN_KEEP_MAX + 1)),
    ROW("keep_negative_source", EBADF, "keep: a negative source", (q.keep = {{-1, 3}})),
    ROW("keep_negative_target", EBADF, "keep: a negative target", (q.keep = {{2, -3}})),
    ROW("keep_target_twice", EINVAL, "keep: a target twice", (q.keep = {{2, 3}, {1, 4}, {2, 3}})),
    ROW("keep_closed", EBADF, "keep: a closed source", (q.keep = {{2, 2}, {nowhere, 3}})),
    ROW("keep_over_the_limit", EBADF, "keep: a target at or over RLIMIT_NOFILE", (q.keep = {{2, 0x7fffffff}})),
    ROW("open_too_many", EINVAL, "open_count: over SPAWN_OPEN_MAX", r.open_count = SPAWN_OPEN_MAX + 1),
    ROW("open_null", EINVAL, "open: null", r.open_count = 1),
    ROW("open_negative", EBADF, "open: a negative target", (opens<spawn_open{-1, null_path, 0, 0}>(q))),
    ROW("open_over_the_limit", EBADF, "open: a target at or over RLIMIT_NOFILE",
        (opens<spawn_open{0x7fffffff, null_path, 0, 0}>(q))),
    ROW("open_kept", EINVAL, "open: a target of a keep entry as well", q.keep = {{2, 5}};
        (opens<spawn_open{5, null_path, 0, 0}>(q))),
    ROW("open_twice", EINVAL, "open: a target twice",
        (opens<spawn_open{5, null_path, 0, 0}, spawn_open{5, null_path, 1, 0}>(q))),
    ROW("open_null_path", EINVAL, "open: a null path", (opens<spawn_open{5, nullptr, 0, 0}>(q))),
    ROW("open_cloexec", EINVAL, "open: O_CLOEXEC, which would close it",
        (opens<spawn_open{5, null_path, O_CLOEXEC, 0}>(q))),
    ROW("open_flags", EINVAL, "open: an unknown flag", (opens<spawn_open{5, null_path, 1 << 30, 0}>(q))),
    ROW("open_negative_flags", EINVAL, "open: an unknown flag", (opens<spawn_open{5, null_path, ~O_CLOEXEC, 0}>(q))),
    ROW("open_no_access", EINVAL, "open: no access mode", (opens<spawn_open{5, null_path, O_ACCMODE, 0}>(q))),
    ROW("open_mode", EINVAL, "open: a mode beyond 07777", (opens<spawn_open{5, null_path, O_CREAT, 010000}>(q))),
    ROW("open_useless_mode", EINVAL, "open: a mode without O_CREAT",
        (opens<spawn_open{5, null_path, O_DIRECTORY, 0600}>(q))),
    ROW("limit_too_many", EINVAL, "limit_count: more than there are resources", r.limit_count = 17),
    ROW("limit_null", EINVAL, "limit: null", r.limit_count = 1),
    ROW("limit_unknown", EINVAL, "limit: an unknown resource", (limits<spawn_limit{1, 1, 16}>(q))),
    ROW("limit_order", EINVAL, "limit: soft over hard", (limits<spawn_limit{2, 1, RLIMIT_NOFILE}>(q))),
    ROW("limit_twice", EINVAL, "limit: a resource twice",
        (limits<spawn_limit{1, 1, RLIMIT_CORE}, spawn_limit{1, 1, RLIMIT_CORE}>(q))),
    ROW("uid", EINVAL, "uid: -1", r.set = SPAWN_SET_UID; r.uid = ~0u),
    ROW("gid", EINVAL, "gid: -1", r.set = SPAWN_SET_GID; r.gid = ~0u),
    ROW("groups_too_many", EINVAL, "group_count: over SPAWN_GROUPS_MAX", r.set = SPAWN_SET_GROUPS; r.groups = ids;
        r.group_count = SPAWN_GROUPS_MAX + 1),
    ROW("groups_null", EINVAL, "groups: null", r.set = SPAWN_SET_GROUPS; r.group_count = 1),
    ROW("groups_no_id", EINVAL, "groups: -1", r.set = SPAWN_SET_GROUPS; r.groups = ids; r.group_count = 2),
    ROW("nice_low", EINVAL, "nice: not in -20 to 19", r.set = SPAWN_SET_NICE; r.nice = -21),
    ROW("nice_high", EINVAL, "nice: not in -20 to 19", r.set = SPAWN_SET_NICE; r.nice = 20),
    ROW("scheduling", EINVAL, "scheduling: unknown policy", r.set = SPAWN_SET_SCHEDULING; r.scheduling = 6),
    ROW("scheduling_negative", EINVAL, "scheduling: unknown policy", r.set = SPAWN_SET_SCHEDULING; r.scheduling = -1),
    ROW("priority_without", EINVAL, "priority: not 0 with a policy that has none", r.set = SPAWN_SET_SCHEDULING;
        r.priority = 1),
    ROW("priority_low", EINVAL, "priority: not in 1 to 99", r.set = SPAWN_SET_SCHEDULING; r.scheduling = 1),
    ROW("priority_high", EINVAL, "priority: not in 1 to 99", r.set = SPAWN_SET_SCHEDULING; r.scheduling = 2;
        r.priority = 100),
    ROW("cpus_null", EINVAL, "cpus: null", r.set = SPAWN_SET_AFFINITY; r.cpu_words = 1),
    ROW("cpus_no_words", EINVAL, "cpu_words: not in 1 to SPAWN_CPU_WORDS_MAX", r.set = SPAWN_SET_AFFINITY;
        r.cpus = no_cpu),
    ROW("cpus_too_many_words", EINVAL, "cpu_words: not in 1 to SPAWN_CPU_WORDS_MAX", r.set = SPAWN_SET_AFFINITY;
        r.cpus = no_cpu; r.cpu_words = SPAWN_CPU_WORDS_MAX + 1),
    ROW("cpus_none", EINVAL, "cpus: none", r.set = SPAWN_SET_AFFINITY; r.cpus = no_cpu; r.cpu_words = 2),
    ROW("terminal_without_session", EINVAL, "terminal: without a new session", r.set = SPAWN_SET_TERMINAL),
    ROW("terminal_negative", EBADF, "terminal: negative", r.set = SPAWN_SET_TERMINAL | SPAWN_NEW_SESSION;
        r.terminal = -1),
    ROW("terminal_not_there", EBADF, "terminal: not a target", q.keep = {{2, 2}};
        r.set = SPAWN_SET_TERMINAL | SPAWN_NEW_SESSION; r.terminal = 3),
    ROW("foreground_negative", EBADF, "foreground: negative", r.set = SPAWN_SET_FOREGROUND; r.foreground = -1),
    ROW("foreground_not_there", EBADF, "foreground: not a target", r.set = SPAWN_SET_FOREGROUND),
    ROW("death_signal_none", EINVAL, "death_signal: not in 1 to 64", r.set = SPAWN_SET_DEATH_SIGNAL),
    ROW("death_signal_high", EINVAL, "death_signal: not in 1 to 64", r.set = SPAWN_SET_DEATH_SIGNAL;
        r.death_signal = 65),
    ROW("cgroup_negative", EBADF, "cgroup_fd: negative", r.set = SPAWN_SET_CGROUP; r.cgroup_fd = -1),
    ROW("cgroup_closed", EBADF, "cgroup_fd: closed", r.set = SPAWN_SET_CGROUP; r.cgroup_fd = nowhere),
};

class BadRequest : public ::testing::TestWithParam<Row> {};

INSTANTIATE_TEST_SUITE_P(Field, BadRequest, ::testing::ValuesIn(rows), [](const auto& i) { return i.param.name; });

TEST_P(BadRequest, IsRefusedByNameAndNothingChanges) {
  HoldRequest request;
  const Row& row = GetParam();
  row.spoil(request);
  const auto table = descriptors_of(getpid());
  const std::string mask = status_field(getpid(), "SigBlk");
  spawn_result result{};
  errno = 4321;
  EXPECT_EQ(spawn_run(&request.get(), &result), row.error);
  EXPECT_EQ(errno, 4321);
  EXPECT_EQ(result.error, row.error);
  EXPECT_EQ(result.failed, SPAWN_FAILED_REQUEST);
  EXPECT_STREQ(result.field, row.field);
  EXPECT_EQ(result.pid, -1);
  EXPECT_EQ(result.pidfd, -1);
  EXPECT_EQ(result.step, -1);
  EXPECT_EQ(descriptors_of(getpid()), table);
  EXPECT_EQ(status_field(getpid(), "SigBlk"), mask);
  EXPECT_TRUE(has_no_child());
}

// The null keep-list needs a request whose pointer HoldRequest does not set.
TEST(BadRequests, ANullKeepList) {
  HoldRequest request;
  request.r.keep_count = 1;
  spawn_result result{};
  EXPECT_EQ(spawn_run(&request.r, &result), EINVAL);
  EXPECT_STREQ(result.field, "keep: null");
}

// "FIELD: REASON", as quoted anywhere in the sources that check.
TEST(BadRequests, TheTableHasEveryReason) {
  std::set<std::string> known{"keep: null"};
  for (const Row& row : rows) known.insert(row.field);
  std::size_t found = 0;
  for (const char* file : {"request.cpp", "check_attributes.cpp", "run.cpp"}) {
    std::ifstream source(std::string(SPAWNCHECK_SOURCE_DIRECTORY "/impl/spawn/") + file);
    std::stringstream text;
    text << source.rdbuf();
    const std::string all = text.str();
    const std::regex reason("\"([a-z_]+: [^\"]+)\"");
    for (std::sregex_iterator at(all.begin(), all.end(), reason), end; at != end; ++at, ++found) {
      const std::string what = (*at)[1];
      const bool is_of_plan = what.rfind("start:", 0) == 0 || what.rfind("step:", 0) == 0;  // spawn_run_plan()'s
      const bool needs_abilities =
          is_of_plan || what.find("needs") != std::string::npos || what.find(" here") != std::string::npos;
      EXPECT_TRUE(needs_abilities || known.count(what) == 1) << what;
    }
  }
  EXPECT_GT(found, known.size());
}

// More on what the kernel lacks: spawn_features_test, spawn_fallback_test.
TEST(BadRequests, AForcedStrategyThatIsNotThere) {
  HoldRequest request;
  spawn_abilities none{};
  spawn_result result{};
  request.r.strategy = SPAWN_STRATEGY_UNSHARE;
  EXPECT_EQ(spawn_run_with(&request.get(), &none, &result), ENOTSUP);
  EXPECT_STREQ(result.field, "strategy: not available here");
}

}  // namespace
}  // namespace spawncheck
