// SPDX-License-Identifier: MIT
//
// Which program runs (the search of a list of directories, against execvpe(3)), on which files, on which terminal.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "properties/feature.h"

namespace spawncheck {
namespace {

INSTANTIATE_TEST_SUITE_P(Strategies, Feature, ::testing::Values(SPAWN_STRATEGY_AUTOMATIC, SPAWN_STRATEGY_COPY),
                         [](const auto& i) { return std::string(spawn_strategy_word(i.param)); });

std::string link_of(const std::string& path) {
  std::error_code error;
  return std::filesystem::read_symlink(path, error).string();
}

// Directories, each with something else at the name `program`.
class Places {
 public:
  Places() {
    char name[] = "/tmp/spawncheck-XXXXXX";
    root_ = mkdtemp(name);
    for (const char* directory : {"good", "other", "denied", "directory", "loop", "text", "empty", "here"})
      std::filesystem::create_directory(root_ + "/" + directory);
    for (const char* directory : {"good", "other", "here"})
      std::filesystem::copy_file(binary("hold"), root_ + "/" + directory + "/program");
    write("denied", "text that is not executable", 0644);
    write("text", "no program, and no script either\n", 0755);
    std::filesystem::create_directory(root_ + "/directory/program");
    std::filesystem::create_symlink("program", root_ + "/loop/program");
    std::ofstream(root_ + "/file") << "no directory";
  }
  ~Places() { std::filesystem::remove_all(root_); }
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;
  const std::string& root() const { return root_; }
  std::string here() const { return root_ + "/here"; }
  // Words into a list; "" is an empty element, "long" one that leaves no room for a name.
  std::string list(const std::vector<std::string>& words) const {
    std::string all;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (i != 0) all += ':';
      if (words[i] == "long")
        all += "/" + std::string(4090, 'x');
      else if (words[i] == "absent-element")
        all += root_ + "/" + std::string(300, 'y');  // a component the kernel refuses
      else if (!words[i].empty())
        all += root_ + "/" + words[i];
    }
    return all;
  }

 private:
  void write(const char* directory, const char* text, mode_t mode) {
    const std::string path = root_ + "/" + directory + "/program";
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
  }
  std::string root_;
};

struct Found {
  int error = 0;
  std::string program;
  bool operator==(const Found&) const = default;
};

std::ostream& operator<<(std::ostream& to, const Found& f) {
  return to << (f.error != 0 ? strerror(f.error) : f.program.c_str());
}

enum class From { list, child };

Found by_spawn(const Places& places, const std::string& list, const std::string& name, From from) {
  HoldRequest request;
  const std::string variable = "PATH=" + list, decoy = "PATHS=/nowhere";
  char* envp[] = {const_cast<char*>(decoy.c_str()), const_cast<char*>(variable.c_str()), nullptr};
  request.r.envp = envp;
  request.r.set = SPAWN_SEARCH | SPAWN_SET_CWD;
  request.r.path = name.c_str();
  const std::string here = places.here();
  request.r.cwd = here.c_str();
  if (from == From::list) request.r.search = list.c_str();
  spawn_result result{};
  const int error = spawn_run(&request.get(), &result);
  if (error != 0) return {error, {}};
  Held child(result.pid);
  child.settle();
  return {0, link_of(proc(child.pid(), "exe"))};
}

// What libc's own search finds, in a process of its own.
Found by_execvpe(const Places& places, const std::string& list, const std::string& name) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {errno, "pipe2"};
  const pid_t pid = fork();
  if (pid == 0) {
    char word[] = "hold";
    char* argv[] = {word, nullptr};
    char* envp[] = {nullptr};
    setenv("PATH", list.c_str(), 1);
    if (chdir(places.here().c_str()) == 0) execvpe(name.c_str(), argv, envp);
    const int error = errno;
    if (write(ends[1], &error, sizeof error) < 0) _exit(2);
    _exit(1);
  }
  close(ends[1]);
  Held child(pid);
  Found found;
  const bool failed = read(ends[0], &found.error, sizeof found.error) == sizeof found.error;
  close(ends[0]);
  if (failed) return found;
  child.settle();
  return {0, link_of(proc(pid, "exe"))};
}

