// SPDX-License-Identifier: MIT
//
// Runs scenarios on the kernel. One Executor owns one warm arena server: a small, clean process, that
// forks a fresh arena for each run, watches it, looks at its children from outside and cleans up after
// it. No process, descriptor or file outlives the Executor, also when this process is killed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/scenario/history.h"
#include "model/scenario/scenario.h"
#include "model/scenario/trace.h"

namespace spawncheck {

// The directory of the project's arena, child programs and shared objects: $SPAWNCHECK_BIN, else the directory of this
// executable.
std::string directory_of_binaries();

struct ExecutorOptions {
  // "reference", "posix_spawn", "fork_exec", ..., or the path of a shared object (it contains a '/').
  std::string implementation = "reference";
  std::string strategy;             // of the reference; empty: its own choice
  std::uint32_t timeout_ms = 5000;  // of one run
};

// What the arena server says of the implementation it loaded (impl/peers/implementation.h).
struct ImplementationInfo {
  std::string name;
  std::uint32_t policies = 0;
  std::uint32_t sets = 0;
  std::string promises;
  std::string version;       // of the library behind it; empty if unknown
  std::uint32_t habits = 0;  // SPAWNCHECK_REAPS, ...
  struct Limit {
    std::string clause, says, what, source;
  };
  std::vector<Limit> limits;  // documented limits: what it does not guarantee
};

// In a run by SC_RULE_ASK: returns the task of the set `enabled` that goes next, after the steps of the trace, which
// grows from call to call. Called only if more than one task is enabled. A task outside of the set stands for the
// lowest task of the set.
using Choose = std::function<unsigned(const sc_trace&, std::uint32_t enabled)>;

struct RunOptions {
  std::uint64_t seed = 0;  // of delays, pinning and yields, which provoke races; 0: there are none
  // Not null: a scheduled run. Every task stops at each visible call (model/scenario/visible.h). The turns of the
  // scenario's schedule say which task goes next; after them the policy does. Null: a free run.
  const sc_policy* policy = nullptr;
  Choose choose = {};  // called under SC_RULE_ASK; empty: the lowest task goes
};

class Executor {
 public:
  // Returns null on failure; `error` says in one line what is missing.
  static std::unique_ptr<Executor> start(const ExecutorOptions&, std::string& error);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  const ImplementationInfo& implementation() const;
  // The numbers at which the implementation held descriptors of its own in the last run, ascending.
  std::vector<std::int32_t> held() const;

  // Runs once. The history stays valid until the next call. A dead arena server is started again; when
  // that fails too the history's end is SC_RUN_BROKEN.
  const sc_history& run(const Scenario&, const RunOptions& = {});

  // The trace of the last run, if it was scheduled: valid as long as its history.
  const sc_trace& trace() const;

  // Returns true if the implementation held descriptors of its own when the last run began
  // (SPAWNCHECK_HOLDS_DESCRIPTORS).
  bool holds_descriptors() const;

 private:
  struct Self;
  explicit Executor(std::unique_ptr<Self>);
  std::unique_ptr<Self> self_;
};

}  // namespace spawncheck
