// SPDX-License-Identifier: MIT
#include "fuzz/request_child.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <vector>

namespace spawncheck::fuzz {

namespace {

constexpr int numbers_max = 110, settle_tries_max = 500'000;
constexpr std::uint64_t unblockable = 1ull << 8 | 1ull << 18;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string link_of(const std::string& path) {
  char text[4096];
  const ssize_t size = readlink(path.c_str(), text, sizeof text);
  return {text, size > 0 ? static_cast<std::size_t>(size) : 0};
}

std::map<std::string, std::string> status_of(const std::string& process) {
  std::map<std::string, std::string> all;
  std::istringstream text(read_file("/proc/" + process + "/status"));
  for (std::string line; std::getline(text, line);) {
    const std::size_t colon = line.find(':'), value = line.find_first_not_of(" \t", colon + 1);
    if (colon != std::string::npos) all[line.substr(0, colon)] = value == std::string::npos ? "" : line.substr(value);
  }
  return all;
}

std::string limit_text(std::uint64_t amount) {
  return amount == SPAWN_UNLIMITED ? "unlimited" : std::to_string(amount);
}

// Looks at one child, and keeps the words of what is wrong.
class Looked {
 public:
  Looked(const spawn_request& request, pid_t pid) : r_(request), pid_(pid), process_(std::to_string(pid)) {}

  std::string all() {
    if (!settles()) return r_.limit_count != 0 ? "" : "the child does not run its program";
    status_ = status_of(process_);
    signals();
    credentials();
    process();
    scheduling();
    limits();
    table();
    // Its limits may have ended the child meanwhile: then there was nothing to see.
    if (!wrong_.empty() && r_.limit_count != 0 && has_ended()) return "";
    return wrong_;
  }

 private:
  bool asks(std::uint32_t bit) const { return (r_.set & bit) != 0; }
  void expect(bool is, const char* what) {
    if (!is && wrong_.empty()) wrong_ = std::string("the child's ") + what + " is not as requested";
  }
  bool has_ended() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
  }
  bool settles() const {
    for (int i = 0; i < settle_tries_max; ++i) {
      if (!read_file("/proc/" + process_ + "/cmdline").empty()) return true;
      if (i % 64 == 63 && has_ended()) return false;
      sched_yield();
    }
    return false;
  }
  std::uint64_t bits(const char* name) { return std::strtoull(status_[name].c_str(), nullptr, 16); }

  void signals() {
    const auto own = status_of("self");
    const std::uint64_t ignored = std::strtoull(own.at("SigIgn").c_str(), nullptr, 16);
    const std::uint64_t dflt = asks(SPAWN_SET_DEFAULT) ? r_.dflt : 0, ignore = asks(SPAWN_SET_IGNORE) ? r_.ignore : 0;
    expect(bits("SigBlk") == (asks(SPAWN_SET_MASK) ? r_.mask & ~unblockable : 0), "mask");
    expect(bits("SigIgn") == ((ignored & ~dflt) | ignore), "ignored set");
    expect(bits("SigCgt") == 0, "set of handled signals");
  }

  void credentials() {
    const auto four = [](std::uint32_t id) {
      const std::string one = std::to_string(id);
      return one + "\t" + one + "\t" + one + "\t" + one;
    };
    expect(status_["Uid"] == four(asks(SPAWN_SET_UID) ? r_.uid : getuid()), "uid");
    expect(status_["Gid"] == four(asks(SPAWN_SET_GID) ? r_.gid : getgid()), "gid");
    expect(status_["NoNewPrivs"] == (asks(SPAWN_NO_NEW_PRIVS) ? "1" : "0"), "no_new_privs");
    if (!asks(SPAWN_SET_GROUPS)) return;
    std::multiset<std::uint32_t> wanted(r_.groups, r_.groups + r_.group_count), seen;
    std::istringstream text(status_["Groups"]);
    for (std::uint32_t id; text >> id;) seen.insert(id);
    expect(wanted == seen, "list of groups");
  }

  void process() {
    const std::string line = read_file("/proc/" + process_ + "/stat");
    const std::size_t name_end = line.rfind(')');
    long parent = 0, group = 0, session = 0, terminal = 0, foreground = 0;
    char state = 0;
    if (name_end == std::string::npos || sscanf(line.c_str() + name_end, ") %c %ld %ld %ld %ld %ld", &state, &parent,
                                                &group, &session, &terminal, &foreground) != 6)
      return expect(false, "stat line");
    const long leads = asks(SPAWN_NEW_SESSION) || (asks(SPAWN_SET_PGROUP) && r_.pgroup == 0) ? pid_
                       : asks(SPAWN_SET_PGROUP)                                              ? r_.pgroup
                                                                                             : getpgrp();
    expect(parent == getpid(), "parent");
    expect(group == leads, "process group");
    expect(session == (asks(SPAWN_NEW_SESSION) ? pid_ : getsid(0)), "session");
    expect((terminal != 0) == asks(SPAWN_SET_TERMINAL), "controlling terminal");
    if (asks(SPAWN_SET_FOREGROUND)) expect(foreground == group, "foreground group");
    char umask_text[8];
    snprintf(umask_text, sizeof umask_text, "%04o", r_.umask);
    if (asks(SPAWN_SET_UMASK)) expect(status_["Umask"] == umask_text, "umask");
    struct stat wanted {
    }, seen{};
    const bool is_known = asks(SPAWN_SET_CWD)      ? stat(r_.cwd, &wanted) == 0
                          : asks(SPAWN_SET_CWD_FD) ? fstat(r_.cwd_fd, &wanted) == 0
                                                   : stat(".", &wanted) == 0;
    expect(is_known && stat(("/proc/" + process_ + "/cwd").c_str(), &seen) == 0 && wanted.st_ino == seen.st_ino &&
               wanted.st_dev == seen.st_dev,
           "directory");
    const std::string program = link_of("/proc/" + process_ + "/exe");
    expect(program.find("/spawncheck-hold") != std::string::npos, "program");
  }