// execvpe of glibc runs a shell on a text: lists that reach one are left out here.
RC_GTEST_PROP(Search, IsExecvpe, ()) {
  static const Places places;
  const auto words = *rc::gen::container<std::vector<std::string>>(
      *rc::gen::inRange(1, 6), rc::gen::element<std::string>("good", "other", "denied", "directory", "loop", "empty",
                                                             "file", "missing", "", "absent-element"));
  const auto name =
      *rc::gen::element<std::string>("program", "program", "program", "no:colon", "./program", "../good/program", "");
  const Found expected = by_execvpe(places, places.list(words), name);
  RC_ASSERT(by_spawn(places, places.list(words), name, From::list) == expected);
  RC_ASSERT(by_spawn(places, places.list(words), name, From::child) == expected);
}

struct Row {
  const char* name;
  std::vector<std::string> words;
  int error;
  const char* found;  // in which directory
};

class SearchRule : public ::testing::TestWithParam<Row> {};

TEST_P(SearchRule, Holds) {
  const Places places;
  const Row& row = GetParam();
  const Found expected{row.error, row.error != 0 ? "" : places.root() + "/" + row.found + "/program"};
  EXPECT_EQ(by_spawn(places, places.list(row.words), "program", From::list), expected);
}

INSTANTIATE_TEST_SUITE_P(
    Program, SearchRule,
    ::testing::Values(Row{"the_first_that_runs", {"empty", "good", "other"}, 0, "good"},
                      Row{"an_empty_element_is_the_current_directory", {"missing", "", "good"}, 0, "here"},
                      Row{"the_empty_list_is_one_empty_element", {""}, 0, "here"},
                      Row{"a_denied_one_is_passed_over", {"denied", "good"}, 0, "good"},
                      Row{"and_remembered", {"denied", "missing"}, EACCES, ""},
                      Row{"a_directory_is_no_program", {"directory", "missing"}, EACCES, ""},
                      Row{"missing_is_ENOENT", {"file", "missing"}, ENOENT, ""},
                      Row{"the_last_error_else", {"missing", "file"}, ENOTDIR, ""},
                      Row{"a_loop_ends_it", {"loop", "good"}, ELOOP, ""},
                      Row{"no_shell_is_run", {"text", "good"}, ENOEXEC, ""},
                      Row{"a_long_element_is_passed_over", {"long", "good"}, 0, "good"},
                      Row{"only_long_ones_is_ENOENT", {"long"}, ENOENT, ""},
                      Row{"a_long_component_ends_it", {"absent-element", "good"}, ENAMETOOLONG, ""}),
    [](const auto& i) { return i.param.name; });

