// SPDX-License-Identifier: MIT
//
// The reference spawn for C++20: a request that owns what it is given, and a child that is waited for.
//
//   auto child = Request("/bin/cat").argument("-").keep(in, 0).keep(out, 1).keep(2, 2).spawn();
//   if (!child) return child.error().code;
//   Exit exit = *child->wait();
//
// The only exception is std::bad_alloc while a request is built; none between clone and exec. Nothing here is
// async-signal-safe (it allocates); the C interface, request.h, is. Errors are errno values with the step that
// failed. Results come as tl::expected, or std::expected where the language has it
// (expected.hpp); the child is child.hpp's. capture.hpp runs a request and collects what it writes.
#pragma once

#include <fcntl.h>
#include <spawncheck/spawn/request.h>

#include <cstdint>
#include <cstdlib>
#include <spawncheck/spawn/child.hpp>
#include <spawncheck/spawn/expected.hpp>
#include <string>
#include <utility>
#include <vector>

namespace spawncheck::spawn {
inline namespace SPAWNCHECK_SPAWN_INLINE_NAMESPACE {

// Owns the window of strategy staged (request.h, spawn_window_reserve()); best made at the start of main.
// The destructor leaves alone the numbers that other code has closed.
class Window {
 public:
  // Reserves for that many sources at once. Errors: ENOSPC, EALREADY, ...
  static Expected<Window, int> reserve(std::uint32_t sources) {
    if (const int error = spawn_window_reserve(sources)) return Unexpected<int>(error);
    return Window();
  }
  Window(Window&& other) noexcept : owns_(std::exchange(other.owns_, false)) {}
  Window& operator=(Window&&) = delete;
  // If a spawn is using the window, it is not released: the process then has it until it ends.
  ~Window() {
    if (owns_) spawn_window_release();
  }

 private:
  Window() = default;
  bool owns_ = true;
};

// What to run and how. Copies all arguments: the caller may then change or free its strings and arrays. It may be
// spawned any number of times, by several threads at once.
class Request {
 public:
  // A path, relative to the child's directory; searched in PATH only with search(). argv[0] is the path unless name()
  // changes it.
  explicit Request(std::string path) : path_(std::move(path)), arguments_{path_} {}
  // An open program file, borrowed until the spawn returns. It cannot be a script (#!, execveat(2)).
  explicit Request(int program_fd) : arguments_{"program"} {
    request_.program_fd = program_fd;
    request_.set |= SPAWN_PROGRAM_FD;
  }

  Request& name(std::string argument_zero) { return arguments_[0] = std::move(argument_zero), *this; }
  Request& argument(std::string text) { return arguments_.push_back(std::move(text)), *this; }
  Request& environment(std::vector<std::string> variables) { return environment_ = std::move(variables), *this; }
  // What crosses besides the keep-list: nothing (the default), all numbers without close-on-exec, ...
  Request& policy(spawn_policy policy) { return request_.policy = policy, *this; }
  Request& strategy(spawn_strategy strategy) { return request_.strategy = strategy, *this; }
  // `source` of the caller becomes `target` of the child; all sources are read before any target is written.
  Request& keep(int source, int target) { return keep_.push_back({source, target}), *this; }
  // Signal sets: bit n-1 is signal n.
  Request& mask(std::uint64_t signals) { return request_.mask = signals, asks(SPAWN_SET_MASK); }
  Request& default_signals(std::uint64_t signals) { return request_.dflt = signals, asks(SPAWN_SET_DEFAULT); }
  Request& ignore_signals(std::uint64_t signals) { return request_.ignore = signals, asks(SPAWN_SET_IGNORE); }
  Request& process_group(pid_t group) { return request_.pgroup = group, asks(SPAWN_SET_PGROUP); }
  Request& new_session() { return asks(SPAWN_NEW_SESSION); }
  Request& directory(std::string path) { return directory_ = std::move(path), asks(SPAWN_SET_CWD); }
  Request& directory(int fd) { return request_.cwd_fd = fd, asks(SPAWN_SET_CWD_FD); }
  Request& umask(mode_t mode) { return request_.umask = mode, asks(SPAWN_SET_UMASK); }

  // The field of the same name in request.h says what each of these does, and its errors.

  // The path is a name, searched in PATH of the child's environment, in the given list, or in the caller's own
  // PATH as it is now (getenv(3): no other thread may change the environment meanwhile).
  Request& search() { return has_search_ = false, asks(SPAWN_SEARCH); }
  Request& search(std::string list) { return search_ = std::move(list), has_search_ = true, asks(SPAWN_SEARCH); }
  Request& search_callers_path() {
    const char* list = std::getenv("PATH");
    return search(list != nullptr ? list : SPAWN_SEARCH_DEFAULT);
  }
  // A file that the child opens at `target`: open(2)'s flags, and a mode if it creates the file.
  Request& open(int target, std::string path, int flags, mode_t mode = 0) {
    return opened_.push_back({target, std::move(path), flags, mode}), *this;
  }
  Request& null(int target) { return open(target, "/dev/null", target == 0 ? O_RDONLY : O_WRONLY); }
  Request& limit(int resource, std::uint64_t soft, std::uint64_t hard) {
    return limits_.push_back({soft, hard, static_cast<std::uint32_t>(resource)}), *this;
  }
  Request& nice(int value) { return request_.nice = value, asks(SPAWN_SET_NICE); }
  Request& scheduling(int policy, int priority = 0) {
    return request_.scheduling = policy, request_.priority = priority, asks(SPAWN_SET_SCHEDULING);
  }
  // Bit i of the words is CPU i.
  Request& cpus(std::vector<std::uint64_t> words) { return cpus_ = std::move(words), asks(SPAWN_SET_AFFINITY); }
  Request& user(uid_t id) { return request_.uid = id, asks(SPAWN_SET_UID); }
  Request& group(gid_t id) { return request_.gid = id, asks(SPAWN_SET_GID); }
  // An empty list is set too; without this call the child keeps the caller's groups.
  Request& groups(std::vector<std::uint32_t> ids) { return groups_ = std::move(ids), asks(SPAWN_SET_GROUPS); }
  Request& allow_undumpable() { return asks(SPAWN_ALLOW_UNDUMPABLE); }
  // Numbers in the child.
  Request& terminal(int number) { return request_.terminal = number, asks(SPAWN_SET_TERMINAL); }
  Request& foreground(int number) { return request_.foreground = number, asks(SPAWN_SET_FOREGROUND); }
  Request& death_signal(int number) { return request_.death_signal = number, asks(SPAWN_SET_DEATH_SIGNAL); }
  Request& no_new_privileges() { return asks(SPAWN_NO_NEW_PRIVS); }
  // A number of the caller's, borrowed until the spawn returns.
  Request& cgroup(int directory_fd) { return request_.cgroup_fd = directory_fd, asks(SPAWN_SET_CGROUP); }

  [[nodiscard]] Expected<Child, Error> spawn() const {
    std::vector<char*> argv = pointers(arguments_), envp = pointers(environment_);
    spawn_request r = request_;
    r.set |= SPAWN_WANT_PIDFD;
    r.path = path_.c_str();
    r.argv = argv.data();
    r.envp = envp.data();
    r.keep = keep_.data();
    r.keep_count = static_cast<std::uint32_t>(keep_.size());
    r.cwd = directory_.c_str();
    r.search = has_search_ ? search_.c_str() : nullptr;
    std::vector<spawn_open> opened;
    for (const Opened& o : opened_) opened.push_back({o.target, o.path.c_str(), o.flags, o.mode});
    r.open = opened.data();
    r.open_count = static_cast<std::uint32_t>(opened.size());
    r.limit = limits_.data();
    r.limit_count = static_cast<std::uint32_t>(limits_.size());
    r.groups = groups_.data();
    r.group_count = static_cast<std::uint32_t>(groups_.size());
    r.cpus = cpus_.data();
    r.cpu_words = static_cast<std::uint32_t>(cpus_.size());
    spawn_result result{};
    if (spawn_run(&r, &result) == 0) return Child(result.pid, result.pidfd);
    return Unexpected<Error>(
        Error{result.error, word_of(result.failed), result.field != nullptr ? result.field : "", result.signal});
  }

 private:
  Request& asks(std::uint32_t bit) { return request_.set |= bit, *this; }
  static std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
    all.push_back(nullptr);
    return all;
  }
  static std::string word_of(int failed) {
    switch (failed) {
      case SPAWN_FAILED_REQUEST:
        return "request";
      case SPAWN_FAILED_MEMORY:
        return "memory";
      case SPAWN_FAILED_CLONE:
        return "clone";
      case SPAWN_FAILED_KILLED:
        return "killed";
      default:
        return spawn_step_word(static_cast<std::uint32_t>(failed));
    }
  }

  static spawn_request nothing_kept() {
    spawn_request r{};
    r.policy = SPAWN_FDS_ONLY;
    return r;
  }

  struct Opened {
    int target;
    std::string path;
    int flags;
    mode_t mode;
  };

  spawn_request request_ = nothing_kept();
  std::string path_, directory_, search_;
  bool has_search_ = false;
  std::vector<Opened> opened_;
  std::vector<spawn_limit> limits_;
  std::vector<std::uint32_t> groups_;
  std::vector<std::uint64_t> cpus_;
  std::vector<std::string> arguments_, environment_;
  std::vector<spawn_keep> keep_;
};

}  // namespace SPAWNCHECK_SPAWN_INLINE_NAMESPACE
}  // namespace spawncheck::spawn
