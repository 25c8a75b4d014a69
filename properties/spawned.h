// SPDX-License-Identifier: MIT
//
// Helpers of the tests that call the reference in their own process.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <spawncheck/spawn/request.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "impl/session/slowness.h"

namespace spawncheck {

// build/PRESET/bin, where the tiny programs are.
inline std::string binary(const std::string& name) {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  const std::string self(path, size > 0 ? static_cast<std::size_t>(size) : 0);
  return self.substr(0, self.rfind('/')) + "/spawncheck-" + name;
}

inline std::map<int, std::string> descriptors_of(pid_t pid) {
  std::map<int, std::string> found;
  const std::string directory = "/proc/" + std::to_string(pid) + "/fd";
  DIR* listing = opendir(directory.c_str());
  if (listing == nullptr) return found;
  const int own = pid == getpid() ? dirfd(listing) : -1;
  while (const dirent* e = readdir(listing)) {
    char link[4096];
    const ssize_t size = readlink((directory + "/" + e->d_name).c_str(), link, sizeof link);
    if (e->d_name[0] != '.' && atoi(e->d_name) != own && size > 0)
      found[atoi(e->d_name)] = std::string(link, static_cast<std::size_t>(size));
  }
  closedir(listing);
  return found;
}

inline std::string status_field(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind(name + ":", 0) == 0) {
      const std::size_t value = line.find_first_not_of(" \t", name.size() + 1);
      return value == std::string::npos ? "" : line.substr(value);
    }
  return {};
}

// A child that holds; killed and reaped at the end of its scope.
class Held {
 public:
  explicit Held(pid_t pid) : pid_(pid) {}
  ~Held() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  pid_t pid() const { return pid_; }
  // Waits until the child has its own arguments. exec wakes the parent (fs/exec.c exec_mmap) while the child still has
  // the caller's memory, and with it the caller's arguments. Fails and returns false if that takes too long; in a
  // forked process, whose failures gtest does not count, the caller must look at what it returns.
  bool settle() const {
    const std::string of_caller = arguments_of("self");
    for (unsigned i = 0; i < 100'000 * slowness_of_machine(); ++i) {
      const std::string now = arguments_of(std::to_string(pid_));
      if (!now.empty() && now != of_caller) return true;
      sched_yield();
    }
    ADD_FAILURE() << "the child does not run its program";
    return false;
  }

 private:
  static std::string arguments_of(const std::string& process) {
    std::stringstream text;
    text << std::ifstream("/proc/" + process + "/cmdline").rdbuf();
    return text.str();
  }
  pid_t pid_;
};

inline bool has_no_child() { return waitpid(-1, nullptr, WNOHANG | __WALL) < 0 && errno == ECHILD; }

// A request that runs the holding program; the strings live as long as this.
struct HoldRequest {
  std::string path = binary("hold");
  char word[8] = "hold";
  char* argv[2] = {word, nullptr};
  std::vector<spawn_keep> keep;
  spawn_request r{};
  HoldRequest() {
    r.policy = SPAWN_FDS_ONLY;
    r.path = path.c_str();
    r.argv = argv;
  }
  const spawn_request& get() {
    r.keep = keep.data();
    r.keep_count = static_cast<uint32_t>(keep.size());
    return r;
  }
};

// The lowest CPU that this process may use: in a cpuset that need not be 0.
inline unsigned first_cpu_allowed() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  EXPECT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0) << strerror(errno);
  unsigned cpu = 0;
  while (cpu + 1 < CPU_SETSIZE && !CPU_ISSET(cpu, &allowed)) ++cpu;
  return cpu;
}

// Returns true if a pidfd can name a thread that is not the first of its process: PIDFD_THREAD, Linux 6.9.
inline bool has_thread_pidfds() {
  constexpr unsigned pidfd_thread = O_EXCL;
  const long fd = syscall(SYS_pidfd_open, gettid(), pidfd_thread);
  if (fd >= 0) close(static_cast<int>(fd));
  return fd >= 0;
}

}  // namespace spawncheck