// About the longest list there can be (one string of an environment is at most 128 KiB): thousands of elements.
TEST(Search, AListOfThousands) {
  const Places places;
  std::string list;
  while (list.size() < 130'000) list += places.root() + "/missing:";
  EXPECT_EQ(by_spawn(places, list + "/missing", "program", From::list).error, ENOENT);
  EXPECT_EQ(by_spawn(places, list + places.root() + "/good", "program", From::list).program,
            places.root() + "/good/program");
}

TEST(Search, WithoutAPathInTheEnvironmentThereIsADefault) {
  HoldRequest request;
  request.r.set = SPAWN_SEARCH;
  request.r.path = "true";
  spawn_result result{};
  ASSERT_EQ(spawn_run(&request.get(), &result), 0);
  EXPECT_EQ(exit_status_of(result.pid), 0);
  request.r.path = "no-such-program-anywhere";
  EXPECT_EQ(spawn_run(&request.get(), &result), ENOENT);
  EXPECT_EQ(result.failed, SPAWN_STEP_EXEC_SEARCH);
}

// --- opened files -----------------------------------------------------------------------------------------

TEST_P(Feature, OpensInTheNewDirectoryWithTheNewUmask) {
  const Places places;
  const std::vector<spawn_open> open{
      {0, "/dev/null", O_RDONLY, 0}, {1, "output", O_WRONLY | O_CREAT | O_EXCL, 0666}, {9, "program", O_RDONLY, 0}};
  const std::string here = places.here();
  request.r.set = SPAWN_SET_CWD | SPAWN_SET_UMASK;
  request.r.cwd = here.c_str();
  request.r.umask = 027;
  request.r.open = open.data();
  request.r.open_count = 3;
  for (const uint32_t policy : {SPAWN_FDS_ONLY, SPAWN_FDS_INHERIT}) {
    request.r.policy = policy;
    unlink((here + "/output").c_str());
    const pid_t pid = run();
    auto table = descriptors_of(pid);
    EXPECT_EQ(table[0], "/dev/null");
    EXPECT_EQ(table[1], here + "/output");
    EXPECT_EQ(table[9], here + "/program");
    if (policy == SPAWN_FDS_ONLY) {
      EXPECT_EQ(table.size(), 3u);
    }
    struct stat made {};
    ASSERT_EQ(stat((here + "/output").c_str(), &made), 0);
    EXPECT_EQ(made.st_mode & 07777, 0640u);
  }
}

// An entry is opened after all moves: onto a number that was a source, or open, or the program's.
TEST_P(Feature, OpensOverASourceAndOverTheProgram) {
  const int program = open(request.path.c_str(), O_PATH | O_CLOEXEC), kept = dup3(2, 20, O_CLOEXEC);
  for (const uint32_t policy : {SPAWN_FDS_ONLY, SPAWN_FDS_INHERIT, SPAWN_FDS_DROP_CLOEXEC_EXCEPT}) {
    const std::vector<spawn_open> open{
        {program, "/dev/null", O_RDWR, 0}, {kept, "/dev/zero", O_RDONLY, 0}, {kept + 1, "/dev/full", O_RDONLY, 0}};
    request.r.set = SPAWN_PROGRAM_FD;
    request.r.program_fd = program;
    request.r.policy = policy;
    request.r.open = open.data();
    request.r.open_count = 3;
    request.keep = {{kept, 5}};
    auto table = descriptors_of(run());
    EXPECT_EQ(table[program], "/dev/null");
    EXPECT_EQ(table[kept], "/dev/zero");
    EXPECT_EQ(table[kept + 1], "/dev/full") << "where the program's own copy would be put aside";
    EXPECT_EQ(table[5], link_of("/proc/self/fd/2"));
    for (const auto& [number, file] : table) EXPECT_EQ(file.find("spawncheck-hold"), std::string::npos) << number;
  }
  close(program);
  close(kept);
}

// Behaviour 4: the target is closed first, so that a full table is no obstacle; and no number is left over.
TEST_P(Feature, OpensInAFullTable) {
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit low = before;
  low.rlim_cur = 40;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const std::vector<spawn_open> open{{39, "/dev/null", O_RDONLY, 0}, {7, "/dev/zero", O_RDONLY, 0}};
  request.r.policy = SPAWN_FDS_INHERIT;
  request.r.open = open.data();
  request.r.open_count = 2;
  const spawn_request* const asked = &request.get();
  spawn_result* const said = &result;  // UBSan looks at memory through a pipe, for which there will be no number
  std::vector<int> fill;
  for (int fd = dup(2); fd >= 0; fd = dup(2)) fill.push_back(fd);
  const int error = spawn_run(asked, said);
  for (const int fd : fill) close(fd);
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_EQ(error, 0) << spawn_step_word(static_cast<uint32_t>(result.failed));
  Held child(result.pid);
  child.settle();
  auto table = descriptors_of(child.pid());
  EXPECT_EQ(table[39], "/dev/null");
  EXPECT_EQ(table[7], "/dev/zero");
  EXPECT_EQ(std::distance(table.begin(), table.lower_bound(40)), 40);
  for (auto above = table.lower_bound(40); above != table.end(); ++above) EXPECT_NE(above->second, "/dev/zero");
}

TEST_P(Feature, AFailedOpenIsAnErrorOfItsStep) {
  const Places places;
  const std::string here = places.here();
  request.r.set = SPAWN_SET_CWD;
  request.r.cwd = here.c_str();
  request.r.open_count = 1;
  const struct {
    spawn_open open;
    int error;
  } rows[] = {{{1, "missing", O_RDONLY, 0}, ENOENT},
              {{1, "program/x", O_RDONLY, 0}, ENOTDIR},
              {{1, "../loop/program", O_RDONLY, 0}, ELOOP},
              {{1, "..", O_WRONLY, 0}, EISDIR},
              {{1, "program", O_WRONLY | O_CREAT | O_EXCL, 0600}, EEXIST},
              {{1, "", O_RDONLY, 0}, ENOENT}};
  for (const auto& row : rows) {
    request.r.open = &row.open;
    expect_failure(row.error, SPAWN_STEP_OPEN);
    EXPECT_EQ(result.step, 2) << "after the directory and the range";
  }
}

// --- terminal ---------------------------------------------------------------------------------------------

class Terminal {
 public:
  Terminal() {
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64] = "";
    if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 && ptsname_r(master, name, sizeof name) == 0)
      path = name;
    slave = path.empty() ? -1 : open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  }
  ~Terminal() {
    close(slave);
    close(master);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  pid_t foreground() const {
    pid_t group = -1;
    return ioctl(master, TIOCGPGRP, &group) == 0 ? group : -1;
  }
  int master = -1, slave = -1;
  std::string path;
};

