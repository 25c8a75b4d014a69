// SPDX-License-Identifier: MIT
#include "impl/executor/executor.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "impl/executor/program.h"

extern char** environ;

namespace spawncheck {

namespace {

constexpr int grace_ms_min = 10'000;

std::string because(const std::string& what) { return what + ": " + std::strerror(errno); }

}  // namespace

std::string directory_of_binaries() {
  if (const char* set = std::getenv("SPAWNCHECK_BIN"); set != nullptr && *set != 0) return set;
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  std::string text(path, size > 0 ? static_cast<std::size_t>(size) : 0);
  return text.substr(0, text.rfind('/'));
}

struct Executor::Self {
  // How long the server may take at its start, and beyond a run's own bound: on a machine where a run has more time, so
  // has the server.
  int grace_ms() const { return std::max(grace_ms_min, 2 * static_cast<int>(options.timeout_ms)); }

  ExecutorOptions options;
  ImplementationInfo info;
  sc_shared* shared = nullptr;
  int memory = -1, socket = -1;
  pid_t server = -1;

  ~Self() {
    stop();
    if (shared != nullptr) munmap(shared, sizeof *shared);
    if (memory >= 0) close(memory);
  }

  bool start(std::string& error);
  bool launch(int server_end, std::string& error);
  void stop();
  bool receive(void* message, std::size_t size, int timeout_ms);
  bool take_info(const sc_answer& answer);
  void load(const Scenario& scenario, const RunOptions& run);
  bool run_once(const Choose& choose);
  bool reply(const Choose& choose);
};

// The end of file tells the server to go; it cleans up first. A server that does not is killed.
void Executor::Self::stop() {
  if (socket >= 0) close(socket);
  socket = -1;
  if (server <= 0) return;
  for (int waited_ms = 0; waited_ms < grace_ms(); waited_ms += 10) {
    const pid_t done = waitpid(server, nullptr, WNOHANG);
    if (done == server || (done < 0 && errno == ECHILD)) {
      server = -1;
      return;
    }
    poll(nullptr, 0, waited_ms < 100 ? 1 : 10);
  }
  kill(server, SIGKILL);
  while (waitpid(server, nullptr, 0) < 0 && errno == EINTR) continue;
  server = -1;
}

bool Executor::Self::launch(int server_end, std::string& error) {
  // "musl:posix_spawn" is posix_spawn in the arena that is linked with musl.
  constexpr std::string_view of_musl = "musl:";
  const bool is_musl = options.implementation.starts_with(of_musl);
  const bool is_object = options.implementation.find('/') != std::string::npos;
  const std::string path = directory_of_binaries() + "/spawncheck-arena" +
                           (is_musl     ? "-musl"
                            : is_object ? "-dynamic"
                                        : "");
  const char* argv[] = {path.c_str(), options.implementation.c_str() + (is_musl ? of_musl.size() : 0),
                        options.strategy.c_str(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // Both away from 3 and 4 first: the actions run one after the other.
  const int socket_aside = fcntl(server_end, F_DUPFD_CLOEXEC, 10), memory_aside = fcntl(memory, F_DUPFD_CLOEXEC, 10);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, socket_aside, SC_SOCKET_FD);
  posix_spawn_file_actions_adddup2(&actions, memory_aside, SC_MEMORY_FD);
  posix_spawn_file_actions_addclosefrom_np(&actions, SC_MEMORY_FD + 1);
  const int failed = posix_spawn(&server, path.c_str(), &actions, nullptr, const_cast<char**>(argv), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(socket_aside);
  close(memory_aside);
  if (failed != 0) {
    server = -1;
    errno = failed;
    error = because("cannot start " + path);
  }
  return failed == 0;
}

bool Executor::Self::receive(void* message, std::size_t size, int timeout_ms) {
  pollfd p{socket, POLLIN, 0};
  int ready;
  do ready = poll(&p, 1, timeout_ms);
  while (ready < 0 && errno == EINTR);
  if (ready == 0) errno = ETIMEDOUT;
  if (ready <= 0) return false;
  const ssize_t got = recv(socket, message, size, 0);
  if (got == 0) errno = EPIPE;
  return got == static_cast<ssize_t>(size);
}

bool Executor::Self::take_info(const sc_answer& answer) {
  info = {answer.name, answer.policies, answer.sets, answer.promises, answer.version, answer.habits, {}};
  for (std::uint32_t i = 0; i < answer.limit_count; ++i) {
    sc_limit limit{};
    if (!receive(&limit, sizeof limit, grace_ms())) return false;
    info.limits.push_back({limit.clause, limit.says, limit.what, limit.source});
  }
  return true;
}

bool Executor::Self::start(std::string& error) {
  if (memory < 0) {
    memory = memfd_create("spawncheck-shared", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, sizeof *shared) != 0) return error = because("memfd_create"), false;
    void* at = mmap(nullptr, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (at == MAP_FAILED) return error = because("mmap"), false;
    shared = static_cast<sc_shared*>(at);
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return error = because("socketpair"), false;
  socket = ends[0];
  const bool launched = launch(ends[1], error);
  close(ends[1]);
  sc_answer answer{};
  if (launched && !receive(&answer, sizeof answer, grace_ms()))
    error = because("the arena server does not answer");
  else if (launched && answer.layout != sc_layout())
    error = "the arena server is of another build than this program: build both anew";
  else if (launched && answer.failed)
    error = answer.text;
  else if (launched && take_info(answer))
    return true;
  else if (launched)
    error = because("the arena server does not say the limits of its implementation");
  stop();
  return false;
}

void Executor::Self::load(const Scenario& scenario, const RunOptions& run) {
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
    // All but the turns, which are many and mostly unused.
    std::memcpy(static_cast<void*>(&shared->policy), run.policy, offsetof(sc_policy, turn));
    shared->policy.is_scheduled = 1;
    shared->policy.turn_count = static_cast<std::uint32_t>(scenario.schedule.size());
    for (std::size_t i = 0; i < scenario.schedule.size(); ++i)
      shared->policy.turn[i] = {scenario.schedule[i].thread, scenario.schedule[i].child};
  }
  shared->timeout_ms = options.timeout_ms;
}

// To a question of the server: is it one, and has it got its reply?
bool Executor::Self::reply(const Choose& choose) {
  pollfd p{socket, POLLIN, 0};
  while (poll(&p, 1, static_cast<int>(options.timeout_ms) + grace_ms()) < 0 && errno == EINTR) continue;
  char first = 0;
  if (recv(socket, &first, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT) != 1) return false;
  if (recv(socket, &first, 1, 0) != 1 || first != SC_SAY_CHOOSE) return false;
  const auto task = static_cast<std::uint8_t>(choose ? choose(shared->trace, shared->enabled) : 0);
  return send(socket, &task, 1, MSG_NOSIGNAL) == 1;
}

// One for each step that the trace has room for, and one for the step that it has none for.
constexpr unsigned asks_max = SC_STEPS_MAX + 1;

bool Executor::Self::run_once(const Choose& choose) {
  const char request = SC_SAY_RUN;
  sc_answer answer{};
  if (socket < 0 || send(socket, &request, 1, MSG_NOSIGNAL) != 1) return false;
  if (shared->policy.is_scheduled != 0 && shared->policy.rule == SC_RULE_ASK)
    for (unsigned asked = 0; asked < asks_max && reply(choose);) ++asked;
  return receive(&answer, sizeof answer, static_cast<int>(options.timeout_ms) + grace_ms());
}

Executor::Executor(std::unique_ptr<Self> self) : self_(std::move(self)) {}
Executor::~Executor() = default;

std::unique_ptr<Executor> Executor::start(const ExecutorOptions& options, std::string& error) {
  auto self = std::make_unique<Self>();
  self->options = options;
  if (!self->start(error)) return nullptr;
  return std::unique_ptr<Executor>(new Executor(std::move(self)));
}

const sc_trace& Executor::trace() const { return self_->shared->trace; }
bool Executor::holds_descriptors() const { return self_->shared->held_count != 0; }

const ImplementationInfo& Executor::implementation() const { return self_->info; }

std::vector<std::int32_t> Executor::held() const {
  std::vector<std::int32_t> numbers;
  for (std::uint32_t i = 0; i < self_->shared->held_count; ++i) numbers.push_back(self_->shared->held[i].number);
  return numbers;
}

const sc_history& Executor::run(const Scenario& scenario, const RunOptions& options) {
  std::string error;
  for (int tries = 0; tries < 2; ++tries) {
    if (self_->socket >= 0 || self_->start(error)) {
      self_->load(scenario, options);
      if (self_->run_once(options.choose)) return self_->shared->history;
      error = because("the arena server died or hangs");
    }
    self_->stop();
  }
  sc_history& history = self_->shared->history;
  history.end = SC_RUN_BROKEN;
  history.broken_errno = errno;
  std::strncpy(history.broken_where, error.c_str(), sizeof history.broken_where - 1);
  return history;
}

}  // namespace spawncheck
