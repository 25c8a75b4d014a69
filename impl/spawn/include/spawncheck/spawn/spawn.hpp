// SPDX-License-Identifier: MIT
//
// The reference spawn for C++20: a request that owns what it is given, and a child that is waited for.
//
//   auto child = Request("/bin/cat").argument("-").keep(in, 0).keep(out, 1).keep(2, 2).spawn();
//   if (!child) return child.error().code;
//   Exit exit = *child->wait();
//
// No exceptions but std::bad_alloc while a request is built; none between clone and exec. Nothing here is
// async-signal-safe (it allocates); the C interface, request.h, is. Errors are errno values with the step that
// failed. Results come as tl::expected, or std::expected where the language has it
// (expected.hpp); the child is child.hpp's. capture.hpp runs a request and collects what it writes.
#pragma once

#include <spawncheck/spawn/child.hpp>
#include <spawncheck/spawn/expected.hpp>
#include <spawncheck/spawn/request.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace spawncheck::spawn {
inline namespace SPAWNCHECK_SPAWN_INLINE_NAMESPACE {

// What to run and how. Copies all it is given: the caller's strings and arrays may change or go. It may be
// spawned any number of times, by several threads at once.
class Request {
 public:
  // A path, relative to the child's directory; no PATH search. argv[0] is the path unless name() says else.
  explicit Request(std::string path) : path_(std::move(path)), arguments_{path_} {}
  // An open file; borrowed until the spawn returns. A script (#!) cannot be run so (execveat(2)).
  explicit Request(int program_fd) : arguments_{"program"} {
    request_.program_fd = program_fd;
    request_.set |= SPAWN_PROGRAM_FD;
  }

  Request& name(std::string argument_zero) { return arguments_[0] = std::move(argument_zero), *this; }
  Request& argument(std::string text) { return arguments_.push_back(std::move(text)), *this; }
  Request& environment(std::vector<std::string> variables) { return environment_ = std::move(variables), *this; }
  // What crosses besides the keep-list: nothing (the default), what has no close-on-exec flag, ...
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
    spawn_result result{};
    if (spawn_run(&r, &result) == 0) return Child(result.pid, result.pidfd);
    return Unexpected<Error>(Error{result.error, word_of(result.failed), result.field != nullptr ? result.field : "", result.signal});
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
      case SPAWN_FAILED_REQUEST: return "request";
      case SPAWN_FAILED_MEMORY: return "memory";
      case SPAWN_FAILED_CLONE: return "clone";
      case SPAWN_FAILED_KILLED: return "killed";
      default: return spawn_step_word(static_cast<std::uint32_t>(failed));
    }
  }

  static spawn_request nothing_kept() {
    spawn_request r{};
    r.policy = SPAWN_FDS_ONLY;
    return r;
  }

  spawn_request request_ = nothing_kept();
  std::string path_, directory_;
  std::vector<std::string> arguments_, environment_;
  std::vector<spawn_keep> keep_;
};

}  // namespace SPAWNCHECK_SPAWN_INLINE_NAMESPACE
}  // namespace spawncheck::spawn
