// SPDX-License-Identifier: MIT
#include "impl/executor/executor.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "impl/executor/program.h"
#include "impl/executor/server_process.h"

namespace spawncheck {

namespace {

constexpr int grace_ms_min = 10'000;
static_assert(ServerProcess::socket_number == SC_SOCKET_FD && ServerProcess::memory_number == SC_MEMORY_FD);

}  // namespace

std::string directory_of_binaries() {
  if (const char* set = std::getenv("SPAWNCHECK_BIN"); set != nullptr && *set != 0) return set;
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  std::string text(path, size > 0 ? static_cast<std::size_t>(size) : 0);
  return text.substr(0, text.rfind('/'));
}

struct Executor::Self {
  // How long the server may take to start, and how long beyond a run's own bound. It grows with the run's bound, which
  // is larger on a slow machine.
  int grace_ms() const { return std::max(grace_ms_min, 2 * static_cast<int>(options.timeout_ms)); }

  ExecutorOptions options;
  ImplementationInfo info;
  ServerProcess server;

  ~Self() { stop(); }

  sc_shared& shared() const { return *static_cast<sc_shared*>(server.shared()); }
  bool start(std::string& error);
  bool launch(std::string& error);
  void stop() { server.stop(grace_ms()); }
  bool take_info(const sc_answer& answer);
  void load(const Scenario& scenario, const RunOptions& run);
  bool run_once(const Choose& choose);
  bool reply(const Choose& choose);
};

bool Executor::Self::launch(std::string& error) {
  // "musl:posix_spawn" is posix_spawn in the arena that is linked with musl.
  constexpr std::string_view of_musl = "musl:";
  const bool is_musl = options.implementation.starts_with(of_musl);
  const bool is_object = options.implementation.find('/') != std::string::npos;
  const std::string path = directory_of_binaries() + "/spawncheck-arena" +
                           (is_musl     ? "-musl"
                            : is_object ? "-dynamic"
                                        : "");
  return server.start(path, {options.implementation.c_str() + (is_musl ? of_musl.size() : 0), options.strategy.c_str()},
                      sizeof(sc_shared), error);
}

bool Executor::Self::take_info(const sc_answer& answer) {
  info = {answer.name, answer.policies, answer.sets, answer.promises, answer.version, answer.habits, {}};
  for (std::uint32_t i = 0; i < answer.limit_count; ++i) {
    sc_limit limit{};
    if (!server.receive(&limit, sizeof limit, grace_ms())) return false;
    info.limits.push_back({limit.clause, limit.says, limit.what, limit.source});
  }
  return true;
}

bool Executor::Self::start(std::string& error) {
  if (!launch(error)) return false;
  sc_answer answer{};
  if (!server.receive(&answer, sizeof answer, grace_ms()))
    error = because("the arena server does not answer");
  else if (answer.layout != sc_layout())
    error = "the arena server is of another build than this program: build both anew";
  else if (answer.failed)
    error = answer.text;
  else if (take_info(answer))
    return true;
  else
    error = because("the arena server does not say the limits of its implementation");
  stop();
  return false;
}

void Executor::Self::load(const Scenario& scenario, const RunOptions& run) {
  sc_shared* const shared = &this->shared();
  shared->thread_count = static_cast<std::uint32_t>(scenario.threads.size());
  for (std::size_t t = 0; t < scenario.threads.size(); ++t) {
    const auto& operations = scenario.threads[t].operations;
    shared->op_count[t] = static_cast<std::uint32_t>(operations.size());
    std::copy(operations.begin(), operations.end(), shared->op[t]);
  }
  shared->world = scenario.world;
  shared->seed = run.policy != nullptr ? 0 : run.seed;
  if (run.policy == nullptr) {
    shared->policy.is_scheduled = 0;
  } else {
    // Copies all but the turns, which are many and mostly unused.
    std::memcpy(static_cast<void*>(&shared->policy), run.policy, offsetof(sc_policy, turn));
    shared->policy.is_scheduled = 1;
    shared->policy.turn_count = static_cast<std::uint32_t>(scenario.schedule.size());
    for (std::size_t i = 0; i < scenario.schedule.size(); ++i)
      shared->policy.turn[i] = {scenario.schedule[i].thread, scenario.schedule[i].child};
  }
  shared->timeout_ms = options.timeout_ms;
}

// Replies to a question of the server. Returns false if the next message is no question, or the reply was not sent.
bool Executor::Self::reply(const Choose& choose) {
  char first = 0;
  if (server.peek(&first, 1, static_cast<int>(options.timeout_ms) + grace_ms()) != 1) return false;
  if (!server.receive(&first, 1, 0) || first != SC_SAY_CHOOSE) return false;
  const auto task = static_cast<std::uint8_t>(choose ? choose(shared().trace, shared().enabled) : 0);
  return server.send(&task, 1);
}

// One question for each step that the trace has room for, and one for the step that is too many.
constexpr unsigned asks_max = SC_STEPS_MAX + 1;

bool Executor::Self::run_once(const Choose& choose) {
  const char request = SC_SAY_RUN;
  sc_answer answer{};
  if (!server.send(&request, 1)) return false;
  if (shared().policy.is_scheduled != 0 && shared().policy.rule == SC_RULE_ASK)
    for (unsigned asked = 0; asked < asks_max && reply(choose);) ++asked;
  return server.receive(&answer, sizeof answer, static_cast<int>(options.timeout_ms) + grace_ms());
}

Executor::Executor(std::unique_ptr<Self> self) : self_(std::move(self)) {}
Executor::~Executor() = default;

std::unique_ptr<Executor> Executor::start(const ExecutorOptions& options, std::string& error) {
  auto self = std::make_unique<Self>();
  self->options = options;
  if (!self->start(error)) return nullptr;
  return std::unique_ptr<Executor>(new Executor(std::move(self)));
}

const sc_trace& Executor::trace() const { return self_->shared().trace; }
bool Executor::holds_descriptors() const { return self_->shared().held_count != 0; }

const ImplementationInfo& Executor::implementation() const { return self_->info; }

std::vector<std::int32_t> Executor::held() const {
  std::vector<std::int32_t> numbers;
  for (std::uint32_t i = 0; i < self_->shared().held_count; ++i) numbers.push_back(self_->shared().held[i].number);
  return numbers;
}

const sc_history& Executor::run(const Scenario& scenario, const RunOptions& options) {
  std::string error;
  int failed_with = 0;
  for (int tries = 0; tries < 2; ++tries) {
    if (self_->server.is_running() || self_->start(error)) {
      self_->load(scenario, options);
      if (self_->run_once(options.choose)) return self_->shared().history;
      error = because("the arena server died or hangs");
    }
    failed_with = errno;  // stop() makes calls of its own
    self_->stop();
  }
  sc_history& history = self_->shared().history;
  history.end = SC_RUN_BROKEN;
  history.broken_errno = failed_with;
  std::strncpy(history.broken_where, error.c_str(), sizeof history.broken_where - 1);
  return history;
}

}  // namespace spawncheck