  void scheduling() {
    if (asks(SPAWN_SET_NICE)) expect(getpriority(PRIO_PROCESS, static_cast<id_t>(pid_)) == r_.nice, "nice value");
    sched_param priority{};
    sched_getparam(pid_, &priority);
    expect(sched_getscheduler(pid_) == (asks(SPAWN_SET_SCHEDULING) ? r_.scheduling : SCHED_OTHER), "scheduling policy");
    expect(priority.sched_priority == (asks(SPAWN_SET_SCHEDULING) ? r_.priority : 0), "priority");
    cpu_set_t own, seen;
    if (sched_getaffinity(0, sizeof own, &own) != 0 || sched_getaffinity(pid_, sizeof seen, &seen) != 0) return;
    for (unsigned i = 0; i < CPU_SETSIZE; ++i) {
      const bool is_wanted =
          !asks(SPAWN_SET_AFFINITY) || (i / 64 < r_.cpu_words && (r_.cpus[i / 64] >> (i % 64) & 1) != 0);
      expect((CPU_ISSET(i, &seen) != 0) == (CPU_ISSET(i, &own) != 0 && is_wanted), "set of CPUs");
    }
  }

  // Does not use prlimit(2), which needs a permission that tracing does not (kernel/sys.c check_prlimit_permission).
  void limits() {
    for (std::uint32_t i = 0; i < r_.limit_count; ++i) {
      const spawn_limit& l = r_.limit[i];
      std::istringstream text(read_file("/proc/" + process_ + "/limits"));
      std::string line, soft,
          hard;  // a title, then a line a resource: name in 26 columns, soft, hard (fs/proc/base.c proc_pid_limits)
      for (std::uint32_t n = 0; n <= l.resource + 1; ++n) std::getline(text, line);
      std::istringstream columns(line.size() > 26 ? line.substr(26) : "");
      columns >> soft >> hard;
      expect(soft == limit_text(l.soft) && hard == limit_text(l.hard), "limit");
    }
  }

  void table() {
    std::set<int> wanted, seen;
    if (r_.policy != SPAWN_FDS_ONLY)
      for (int n = 0; n < numbers_max; ++n)
        if (fcntl(n, F_GETFD) == 0) wanted.insert(n);
    if (asks(SPAWN_PROGRAM_FD)) wanted.erase(r_.program_fd);
    const std::string directory = "/proc/" + process_ + "/fd";
    for (std::uint32_t i = 0; i < r_.keep_count; ++i) {
      struct stat source {
      }, target{};
      wanted.insert(r_.keep[i].target);
      const bool is_seen = fstat(r_.keep[i].source, &source) == 0 &&
                           stat((directory + "/" + std::to_string(r_.keep[i].target)).c_str(), &target) == 0;
      expect(is_seen && source.st_ino == target.st_ino && source.st_dev == target.st_dev, "kept descriptor");
    }
    for (std::uint32_t i = 0; i < r_.open_count; ++i) wanted.insert(r_.open[i].target);
    DIR* listing = opendir(directory.c_str());
    while (const dirent* e = listing != nullptr ? readdir(listing) : nullptr)
      if (e->d_name[0] != '.') seen.insert(std::atoi(e->d_name));
    if (listing != nullptr) closedir(listing);
    expect(wanted == seen, "table");
  }

  const spawn_request& r_;
  pid_t pid_;
  std::string process_, wrong_;
  std::map<std::string, std::string> status_;
};

}  // namespace

std::string caller_state() {
  std::ostringstream text;
  for (int n = 0; n < numbers_max; ++n) {
    struct stat file {};
    const int flags = fcntl(n, F_GETFD);
    if (flags >= 0 && fstat(n, &file) == 0)
      text << n << ' ' << flags << ' ' << file.st_dev << ' ' << file.st_ino << '\n';
  }
  auto status = status_of("self");
  for (const char* name : {"Uid", "Gid", "Groups", "Umask", "SigBlk", "SigIgn", "SigCgt", "NoNewPrivs", "Cpus_allowed"})
    text << name << ' ' << status[name] << '\n';
  text << link_of("/proc/self/cwd") << '\n' << read_file("/proc/self/limits");
  text << getpgrp() << ' ' << getsid(0) << ' ' << getpriority(PRIO_PROCESS, 0) << ' ' << sched_getscheduler(0) << ' '
       << prctl(PR_GET_DUMPABLE) << '\n';
  return text.str();
}

std::string child_is_wrong(const spawn_request& request, const spawn_result& result) {
  const bool wants_pidfd = (request.set & SPAWN_WANT_PIDFD) != 0;
  if ((result.pidfd >= 0) != wants_pidfd || (wants_pidfd && fcntl(result.pidfd, F_GETFD) != FD_CLOEXEC))
    return "a pidfd is not as requested";
  return Looked(request, result.pid).all();
}

}  // namespace spawncheck::fuzz