#define NEEDS_TERMINAL(t)                                                                 \
  if ((t).slave < 0) {                                                                    \
    std::printf("spawncheck: no pseudo-terminals (devpts): terminals are not checked\n"); \
    GTEST_SKIP() << "needs devpts";                                                       \
  }

TEST_P(Feature, ANewSessionTakesItsTerminal) {
  const Terminal terminal;
  NEEDS_TERMINAL(terminal);
  const spawn_open by_path{4, terminal.path.c_str(), O_RDWR, 0};
  for (const bool opened : {false, true}) {
    request.keep = {{terminal.slave, 0}, {terminal.slave, 1}};
    if (opened) request.keep.clear();
    request.r.open = &by_path;
    request.r.open_count = opened ? 1 : 0;
    request.r.set = SPAWN_NEW_SESSION | SPAWN_SET_TERMINAL | SPAWN_SET_FOREGROUND;
    request.r.terminal = request.r.foreground = opened ? 4 : 0;
    const pid_t pid = run();
    EXPECT_EQ(stat_of(pid)[stat_session], pid);
    EXPECT_NE(stat_of(pid)[stat_terminal], 0);
    EXPECT_EQ(stat_of(pid)[stat_foreground], pid);
    EXPECT_EQ(terminal.foreground(), pid);
    EXPECT_EQ(stat_of(getpid())[stat_terminal] == stat_of(pid)[stat_terminal], false);
    children.clear();
  }
}

// The child opens with O_NOCTTY: its session gets the terminal that was asked for, never one that it happens to open.
TEST_P(Feature, AnOpenedTerminalIsNotTaken) {
  const Terminal terminal;
  NEEDS_TERMINAL(terminal);
  const spawn_open open{0, terminal.path.c_str(), O_RDWR, 0};
  request.r.open = &open;
  request.r.open_count = 1;
  request.r.set = SPAWN_NEW_SESSION;
  EXPECT_EQ(stat_of(run())[stat_terminal], 0);
}

TEST_P(Feature, ATerminalOfAnotherSessionAndWhatIsNoTerminalAreRefused) {
  const Terminal terminal;
  NEEDS_TERMINAL(terminal);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  request.keep = {{terminal.slave, 0}, {null, 1}};
  request.r.set = SPAWN_NEW_SESSION | SPAWN_SET_TERMINAL;
  request.r.terminal = 1;
  expect_failure(ENOTTY, SPAWN_STEP_TERMINAL);
  request.r.set = SPAWN_SET_FOREGROUND;
  request.r.foreground = 0;
  expect_failure(ENOTTY, SPAWN_STEP_FOREGROUND);  // not the child's controlling terminal
  request.r.set = SPAWN_NEW_SESSION | SPAWN_SET_TERMINAL;
  request.r.terminal = 0;
  run();
  expect_failure(EPERM, SPAWN_STEP_TERMINAL);  // its session is there
  close(null);
}

// A shell's job: a new group of the caller's session takes the foreground, also from a background process. SIGTTOU,
// which is not blocked here, stops no process.
TEST_P(Feature, AJobTakesTheForeground) {
  const Terminal terminal;
  NEEDS_TERMINAL(terminal);
  request.r.set = SPAWN_SET_PGROUP | SPAWN_SET_FOREGROUND;
  request.r.foreground = 2;
  request.keep = {{terminal.slave, 2}};
  EXPECT_EQ(apart([&] {
              if (setsid() < 0 || ioctl(terminal.slave, TIOCSCTTY, 0) != 0 || terminal.foreground() != getpid())
                return 1;
              signal(SIGHUP, SIG_IGN);
              std::vector<std::unique_ptr<Held>> jobs;
              for (int i = 0; i < 2; ++i) {  // the second when we are in the background
                if (spawn_run(&request.get(), &result) != 0) return 2;
                jobs.push_back(std::make_unique<Held>(result.pid));
                if (terminal.foreground() != result.pid) return 3;
                if (stat_of(result.pid)[stat_group] != result.pid || stat_of(result.pid)[stat_session] != getpid())
                  return 4;
              }
              return 0;
            }),
            0);
}

}  // namespace
}  // namespace spawncheck
